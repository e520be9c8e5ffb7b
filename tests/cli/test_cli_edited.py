"""Code edited between two commands makes stale what depends on it; edited during one, it ends the run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.stored import stored_records

PLUGIN = """
import acme_factor
from ctpbench import FrameDenoiser, hookimpl

class Scale(FrameDenoiser):
    name, version = "scale", "1"
    until: str = ""

    def denoise(self, frames, context):
        import os, time
        while self.until and not os.path.exists(self.until):
            time.sleep(0.01)
        return frames.copy(data=frames.values * acme_factor.FACTOR)

@hookimpl
def ctpbench_denoisers():
    return [Scale]
"""
SUITE = """
datasets: [{name: toy, noise: [1]}]
denoisers: [leave, {name: scale, label: scale, params: {until: "UNTIL"}}]
metrics: [error]
"""


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    """A plugin of one module, acme_scale, with a helper module beside it, installed."""
    site = tmp_path / "site"
    info = site / "acme_scale-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-scale\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[ctpbench]\nscale = acme_scale\n")
    (site / "acme_scale.py").write_text(PLUGIN)
    (site / "acme_factor.py").write_text("import numpy\n\nFACTOR = numpy.float32(1.0)\n")
    monkeypatch.setenv("PYTHONPATH", str(site))
    return site


def scores(folder: Path) -> dict[str, float]:
    found = stored_records(folder)
    index = {cell["key"] for cell in json.loads((folder / "cells.json").read_text())["cells"]}
    return {r["config"]: r["scores"]["error"]["values"][0][0] for r in found if r["key"] in index}


def test_an_edit_of_a_helper_beside_a_plugin_makes_its_cells_stale_and_no_others(
    site, ctpbench_process, write_suite, tmp_path
):
    suite = write_suite(SUITE.replace("UNTIL", ""))
    run = lambda: ctpbench_process("run", suite, "--out", "out")  # noqa: E731
    assert run().returncode == 0
    first = scores(tmp_path / "out")
    assert first["scale"] == first["leave"]
    (site / "acme_factor.py").write_text('"""Factors."""\nimport numpy\n\nFACTOR = numpy.float32(1.0)  # of all\n')
    assert run().stdout.count("(cached)") == 2
    (site / "acme_factor.py").write_text("import numpy\n\nFACTOR = numpy.float32(0.5)\n")
    third = run()
    assert third.stdout.count("(cached)") == 1
    assert scores(tmp_path / "out")["scale"] != first["leave"]


def test_an_edit_during_a_run_ends_it_in_one_line_and_the_next_is_right(site, start, write_suite, tmp_path):
    edited = tmp_path / "edited"
    suite = write_suite(SUITE.replace("UNTIL", str(edited)))
    running = start("run", suite, "--out", "out")
    for line in running.stdout:
        if "leave" in line:
            break
    (site / "acme_factor.py").write_text("import numpy\n\nFACTOR = numpy.float32(0.5)\n")
    edited.touch()
    _, stderr = running.communicate(timeout=60)
    assert running.returncode == 2
    assert "acme_factor.py: was edited while the run went on" in stderr
    assert "Traceback" not in stderr
    again = start("run", suite, "--out", "out")
    stdout, _ = again.communicate(timeout=60)
    assert again.returncode == 0
    assert stdout.count("(cached)") == 1
