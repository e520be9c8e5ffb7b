"""What a plan shows: a line a cell, of very many a line for each method at a noise level."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from ctpbench.report import plan as shown
from ctpbench.running.course import skipped
from ctpbench.running.plan import plan
from ctpbench.running.store import Store
from ctpbench.suite.load import load_suite

SUITE = """
datasets: [{name: toy, noise: [1, 2]}]
denoisers: [leave, {name: shrink, grid: {weight: [0.2, 0.4, 0.6]}}]
metrics: [error]
seeds: [0, 1]
"""


@pytest.fixture
def lines(catalogue, write_suite, tmp_path):
    """Return the words of the lines of a plan's table, of a suite of which a cell failed and another was skipped."""
    cells = plan(load_suite(write_suite(SUITE), catalogue))
    store = Store(tmp_path / "run")
    store.write_record(skipped(cells[0], "").model_copy(update={"status": "timeout"}))
    store.write_record(skipped(cells[1], ""))

    def lines():
        console = Console(file=io.StringIO(), width=120)
        shown.print_plan(cells, store, console, jobs=1, threads=1, hardware="cpu")
        return [line.split() for line in console.file.getvalue().splitlines() if line.split()]

    return lines


def test_each_cell_is_a_line(lines):
    found = lines()
    assert found[2] == ["toy", "1", "leave", "0", "-", "timeout"]
    assert found[3] == ["toy", "1", "leave", "1", "-", "to", "run", "unknown"]
    assert found[18] == ["16", "cells:", "1", "finished,", "15", "to", "run."]


def test_very_many_cells_are_a_line_for_each_method_at_a_level(lines, monkeypatch):
    monkeypatch.setattr(shown, "_MOST", 4)
    found = lines()
    assert found[0] == ["Dataset", "Noise", "Method", "Cells", "State", "Time"]
    assert found[2:6] == [
        ["toy", "1", "leave", "2", "1", "timeout,", "1", "to", "run", "unknown"],
        ["toy", "1", "shrink", "6", "6", "to", "run", "unknown"],
        ["toy", "2", "leave", "2", "2", "to", "run", "unknown"],
        ["toy", "2", "shrink", "6", "6", "to", "run", "unknown"],
    ]
    monkeypatch.setattr(shown, "_MOST", 3)
    assert lines()[3] == ["toy", "all", "shrink", "12", "12", "to", "run", "unknown"]
