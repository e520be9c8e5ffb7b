"""What a runner has done in a Dask worker, which is told where its files are and hands batches on to a station.

A Dask worker may have no children by multiprocessing, and a task of Dask cannot be ended from outside. So the work is
done by children of a process of its own, the station, and each task watches whether it is still wanted.
"""

from __future__ import annotations

import asyncio
import os
import queue
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import psutil
from distributed import get_worker

from ctpbench.running.executors import site
from ctpbench.running.executors.answer import SPEAKS_EVERY_S, Answer, files_at, files_of, made_folders
from ctpbench.running.executors.station import Facts, Order, Question, Report
from ctpbench.running.messages import Done, Progressed, Started
from ctpbench.running.record import Plain
from ctpbench.running.work import Outcome

_POLL_S = 0.25
_WORTH_A_WORD_S = 0.5
"""What an item takes at least for anyone to hear that it began before it is over."""
_MARGIN = 0.02  # of a worker's lifetime, kept to hand back what it has

_WATCHES: list[asyncio.Task[None]] = []

Piece = tuple[str, int, int]
"""A file, where in it, and how many bytes."""


class Greeting(Plain):
    """What a worker is like: `left_s` are the seconds until it ends, None where nobody says."""

    facts: Facts
    folder: Path
    shared: bool
    left_s: float | None


class Commission(Plain):
    """A batch as it comes to a worker.

    Attributes
    ----------
    run : str
        Of whose run it is.
    topic : str
        Where events are told.
    order : Order
    folder : Path or None
        Where the batch's own files lie; None where they lie in the run's folder itself.
    apart : bool
        Whether each item is a batch of its own, one worked on after the other.
    """

    run: str
    topic: str
    order: Order
    folder: Path | None
    apart: bool = False

    @property
    def orders(self) -> list[Order]:
        """What the station is asked for, one after the other."""
        if not self.apart:
            return [self.order]
        return [self.order.model_copy(update={"assignments": [each]}) for each in self.order.assignments]


# -- called by the runner -------------------------------------------------------------------------------------------


async def greet(run: str, question: str, probe: str | None, token: str, dask_worker: Any = None) -> str:
    """Return what this worker is like; `probe` is a file of the runner with the text `token`."""
    if not _WATCHES:
        _WATCHES.append(asyncio.create_task(_watch()))
    return (await asyncio.to_thread(_greeting, run, question, probe, token, dask_worker)).model_dump_json()


async def write(folder: str, pieces: Sequence[tuple[str, int, bytes]]) -> None:
    """Write pieces of files, each with its place in its file."""
    await asyncio.to_thread(_write, Path(folder), pieces)


async def read(folder: str, pieces: Sequence[Piece]) -> bytes:
    """Return pieces of files, one after the other."""
    return await asyncio.to_thread(lambda: b"".join(_read(Path(folder), pieces)))


async def discard(folder: str) -> None:
    """Remove a folder, or a file."""
    await asyncio.to_thread(_remove, Path(folder))


async def keep(run: str) -> None:
    """Hear that the runner is there."""
    site.keep(run)


async def forget(run: str) -> None:
    """End what works for a run and remove its files."""
    await asyncio.to_thread(site.end, run)


def work(commission: str) -> str:
    """Have a batch worked on; a task of Dask. Once nobody wants it any more, what works on it is killed."""
    asked = Commission.model_validate_json(commission)
    return _Task(asked, get_worker()).answer().model_dump_json()


