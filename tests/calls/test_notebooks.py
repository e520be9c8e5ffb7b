"""Calls from a notebook and from a plain script: no widgets, no guard of the main module, nothing printed beside."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import environment

SUITE = """
suite = {
    "datasets": [{"name": "toy", "noise": [1.0], "params": {"size": 6}}],
    "denoisers": ["noiseless", "leave"],
    "metrics": ["error"],
}
"""
SCRIPT = f"""
import ctpbench
{SUITE}
def half(frames):
    return 0.5 * frames

class Mine(ctpbench.FrameDenoiser):
    name, version = "mine", "1"

    def denoise(self, frames, context):
        return frames.copy(data=frames.values)

board = ctpbench.evaluate(half, suite, folder="folder")
mine = ctpbench.evaluate(Mine, suite, beside=["leave"], folder="folder").set_index("config")
"""


@pytest.fixture
def executed(tmp_path: Path) -> Callable[..., list[Any]]:
    """Run the cells of a notebook and return the outputs of the last one."""

    def run(*cells: str) -> list[Any]:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        resources = {"metadata": {"path": tmp_path}}
        client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources)
        client.execute(env=environment())
        return [output for cell in notebook.cells for output in cell.outputs]

    return run


@pytest.mark.parametrize("widgets", [True, False])
def test_a_notebook_shows_progress_with_widgets_and_without(executed, widgets):
    hidden = "" if widgets else "import sys; sys.modules['ipywidgets'] = None"
    strict = "import warnings; warnings.simplefilter('error')"
    outputs = executed(hidden, strict, SCRIPT, "board[['config', 'status']]")
    assert [output.output_type for output in outputs] == ["display_data", "display_data", "execute_result"]
    assert [output.data["text/plain"] for output in outputs[:2]] == [
        "evaluate suite: 2 of 2 cells",
        "evaluate suite: 3 of 3 cells",
    ]
    assert "half" in outputs[2].data["text/html"]
    assert "<table" in outputs[2].data["text/html"]


def test_a_plain_script_needs_no_guard(tmp_path):
    last = "print(board['status'].tolist(), mine['error_cbf']['mine'] == mine['error_cbf']['leave'])"
    (tmp_path / "script.py").write_text(f"{SCRIPT}\n{last}\n")
    ran = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "['ok', 'ok'] True\n", "")
