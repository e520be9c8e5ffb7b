"""Short items in one task: what a scheduler takes for a task is then shared by several of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice

from ctpbench.running.executors.placing import Load
from ctpbench.running.work import Assignment, ItemId

_TASK_S = 0.1
"""What a task takes at least, where there is so much to be done."""
MOST = 32
"""Items in a task."""

Kind = tuple[str, ...]


class Bundles:
    """Puts what is known to be short into one task: an item after the other, each in a process of its own.

    What takes long, shares a process, wants a GPU or its machine for itself goes alone, and so does what may have
    killed a worker.
    """

    def __init__(self) -> None:
        self._pace_s: dict[Kind, float] = {}
        self._suspects: set[ItemId] = set()

    def note(self, load: Load, took_s: Mapping[str, float]) -> None:
        """Note what items took, by key: they are cleared of any suspicion."""
        for each in load.assignments:
            if (seconds := took_s.get(each.item.key)) is not None:
                kind = _kind(each)
                self._pace_s[kind] = (self._pace_s.get(kind, seconds) + seconds) / 2
                self._suspects.discard(each.item.id)

    def suspect(self, items: Iterable[ItemId]) -> None:
        """Have items go alone from now on: a worker was lost with one of them, and nobody knows which."""
        self._suspects.update(items)

    def fits(self, load: Load) -> int:
        """Return how many batches like one make a task."""
        first, *others = load.assignments
        apart = load.gpu or load.alone or others or first.item.group or first.item.id in self._suspects
        return 1 if apart else _fits(self._pace_s.get(_kind(first), _TASK_S))

    def filled(
        self, load: Load, waiting: Collection[Load], free: int, is_tried: Callable[[Assignment], bool]
    ) -> list[Load]:
        """Return those that wait which go with a batch: none so many that one of the `free` places gets nothing.

        `is_tried` says of an item whether a worker was lost with it: that one is tried alone.
        """
        if is_tried(load.assignments[0]) or (most := self.fits(load)) == 1:
            return []
        share = -(-(len(waiting) + 1) // max(1, free))
        able = (each for each in waiting if self.fits(each) > 1 and not is_tried(each.assignments[0]))
        return list(islice(able, min(most, share) - 1))


def _fits(pace_s: float) -> int:
    return min(MOST, max(1, int(_TASK_S / max(pace_s, 1e-6))))


def _kind(assignment: Assignment) -> Kind:
    """Return what items have in common that take about as long."""
    task = assignment.item.task
    return task.stage, *(spec.name for spec in task.components)
