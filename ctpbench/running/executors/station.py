"""A process that works for a runner elsewhere: batches come by its standard input, what happens goes to its output.

Each batch is worked on by children of its own, held to limits and sandboxed as in a run on this machine. It ends, and
all its children with it, when its input does: when whoever started it ends.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from typing import Annotated, Literal, get_args

from pydantic import Field, TypeAdapter

from ctpbench.device import processor
from ctpbench.running.executors.local import LocalExecutor
from ctpbench.running.executors.protocol import Advanced, Began, Ended, Event, Limits, Returned
from ctpbench.running.identity import Wanted, identity
from ctpbench.running.messages import Done, Progressed, Started
from ctpbench.running.record import Plain, Sandbox
from ctpbench.running.sandbox.enclosure import Hold
from ctpbench.running.work import Assignment

_POLL_S = 0.02
_READ = 2**16


class Order(Plain):
    """A batch to be worked on."""

    kind: Literal["order"] = "order"
    batch: str
    assignments: list[Assignment]
    limits: Limits


class Drop(Plain):
    """A batch is wanted no more: what works on it is killed."""

    kind: Literal["drop"] = "drop"
    batch: str


class Question(Plain):
    """What is the machine like?"""

    kind: Literal["question"] = "question"
    batch: str
    wanted: Wanted
    sandboxed: bool


class Facts(Plain):
    """What the machine is like: its name, its processor, what decides answers on it, and what its kernel holds."""

    host: str
    hardware: str
    identity: dict[str, str]
    hold: Hold


def weaker(one: Sandbox, other: Sandbox) -> bool:
    """Whether methods are held less by one sandbox than by another."""
    words = get_args(Sandbox)
    return words.index(one) < words.index(other)


class Report(Plain):
    """What happened to a batch; `over` where nothing more will come of it."""

    batch: str
    message: Annotated[Started | Progressed | Done, Field(discriminator="event")] | None = None
    facts: Facts | None = None
    over: bool = False


_WORD: TypeAdapter[Order | Drop | Question] = TypeAdapter(
    Annotated[Order | Drop | Question, Field(discriminator="kind")]
)


def main() -> None:
    """Work on what standard input brings until it ends."""
    reports = os.dup(1)
    os.dup2(2, 1)  # what else is printed is no report
    _Station(0, reports).work()


class _Station:
    def __init__(self, orders: int, reports: int) -> None:
        self._orders, self._reports = orders, reports
        self._batches: dict[str, tuple[LocalExecutor, Limits]] = {}
        self._free: dict[Limits, list[LocalExecutor]] = {}  # what has worked on a batch works on the next one
        self._libraries: tuple[str, ...] = ()  # of the run that it works for
        self._rest = b""

    def work(self) -> None:
        while (lines := self._lines()) is not None:
            for line in lines:
                self._take(_WORD.validate_json(line))
            for batch, (executor, limits) in list(self._batches.items()):
                self._report(batch, executor, limits)
        at_work = [executor for executor, _ in self._batches.values()]
        for executor in (*at_work, *(each for free in self._free.values() for each in free)):
            executor.close()

    def _lines(self) -> list[bytes] | None:
        """Return the lines that have arrived, after a moment where none have; None where no more will come."""
        if not select.select([self._orders], [], [], _POLL_S if self._batches else None)[0]:
            return []
        if not (read := os.read(self._orders, _READ)):
            return None
        *lines, self._rest = (self._rest + read).split(b"\n")
        return lines

    def _take(self, word: Order | Drop | Question) -> None:
        match word:
            case Order(batch=batch, assignments=assignments, limits=limits):
                free = self._free.setdefault(limits, [])
                executor = free.pop() if free else LocalExecutor(limits, self._libraries)
                executor.submit(assignments)
                self._batches[batch] = executor, limits
            case Drop(batch=batch):
                if batch in self._batches:
                    dropped, _ = self._batches.pop(batch)
                    dropped.close()
            case Question(batch=batch):
                self._libraries = word.wanted.libraries
                self._send(Report(batch=batch, facts=_facts(word), over=True))

    def _report(self, batch: str, executor: LocalExecutor, limits: Limits) -> None:
        for message in _messages(executor.events(0)):
            self._send(Report(batch=batch, message=message))
        if not executor.running:
            del self._batches[batch]
            self._free[limits].append(executor)
            self._send(Report(batch=batch, over=True))

    def _send(self, report: Report) -> None:
        rest = memoryview(report.model_dump_json().encode("utf-8", "replace") + b"\n")
        while rest:
            rest = rest[os.write(self._reports, rest) :]


def _messages(events: Iterator[Event]) -> Iterator[Started | Progressed | Done]:
    for event in events:
        key = event.assignment.item.key
        match event:
            case Began():
                yield Started(key=key)
            case Advanced(_, fraction, text):
                yield Progressed(key=key, fraction=fraction, text=text)
            case Ended(_, outcome):
                yield Done(key=key, outcome=outcome)
            case Returned():
                pass  # it is not among those that are done


def _facts(question: Question) -> Facts:
    with LocalExecutor(Limits(sandboxed=question.sandboxed), question.wanted.libraries) as executor:
        hold = executor.hold()
    return Facts(host=socket.gethostname(), hardware=processor(), identity=identity(question.wanted), hold=hold)


if __name__ == "__main__":
    main()
