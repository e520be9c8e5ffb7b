"""An executor that does all stages in this process, and a listener that keeps what it hears."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Self

from ctpbench.running import guest
from ctpbench.running.executors.protocol import Began, Ended, Event
from ctpbench.running.host import Host
from ctpbench.running.hosted import Failed, HostedJob
from ctpbench.running.log import Log
from ctpbench.running.record import Record
from ctpbench.running.sandbox.porter import Porter
from ctpbench.running.work import Assignment, Item, Outcome


class Here:
    """Works on a batch when it is asked what has happened; keeps all items that it was given."""

    def __init__(self, slots: int | None = None) -> None:
        self.slots, self.most = slots, 0
        self.items: list[Item] = []
        self._batches: list[Sequence[Assignment]] = []
        self._porter: Porter | None = None

    def __enter__(self) -> Self:
        self._porter = Porter(guest.live)
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def running(self) -> int:
        return len(self._batches)

    def submit(self, batch: Sequence[Assignment]) -> None:
        self._batches.append(batch)
        self.most = max(self.most, self.running)

    def events(self, wait_s: float = 0.25) -> Iterator[Event]:
        for assignment in self._batches.pop(0) if self._batches else ():
            self.items.append(assignment.item)
            yield Began(assignment)
            yield Ended(assignment, _done(assignment, self._porter))

    def close(self) -> None:
        self._batches.clear()
        if self._porter is not None:
            self._porter.close()
            self._porter = None


def _done(given: Assignment, porter: Porter | None) -> Outcome:
    places = (given.inputs, given.out, given.scratch, given.checkpoints)
    room = Path(tempfile.mkdtemp(dir=given.out.parent))
    with Host(room, None, {}, "cpu", 1, porter) as host, Log(given.log) as log:
        job = HostedJob(*places, "cpu", 1, lambda fraction, text: None, given.item.key, host, log)
        try:
            stage = import_module(f"ctpbench.running.stages.{given.item.stage}")
            return Outcome(status="ok", info=stage.run(given.item.task, job))
        except Failed as failed:
            return failed.outcome


class Listening:
    """Notes which records were there already, and what is said of the work under way."""

    def __init__(self) -> None:
        self.reused: dict[str, bool] = {}
        self.told: list[str] = []

    def work_started(self, label: str) -> None: ...
    def work_progress(self, label: str, fraction: float, text: str) -> None:
        self.told.append(f"{label} {text}")

    def work_done(self, label: str, outcome: Outcome) -> None: ...
    def cell_finished(self, record: Record, reused: bool) -> None:
        self.reused[record.config] = reused
