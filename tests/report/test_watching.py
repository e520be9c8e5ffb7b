"""How a call shows its progress: as it is wished, and on its own only where somebody looks."""

from __future__ import annotations

import io
import sys

import pytest

from ctpbench.report.watching import Fractions, watched, watched_run
from ctpbench.running.work import Outcome
from tests.outcome.records import record


class Screen(io.StringIO):
    """A terminal, or a log."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def watch(wish, monkeypatch, *, terminal: bool) -> str:
    """Return what is printed while a call and a run go on."""
    screen = Screen(terminal)
    monkeypatch.setattr(sys, "stderr", screen)
    with watched(wish, "tips") as tell:
        tell(0.5, "slice 1")
    with watched_run(wish, "quick", 1) as listening:
        listening.work_started("none: denoise")
        listening.cell_finished(record("none", 2e5), reused=False)
    return screen.getvalue()


@pytest.mark.parametrize(("wish", "terminal"), [(None, False), (False, False), (False, True)])
def test_nothing_is_shown_in_a_log_or_where_it_is_not_wished(monkeypatch, wish, terminal):
    assert watch(wish, monkeypatch, terminal=terminal) == ""


def test_a_terminal_shows_bars_and_a_log_lines_where_they_are_wished(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "1/1" in watch(None, monkeypatch, terminal=True)
    assert watch(True, monkeypatch, terminal=False).startswith("1/1 phantom")


def test_a_function_hears_how_much_is_done():
    told: list[tuple[float, str]] = []
    with watched(lambda *what: told.append(what), "tips") as tell:
        tell(0.25, "slice 1")
    assert told.pop() == (0.25, "slice 1")
    shown = Fractions(lambda *what: told.append(what), 2)
    shown.work_started("none: denoise")
    shown.work_progress("none: denoise", 0.5, "case 1")
    shown.work_done("none: denoise", Outcome(status="ok"))
    shown.cell_finished(record("none", 2e5), reused=False)
    shown.cell_finished(record("tips", 2e5, status="error", message="no"), reused=False)
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert told[1][1] == "0 of 2 cells; none: denoise case 1"
    assert shown.summary == "2 of 2 cells, 1 failed"
