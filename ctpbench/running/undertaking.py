"""What a runner carries out: work that goes step by step to a record."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import overload

from ctpbench.running.cache import Cache
from ctpbench.running.cell import Cell
from ctpbench.running.course import course, skipped
from ctpbench.running.record import Record
from ctpbench.running.work import Item, Outcome


@dataclass(frozen=True)
class Undertaking:
    """What ends in a record: its key, its course, and the record of one that was not begun or not finished, and why."""

    key: str
    course: Callable[[], Generator[list[Item], Sequence[Outcome], Record]]
    skipped: Callable[[str], Record]
    shares: Hashable = None
    """What it has in common with others: the first of them is begun early, for what all of them wait for."""


class Cells(Sequence[Undertaking]):
    """The undertakings of cells, each made when it is asked for: there may be very many."""

    def __init__(self, cells: Sequence[Cell], cache: Cache, found: Callable[[Item], Outcome | None]) -> None:
        self._cells, self._cache, self._found = cells, cache, found

    def __len__(self) -> int:
        return len(self._cells)

    @overload
    def __getitem__(self, place: int) -> Undertaking: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Undertaking]: ...

    def __getitem__(self, place: int | slice) -> Undertaking | Sequence[Undertaking]:
        if isinstance(place, slice):
            return Cells(self._cells[place], self._cache, self._found)
        cell = self._cells[place]
        shares = cell.dataset, cell.noise, cell.row.tune is None, not cell.train
        return Undertaking(cell.key, partial(course, cell, self._cache, self._found), partial(skipped, cell), shares)
