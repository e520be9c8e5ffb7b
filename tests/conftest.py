"""What the tests of the harness share: the fake plugin, a catalogue of it alone, and a way to run a suite."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

FAKES = Path(__file__).parent / "fakes"


@pytest.fixture(autouse=True)
def _fakes_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FAKES))


@pytest.fixture
def catalogue():
    """The fake plugin's components alone."""
    from ctpbench.plugins import load_catalogue

    return load_catalogue([EntryPoint("fakes", "ctpbench_fakes", "ctpbench")])


@pytest.fixture
def write_suite(tmp_path: Path) -> Callable[[str], Path]:
    """Write a suite's text into the test's folder and return its path."""

    def write(text: str, name: str = "suite.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a command of ctpbench in the test's folder, with the fake plugin installed."""
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored in a background job
    program = [sys.executable, "-c", f"{code}from ctpbench.cli import main; main(prog_name='ctpbench')"]

    def begin(*words: str | Path) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(FAKES), "COLUMNS": "120"}
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*program, *map(str, words)], cwd=tmp_path, env=environment, stdout=pipe, stderr=pipe, text=True
        )

    return begin


@pytest.fixture
def ctpbench(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command of ctpbench to its end."""

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        process = start(*words)
        stdout, stderr = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    return run
