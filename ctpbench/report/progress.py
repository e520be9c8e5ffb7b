"""How a run shows itself: live bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from ctpbench.running.record import Record
from ctpbench.running.summary import Summary
from ctpbench.running.work import Outcome
from ctpbench.text import UNKNOWN_AXIS, NoiseAxis, cut, level_text, parameters_text


@contextmanager
def listener(console: Console, cells: int, axes: Mapping[str, NoiseAxis] = {}) -> Iterator[Lines]:
    """Yield what shows a run on this console while it lasts; `axes` are those of `ctpbench.suite.entries.Suite`."""
    if not console.is_terminal:
        lines = Lines(console, cells, axes)
        yield lines
        lines.tell_reused()
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bars = Bars(console, cells, axes, progress)
        yield bars
        bars.tell_reused()


_QUIET_S = 60.0
_LONGEST = 100  # characters of a message; what failed is told at the end
_MOST_REUSED = 100
"""Lines about cells that were finished before."""


class Lines:
    """One line for each finished cell, and one a minute for long work."""

    def __init__(self, console: Console, cells: int, axes: Mapping[str, NoiseAxis] = {}) -> None:
        self._console, self._cells, self._axes = console, cells, axes
        self._finished = self._reused = 0
        self._shown: dict[str, float] = {}

    def work_started(self, label: str) -> None:
        self._shown[label] = time.monotonic()

    def work_progress(self, label: str, fraction: float, text: str) -> None:
        now = time.monotonic()
        if now - self._shown.setdefault(label, now) >= _QUIET_S:
            self._shown[label] = now
            self._console.print(f"  {fraction:.0%} {label}: {text}", highlight=False, markup=False, soft_wrap=True)

    def work_done(self, label: str, outcome: Outcome) -> None:
        self._shown.pop(label, None)

    def cell_finished(self, record: Record | Summary, reused: bool) -> None:
        self._finished += 1
        if reused:
            self._reused += 1
            if self._reused > _MOST_REUSED:
                return
        else:
            self.tell_reused()
        style = {"ok": "green", "skipped": "yellow"}.get(record.status, "red")
        level = level_text(record.dataset, record.noise, self._axes.get(record.dataset, UNKNOWN_AXIS))
        words = [f"{self._finished}/{self._cells} {level}: {record.config}"]
        words += [f"seed {record.seed}"] if record.seed else []
        words += [f"tuned to {parameters_text(record.tuned, short=True)}"] if record.tuned else []
        words += ["(cached)"] if reused else []
        text = (
            f"{escape(' '.join(words))}: [{style}]{record.status}[/] {escape(cut(record.message, _LONGEST))}".rstrip()
        )
        self._console.print(text, highlight=False, soft_wrap=True)
        for metric, message in record.faults.items():
            fault = f"  {metric} failed: {cut(message, _LONGEST)}"
            self._console.print(fault, style="red", highlight=False, markup=False, soft_wrap=True)

    def tell_reused(self) -> None:
        """Say how many more cells were finished before than had a line."""
        if (more := self._reused - _MOST_REUSED) > 0:
            self._console.print(f"... and {more} more (cached)", highlight=False)
        self._reused = 0


class Bars(Lines):
    """The lines above, and below them a bar for all cells and one for each piece of work under way."""

    def __init__(self, console: Console, cells: int, axes: Mapping[str, NoiseAxis], progress: Progress) -> None:
        super().__init__(console, cells, axes)
        self._progress = progress
        self._all = progress.add_task("cells", total=cells)
        self._work: dict[str, Any] = {}

    def work_started(self, label: str) -> None:
        if label in self._work:  # waited for until now
            self._progress.remove_task(self._work[label])
        self._work[label] = self._progress.add_task(label, total=None)

    def work_progress(self, label: str, fraction: float, text: str) -> None:
        if label in self._work:
            self._progress.update(
                self._work[label], total=100, completed=round(100 * fraction), description=f"{label} {text}"
            )

    def work_done(self, label: str, outcome: Outcome) -> None:
        if label in self._work:
            self._progress.remove_task(self._work.pop(label))

    def cell_finished(self, record: Record | Summary, reused: bool) -> None:
        super().cell_finished(record, reused)
        self._progress.advance(self._all)


@contextmanager
def bar(console: Console, label: str) -> Iterator[Callable[[float, str], None]]:
    """Yield a callable(fraction, text) that shows one piece of work: a bar on a terminal, a line a minute elsewhere."""
    if not console.is_terminal:
        lines = Lines(console, 0)
        lines.work_started(label)
        yield lambda fraction, text: lines.work_progress(label, fraction, text)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(label, total=1.0)
        yield lambda fraction, text: progress.update(task, completed=fraction, description=f"{label} {text}")
