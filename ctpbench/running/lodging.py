"""Where a worker's guests live: a room on disk, with a new host for each batch but for metrics and trials.

The process of metrics goes on to the next cell, with what it has imported and read: no method's code ever ran in it,
and a metric answers alike whatever it scored before, as the conformance kit demands. It takes no more memory along than
`_MOST_KEPT_BYTES`, and whatever fails in it is tried in a fresh one. The process of a method has seen no other cell;
that of a tuned cell's trials goes on from round to round, with what it has compiled.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from ctpbench.code import kernel_cache
from ctpbench.running import processes
from ctpbench.running.host import Host
from ctpbench.running.messages import Batch
from ctpbench.running.room import Room
from ctpbench.running.sandbox.porter import Porter

_MOST_KEPT_BYTES = 2**26
"""What a process that is kept may hold beside what it was forked with: little, for it counts as the next cell's."""


class Lodging:
    """A worker's room, one at a time. Use as a context manager: leaving it ends who is in it.

    Parameters
    ----------
    porter : Porter
    device : str
    threads : int
    """

    def __init__(self, porter: Porter, device: str, threads: int) -> None:
        self._porter, self._device, self._threads = porter, device, threads
        self._host: Host | None = None
        self._room: Room | None = None
        self._suits: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._leave()
        if self._room is not None:
            self._room.remove()

    def host(self, batch: Batch) -> Host:
        """Return the host of a batch: that of the one before where both are of one kind, see `_wanted`."""
        suits = self._wanted(batch)
        if self._host is not None and suits == self._suits and self._room is not None and self._room.path.is_dir():
            return self._host
        self._leave()
        kernels = kernel_cache(spec.code for spec in batch.assignments[0].item.task.components)
        kernels.mkdir(parents=True, exist_ok=True)
        environment = {"NUMBA_CACHE_DIR": str(kernels), **batch.environment}
        place, self._suits = self._room_in(batch.assignments[0].out.parent), suits
        self._host = Host(place, batch.reach, environment, self._device, self._threads, self._porter)
        return self._host.__enter__()

    def end_batch(self) -> None:
        """Leave the room, unless who is in it may be asked for more."""
        if self._host is None or not self._may_stay(self._host.guest):
            self._leave()

    def _may_stay(self, guest: int | None) -> bool:
        """Whether a guest is there, alone in its namespaces, and of metrics hardly larger than it was at first."""
        if guest is None or not self._suits or not self._porter.leaves_nothing or processes.children(guest):
            return False
        if self._suits[0] == "prediction":
            return True
        return processes.resident_bytes(guest) - self._porter.resident_bytes() <= _MOST_KEPT_BYTES

    def _wanted(self, batch: Batch) -> list[Any]:
        """Return what batches have in common of which one guest may do both; nothing where none may.

        No method waits on an accelerator, whose memory another needs meanwhile.
        """
        item = batch.assignments[0].item
        alike: Any = None
        if item.stage == "scores":
            alike = item.task.components
        elif item.stage == "prediction" and item.group and self._device == "cpu":
            alike = item.group
        return [item.stage, alike, batch.reach, batch.environment, batch.assignments[0].out.parent] if alike else []

    def _leave(self) -> None:
        host, self._host = self._host, None
        if host is not None and self._room is not None:
            host.__exit__()
            with suppress(OSError):  # of a guest that is still about to go; the next one finds it empty all the same
                self._room.clear()

    def _room_in(self, parent: Path) -> Path:
        """Return a room in a folder: that of the guests before, once they are gone and have changed nothing in it."""
        if self._room is not None:
            self._porter.wait()
            if self._room.path.parent == parent and self._room.is_as_made():
                return self._room.path
            self._room.remove()
        self._room = Room(parent)
        return self._room.path
