"""How far a run is said to be, of few cells and of very many."""

from __future__ import annotations

import io
import os
import time
from datetime import UTC, datetime

import pytest
from rich.console import Console

from ctpbench.report import status
from ctpbench.report.status import print_status
from ctpbench.running.store import Store
from tests.outcome.records import index_of, record


@pytest.fixture
def said(tmp_path):
    """Write records, of which some cells may lack one, and return what is said of the run."""

    def said(records, planned=None, *, held=False):
        store = Store(tmp_path)
        store.write_plan(index_of(planned or records), "")
        for each in records:
            store.write_record(each)
        console = Console(file=io.StringIO(), width=200)
        if held:
            with store.locked():
                os.utime(tmp_path / "run.lock", (time.time() - 100, time.time() - 100))
                print_status(Store(tmp_path), console)
        else:
            print_status(Store(tmp_path), console)
        return console.file.getvalue().splitlines()

    return said


def now():
    return datetime.now(UTC).isoformat(timespec="seconds")


def test_a_finished_run_is_two_lines(said):
    first, second = said([record("a", 1e5), record("b", 1e5)])
    assert first.endswith(": 2 of 2 cells finished")
    assert second == "2 ok"


def test_a_run_that_goes_on_says_how_long_the_rest_takes_and_which_levels_are_open(said):
    planned = [record("a", noise, seed) for noise in (1e5, 2e5) for seed in range(10)]
    done = [each.model_copy(update={"finished": now()}) for each in planned[:10]]
    lines = said(done, planned, held=True)
    assert lines[0].endswith(f"10 of 20 cells finished; running now (process {os.getpid()})")
    assert "About 1.7 min for 10 cells more, at the pace since it began." in lines[2]
    assert lines[3:] == ["  phantom, noise 2e5: 0 of 10"]


def test_a_pace_is_of_what_was_finished_since_the_run_began(said):
    planned = [record("a", 1e5, seed) for seed in range(10)]
    old = [each.model_copy(update={"finished": "2020-01-01T00:00:00+00:00"}) for each in planned[:5]]
    assert not [line for line in said(old, planned, held=True) if "pace" in line]


def test_of_very_many_failures_the_first_are_told_and_all_are_counted(said, monkeypatch):
    monkeypatch.setattr(status, "_MOST_FAILED", 2)
    failed = [record("a", 1e5, seed, status="error", message="no [luck]") for seed in range(5)]
    lines = said([*failed, record("b", 1e5)])
    assert lines[1] == "5 error, 1 ok"
    assert lines[2:] == [
        *["error phantom, noise 1e5: a: no [luck]"] * 2,
        "... and 3 more cells of which something failed.",
        "Give the same command with --rerun failed to run them again.",
    ]
