"""A station's lines: what it makes of orders, what it reports, and what it ends."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import pytest

from ctpbench.running.executors import station
from ctpbench.running.executors.protocol import Began, Ended, Limits, Returned
from ctpbench.running.executors.station import Drop, Order, Question, Report
from ctpbench.running.identity import Wanted
from ctpbench.running.sandbox.enclosure import Hold
from ctpbench.running.work import Assignment, ComponentSpec, DataInfo, DataTask, Item, Outcome

SPEC = ComponentSpec(module="m", qualname="Q", name="toy", version="1", params={}, code="c", libraries={})
OK = Outcome(status="ok", info=DataInfo())


class Executor:
    """Does the first item of a batch and gives the others back; what is called "slow" is never done."""

    made: list[Executor] = []  # noqa: RUF012

    def __init__(self, limits: Limits, libraries: Sequence[str] = ()) -> None:
        self.batch: list[Assignment] = []
        self.libraries = libraries
        self.closed = False
        self.made.append(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def hold(self) -> Hold:
        return Hold(0, namespaces=False)

    @property
    def running(self) -> int:
        return bool(self.batch)

    def submit(self, batch: list[Assignment]) -> None:
        self.batch = batch

    def events(self, wait_s: float) -> Iterator[object]:
        if self.batch[0].item.key != "slow":
            first, *others = self.batch
            self.batch = []
            yield from (Began(first), Ended(first, OK), *map(Returned, others))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def lines(monkeypatch):
    """Return what writes a line to a station and what reads its next report; it ends with the test."""
    monkeypatch.setattr(station, "LocalExecutor", Executor)
    monkeypatch.setattr(Executor, "made", [])
    (orders, to), (come, reports) = os.pipe(), os.pipe()
    thread = threading.Thread(target=station._Station(orders, reports).work)
    thread.start()
    with os.fdopen(to, "wb", buffering=0) as writer, os.fdopen(come, "rb") as reader:
        yield (
            lambda word: writer.write(word.model_dump_json().encode() + b"\n"),
            lambda: Report.model_validate_json(reader.readline()),
        )
        writer.close()
        thread.join(10)
        assert not thread.is_alive()
        assert all(each.closed for each in Executor.made)
    for end in (orders, reports):
        os.close(end)


def order(batch: str, *keys: str, threads: int = 1) -> Order:
    places = {name: Path("/nowhere") / name for name in ("out", "scratch", "checkpoints", "log")}
    items = [Item(key=key, task=DataTask(dataset=SPEC, case="a", noise=1.0)) for key in keys]
    assignments = [Assignment(item=item, inputs={}, **places) for item in items]
    return Order(batch=batch, assignments=assignments, limits=Limits(threads=threads))


def heard(read, reports: int) -> list[tuple[str, str, bool]]:
    found = [read() for _ in range(reports)]
    return [(each.batch, each.message.event if each.message else "", each.over) for each in found]


def test_a_batch_is_reported_and_what_worked_on_it_works_on_the_next_of_the_same_limits(lines):
    write, read = lines
    for batch in ("one", "two"):
        write(order(batch, "a", "b"))
        assert heard(read, 3) == [(batch, "started", False), (batch, "done", False), (batch, "", True)]
    assert len(Executor.made) == 1
    write(order("three", "a", threads=2))
    assert heard(read, 3)[-1] == ("three", "", True)
    assert len(Executor.made) == 2


def test_what_is_dropped_is_killed_alone(lines):
    write, read = lines
    write(order("lost", "slow"))
    write(order("kept", "a"))
    write(Drop(batch="lost"))
    write(Drop(batch="unknown"))
    assert heard(read, 3)[-1] == ("kept", "", True)
    write(order("next", "a"))
    assert heard(read, 3)[-1] == ("next", "", True)
    assert [each.closed for each in Executor.made] == [True, False]


def test_what_a_run_asks_about_is_ready_for_its_batches(lines):
    write, read = lines
    write(Question(batch="greeting", wanted=Wanted(modules=(), libraries=("numba",)), sandboxed=True))
    assert heard(read, 1) == [("greeting", "", True)]
    write(order("one", "a"))
    heard(read, 3)
    assert [each.libraries for each in Executor.made] == [("numba",), ("numba",)]
