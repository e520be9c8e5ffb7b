"""How far a run is: what is finished, what failed, and how long the rest would take at its pace."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from rich.console import Console
from rich.markup import escape

from ctpbench.running.index import Index, PlannedCell
from ctpbench.running.store import Store
from ctpbench.running.summary import Summary
from ctpbench.text import UNKNOWN_AXIS, duration_text, level_text

_MOST_FAILED = 50
"""Failed cells that are told of one by one."""
_MOST_LEVELS = 30
_LEAST_PACE = 3
"""Cells that must have finished before a pace is told."""


def print_status(store: Store, console: Console) -> None:
    """Print how far a run is, how long the rest would take where it runs now, and each failure with its log.

    Of very many failures the first ones; nothing is kept in memory but what is counted.
    """
    index, holder = store.index(), store.holder()
    counted = _Counted(store, index)
    failures = list(counted.lines())
    console.print(
        f"{index.suite}: {counted.finished} of {len(index.cells)} cells finished"
        + (f"; running now (process {holder})" if holder else "")
    )
    counts = ", ".join(f"{count} {status}" for status, count in counted.statuses.most_common())
    console.print(counts or "nothing finished yet")
    if holder and (pace := counted.pace()):
        console.print(pace)
    for line in counted.levels():
        console.print(line, highlight=False)
    for line in failures:
        console.print(line, soft_wrap=True, highlight=False)
    if (more := counted.failed - _MOST_FAILED) > 0:
        console.print(f"... and {more} more cells of which something failed.")
    if counted.cleaned:
        console.print(
            f"Maps of {counted.cleaned} of {counted.scored} cells are gone: scores stand, pictures stay as they are."
        )
    for path, wrong in store.damaged.items():
        text = escape(f"{path}: {wrong}; give the same command to compute it again")
        console.print(f"[red]damaged[/] {text}", soft_wrap=True)
    if counted.again:
        console.print("Give the same command with --rerun failed to run them again.")


class _Counted:
    """What is counted over a run's cells."""

    def __init__(self, store: Store, index: Index) -> None:
        self._store, self._index, self._axes = store, index, index.axes
        self.statuses: Counter[str] = Counter()
        self.finished = self.failed = self.again = self.scored = self.cleaned = 0
        self._planned: Counter[tuple[str, float | None]] = Counter()
        self._done: Counter[tuple[str, float | None]] = Counter()
        self._since_s = _begun_s(store)
        self._lately = 0

    def lines(self) -> Iterator[str]:
        """Go through the cells; yield the lines about those of which something failed."""
        kept = self._store.cache.keys("prediction")
        cells = self._index.cells
        for cell, known in zip(cells, self._store.summaries([cell.key for cell in cells]), strict=True):
            self._planned[cell.dataset, cell.noise] += 1
            if known is None:
                continue
            self._count(cell, known, kept)
            if known.status != "ok" or known.faults:
                self.failed += 1
                if self.failed <= _MOST_FAILED:
                    yield from self._told(known)

    def _count(self, cell: PlannedCell, known: Summary, kept: frozenset[str]) -> None:
        self.finished += 1
        self.statuses[known.status] += 1
        self._done[cell.dataset, cell.noise] += known.status != "skipped"
        self._lately += _second(known.finished) >= self._since_s
        self.again += not known.whole and known.status != "skipped"
        if known.prediction is not None:
            self.scored += 1
            self.cleaned += known.prediction not in kept

    def _told(self, known: Summary) -> Iterator[str]:
        where = escape(f"{self._level(known.dataset, known.noise)}: {known.config}")
        if known.status != "ok":
            yield f"[red]{known.status}[/] {where}: {escape(known.message)}"
        for metric, fault in known.faults.items():
            yield f"[red]metric failed[/] {where}: {escape(f'{metric}: {fault}')}"
        if (log := self._store.folder / known.log).exists():
            yield f"  log: {escape(str(log))}"

    def levels(self) -> Iterator[str]:
        """Yield how far each level is that is not finished, where there are several."""
        open_ones = [level for level, planned in self._planned.items() if self._done[level] < planned]
        if len(self._planned) > 1:
            for level in open_ones[:_MOST_LEVELS]:
                yield f"  {escape(self._level(*level))}: {self._done[level]} of {self._planned[level]}"
            if len(open_ones) > _MOST_LEVELS:
                yield f"  ... and {len(open_ones) - _MOST_LEVELS} more levels"

    def pace(self) -> str:
        """Return how long the rest takes if it goes on as since this runner began; nothing where too little did."""
        left = len(self._index.cells) - sum(self._done.values())
        if self._lately < _LEAST_PACE or not left:
            return ""
        seconds = (time.time() - self._since_s) / self._lately * left
        return f"About {duration_text(seconds)} for {left} cells more, at the pace since it began."

    def _level(self, dataset: str, noise: float | None) -> str:
        return level_text(dataset, noise, self._axes.get(dataset, UNKNOWN_AXIS))


def _begun_s(store: Store) -> float:
    """Return when the runner took the folder."""
    with suppress(OSError):
        return (store.folder / "run.lock").stat().st_mtime
    return 0.0


def _second(written: str) -> float:
    try:
        return datetime.fromisoformat(written).timestamp()
    except ValueError:
        return 0.0