class _Task:
    def __init__(self, asked: Commission, worker: Any) -> None:
        self._asked, self._worker = asked, worker
        self._key = worker.get_current_task()
        self._spoke_s: dict[str, float] = {}
        self._begun: Report | None = None  # of what began just now, and may be over before it is worth a word
        self._begun_s = 0.0
        self._done: dict[str, Outcome] = {}
        self._took_s: dict[str, float] = {}

    def answer(self) -> Answer:
        order = self._asked.order
        made_folders(order.assignments)
        place = site.site_of(self._asked.run, Path(self._worker.local_directory))
        station = site.station_of(place, batches=1)
        try:
            fate = self._worked(station)
        finally:
            station.drop(order.batch)
            site.leave(self._asked.run, place, for_good=not self._wanted)  # its runner may be gone
        files = list(self._files(fate)) if self._wanted else []
        return Answer(fate=fate, done=self._done, files=files, took_s=self._took_s)

    def _worked(self, station: site.Station) -> Literal["over", "time", "gone"]:
        """Have one order after the other worked on, as long as nothing comes between; return what became of them."""
        fate: Literal["over", "time", "gone"] = "over"
        for order in self._asked.orders:
            began_s = time.monotonic()
            fate = self._listen(station.ask(order))
            if fate != "over":
                break
            if len(order.assignments) == 1:
                self._took_s[order.assignments[0].item.key] = time.monotonic() - began_s
        return fate

    @property
    def _wanted(self) -> bool:
        """Whether the task was not cancelled, nor the worker told to end."""
        known = self._worker.state.tasks.get(self._key)
        return known is not None and known.state == "executing" and self._worker.status.name in ("running", "paused")

    def _listen(self, reports: queue.SimpleQueue[Report | None]) -> Literal["over", "time", "gone"]:
        until_s = None if (left_s := _left_s(self._worker)) is None else time.monotonic() + left_s
        while self._wanted:
            if until_s is not None and time.monotonic() > until_s:
                return "time"
            with suppress(queue.Empty):
                report = reports.get(timeout=_POLL_S)
                if report is None:
                    return "gone"
                if report.over:
                    return "over"
                self._tell(report)
            if self._begun is not None and time.monotonic() - self._begun_s > _WORTH_A_WORD_S:
                self._send(self._begun)
        return "gone"

    def _tell(self, report: Report) -> None:
        """Pass a message on: a failure at once, for no one shall try it again where the rest is lost."""
        match report.message:
            case Done(key=key, outcome=outcome):
                self._done[key] = outcome
                if outcome.ok:
                    self._begun = None
                    return
            case Progressed(key=key):
                if time.monotonic() - self._spoke_s.get(key, 0.0) < SPEAKS_EVERY_S:
                    return
                self._spoke_s[key] = time.monotonic()
            case Started():
                self._begun, self._begun_s = report, time.monotonic()
                return
            case None:
                return
        if self._begun is not None:
            self._send(self._begun)
        self._send(report)

    def _send(self, report: Report) -> None:
        self._begun = None
        self._worker.log_event(self._asked.topic, report.model_dump_json())

    def _files(self, fate: str) -> Iterator[tuple[str, int]]:
        for number, assignment in enumerate(self._asked.order.assignments):
            outcome = self._done.get(assignment.item.key)
            yield from files_of(number, assignment, outcome)
            if self._asked.folder is None:
                continue
            yield from files_at(assignment.log, f"{number}/log")
            if fate != "over" and outcome is None and assignment.item.stage == "model":
                yield from files_at(assignment.checkpoints, f"{number}/checkpoints")


# -- on this machine ------------------------------------------------------------------------------------------------


async def _watch() -> None:
    """End what works for runners that went away without a word."""
    while True:
        await asyncio.sleep(site.LEASE_S / 10)
        await asyncio.to_thread(site.end_stale)


def _greeting(run: str, question: str, probe: str | None, token: str, worker: Any) -> Greeting:
    place = site.site_of(run, Path(worker.local_directory))
    report = site.station_of(place).ask(Question.model_validate_json(question)).get()
    if report is None or report.facts is None:
        raise RuntimeError("the process that should work there ends at once; see the worker's log")
    shared = probe is not None and _sees(Path(probe), token)
    return Greeting(facts=report.facts, folder=place.folder, shared=shared, left_s=_left_s(worker))


def _remove(path: Path) -> None:
    if path.is_file():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def _sees(probe: Path, token: str) -> bool:
    """Whether a file that the runner wrote is here, and files beside it can be written."""
    own = probe.with_name(f"{probe.name}-{os.getpid()}")
    with suppress(OSError):
        seen = probe.read_text() == token
        own.touch()
        own.unlink()
        return seen
    return False


def _left_s(worker: Any) -> float | None:
    """Return the seconds until a worker should hand back what it has, None where it was given no lifetime."""
    if not worker.lifetime:
        return None
    lifetime_s = float(worker.lifetime)
    age_s = time.time() - psutil.Process().create_time()
    return lifetime_s * (1 - _MARGIN) - age_s - 2 * _POLL_S


def _write(folder: Path, pieces: Sequence[tuple[str, int, bytes]]) -> None:
    for name, offset, content in pieces:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if offset else "wb") as file:
            file.seek(offset)
            file.write(content)


def _read(folder: Path, pieces: Sequence[Piece]) -> Iterator[bytes]:
    for name, offset, size in pieces:
        with (folder / name).open("rb") as file:
            file.seek(offset)
            yield file.read(size)
