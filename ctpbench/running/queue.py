"""Items that wait to be worked on: in the order of the cells that asked for them, those of one group together."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

from ctpbench.running.work import Item, ItemId

_WORTH_A_PROCESS = 16
"""Items of one group: fewer are not split, for a method's start may cost as much."""


class Queued(NamedTuple):
    """An item in its place: that of the cell that asked first, then the order of asking."""

    place: int
    order: int
    item: Item


class Queue:
    """What waits. Some of it may be set aside for a while."""

    def __init__(self) -> None:
        self._heap: list[Queued] = []
        self._groups: dict[str, list[Queued]] = {}
        self._here: set[int] = set()  # the orders of what waits: what else the heap holds is dropped once it is first
        self._aside: dict[ItemId, Queued] = {}
        self._order = itertools.count()

    def __bool__(self) -> bool:
        """Whether anything is to be had."""
        return bool(self._here)

    @property
    def first(self) -> Item:
        """What comes next. There is something."""
        while self._heap[0].order not in self._here:
            heapq.heappop(self._heap)
        return self._heap[0].item

    @property
    def has_aside(self) -> bool:
        """Whether anything is set aside."""
        return bool(self._aside)

    def put(self, item: Item, place: int) -> None:
        """Add an item for the cell at a place."""
        queued = Queued(place, next(self._order), item)
        heapq.heappush(self._heap, queued)
        if item.group:
            heapq.heappush(self._groups.setdefault(item.group, []), queued)
        self._here.add(queued.order)

    def batch(self, most: int) -> list[Queued]:
        """Take what comes next, with others of its group that share its process. There is something.

        A large group is split among as many processes as may run at once, `most`.
        """
        group = self.first.group
        if not group:
            return [self._taken(heapq.heappop(self._heap))]
        size = len(self._groups[group])
        parts = min(most, max(1, size // _WORTH_A_PROCESS))
        return list(itertools.islice(self._of_group(group), math.ceil(size / parts)))

    def set_aside(self, queued: Queued) -> None:
        """Keep what was taken until `bring_back`."""
        self._aside[queued.item.id] = queued

    def bring_back(self) -> None:
        """Put what was set aside back in its place."""
        for queued in self._aside.values():
            self.put(queued.item, queued.place)
        self._aside.clear()

    def clear(self) -> None:
        """Forget all."""
        for kept in (self._heap, self._groups, self._here, self._aside):
            kept.clear()

    def _taken(self, queued: Queued) -> Queued:
        self._here.remove(queued.order)
        return queued

    def _of_group(self, group: str) -> Iterator[Queued]:
        """Yield and take what waits of a group, in order."""
        waiting = self._groups[group]
        while waiting:
            queued = heapq.heappop(waiting)
            if not waiting:
                del self._groups[group]
            yield self._taken(queued)
