"""What a run prints where there is no terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from ctpbench.report import progress
from ctpbench.report.progress import Lines, bar, listener
from ctpbench.running.work import Outcome
from tests.outcome.records import record


@pytest.fixture
def run(monkeypatch):
    """A run's lines, and a clock to set."""
    clock, text = [0.0], io.StringIO()
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    return Lines(Console(file=text, width=40), cells=1), clock, text


def test_long_work_says_where_it_is_once_a_minute(run):
    lines, clock, text = run
    lines.work_started("n2n: fit")
    for clock[0] in range(0, 200, 10):
        lines.work_progress("n2n: fit", clock[0] / 200, f"step {clock[0]}, loss [0.1]")
    printed = text.getvalue().splitlines()
    assert printed == [f"  {t // 2}% n2n: fit: step {t}, loss [0.1]" for t in (60, 120, 180)]


def test_a_bar_shows_labels_as_they_are():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with listener(console, 1) as shown:
        shown.work_started("m[/x]")
        shown.work_progress("m[/x]", 0.5, "[/red] {task.fields} [link=x]")
    with bar(console, "fit[/x]") as tell:
        tell(0.5, "[/]")
    assert "m[/x] [/red] {task.fields} [link=x]" in console.file.getvalue()


def test_short_work_says_nothing(run):
    lines, clock, text = run
    for clock[0] in range(0, 600, 50):
        lines.work_started("tips: denoise")
        lines.work_progress("tips: denoise", 0.5, "slice 1 of 2")
        clock[0] += 49
        lines.work_progress("tips: denoise", 0.9, "slice 2 of 2")
        lines.work_done("tips: denoise", Outcome(status="ok"))
    assert text.getvalue() == ""


def test_a_finished_cell_is_a_line_with_what_was_tuned_and_what_failed(run):
    lines, _, text = run
    lines.cell_finished(record("tips", 2e5, tuned={"sigma_t_hu": 6.500000001, "mode": "wrap"}), reused=False)
    lines.cell_finished(record("n2n", None, 3, dataset="real"), reused=True)
    lines.cell_finished(record("[b]", 2e5, status="timeout", message="longer than [9] s"), reused=False)
    lines.cell_finished(record("ttv", 2e5, faults={"ssim": "error: a [b]"}), reused=False)
    assert text.getvalue().splitlines() == [
        "1/1 phantom, noise 2e5: tips tuned to sigma_t_hu=6.5, mode=wrap: ok",
        "2/1 real: n2n seed 3 (cached): ok",
        "3/1 phantom, noise 2e5: [b]: timeout longer than [9] s",
        "4/1 phantom, noise 2e5: ttv: ok",
        "  ssim failed: error: a [b]",
    ]


def test_of_very_many_cells_that_were_finished_before_most_are_counted(monkeypatch):
    monkeypatch.setattr(progress, "_MOST_REUSED", 2)
    console = Console(file=io.StringIO(), width=80)
    with listener(console, 6) as lines:
        for name in "abcd":
            lines.cell_finished(record(name, None), reused=True)
        lines.cell_finished(record("e", None), reused=False)
        lines.cell_finished(record("f", None), reused=True)
    assert console.file.getvalue().splitlines() == [
        "1/6 phantom: a (cached): ok",
        "2/6 phantom: b (cached): ok",
        "... and 2 more (cached)",
        "5/6 phantom: e: ok",
        "6/6 phantom: f (cached): ok",
    ]
    with listener(console, 3) as lines:
        for name in "abc":
            lines.cell_finished(record(name, None), reused=True)
    assert console.file.getvalue().splitlines()[-1] == "... and 1 more (cached)"
