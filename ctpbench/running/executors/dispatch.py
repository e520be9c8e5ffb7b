"""Batches on their way through workers: each to the one that was chosen for it, and what becomes of it there."""

from __future__ import annotations

import asyncio
import errno
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ctpbench.running.executors import dask_worker
from ctpbench.running.executors.answer import Answer, shared_assignment
from ctpbench.running.executors.bundles import Bundles
from ctpbench.running.executors.carriage import Carriage, HereFault, local_assignment
from ctpbench.running.executors.cluster import Cluster
from ctpbench.running.executors.dask_worker import Commission
from ctpbench.running.executors.losses import Losses, blamed
from ctpbench.running.executors.placing import Load, Post, chosen
from ctpbench.running.executors.protocol import Advanced, Began, Ended, Event, Limits, Returned
from ctpbench.running.executors.roster import Roster
from ctpbench.running.executors.station import Order, Report
from ctpbench.running.executors.terms import Terms
from ctpbench.running.messages import Done, Progressed, Started
from ctpbench.running.work import Assignment, Outcome, PredictionInfo
from ctpbench.text import cut, one_line

_LOOK_EVERY_S = 0.5


@dataclass(frozen=True)
class Over:
    """All that will happen to so many batches has happened; of these so many were known to be short."""

    batches: int = 1
    short: int = 0


Told = Event | Over | BaseException | str
"""What happens, what ends the run, what a person should know."""


class Dispatch:
    """Hands batches to workers. All of it happens in one event loop.

    Parameters
    ----------
    client : distributed.Client
        An asynchronous one.
    cluster : Cluster
    terms : Terms
    tell : callable(what)
        Hears all that happens.
    """

    def __init__(self, client: Any, cluster: Cluster, terms: Terms, tell: Callable[[Told], None]) -> None:
        self._client, self._cluster, self._terms, self._tell = client, cluster, terms, tell
        self.roster = Roster(client, cluster, terms, tell, self._left)
        self._carriage = Carriage(client)
        self._loads: dict[str, Load] = {}
        self._waiting: dict[str, Load] = {}
        self._bundles = Bundles()
        self._losses = Losses()
        self._doubts: list[tuple[Load, Post, str]] = []  # lost on their workers, or with the scheduler
        self._wake = asyncio.Event()
        self._topic = f"ctpbench-{self.roster.run}"
        client.subscribe_topic(self._topic, self._hear)

    def is_short(self, assignments: Sequence[Assignment]) -> bool:
        """Whether a batch is known to be so short that others may go with it; for any thread to ask."""
        return self._bundles.fits(self._load("", assignments)) > 1

    async def work(self) -> None:
        """Look after workers and batches until cancelled.

        Raises
        ------
        SchedulerGone
        InputError
            Where none of its workers can be used.
        """
        looked_s = -_LOOK_EVERY_S
        while True:
            if self._doubts or time.monotonic() - looked_s >= _LOOK_EVERY_S:
                await self.roster.look()
                await self.roster.renew()
                looked_s = time.monotonic()
            self._judge()
            self.roster.settle()
            self._place()
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):  # wait_for of Python 3.11 may forget a cancellation
                    await self._wake.wait()

    def retreat(self) -> None:
        """Give back all that was on workers: the scheduler is gone, and nobody else is to blame."""
        self._doubts.clear()
        for post in self.roster.posts:
            for load in list(post.loads):
                if load.task is not None:
                    load.task.cancel()
                self._close(load, post, load.failed)

    def join(self, client: Any) -> None:
        """Go on with a scheduler that came back."""
        self._client, self._carriage = client, Carriage(client)
        self.roster.join(client)
        client.subscribe_topic(self._topic, self._hear)

    async def disband(self) -> None:
        """End all that works for this run."""
        tasks = [load.task for load in self._loads.values() if load.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.roster.farewell()

    def take(self, name: str, assignments: Sequence[Assignment], *, short: bool = False) -> None:
        """Take a batch; what is told says what becomes of it. `short`: what `is_short` said of it."""
        load = self._load(name, assignments)
        load.short = int(short)
        self._loads[name] = load
        self._waiting[name] = load
        self._wake.set()

    def _load(self, name: str, assignments: Sequence[Assignment]) -> Load:
        item = assignments[0].item
        gpu = self.roster.gpu and item.stage in ("model", "prediction")
        return Load(name, assignments, gpu, alone=self._terms.serial_timing and item.alone)

    # -- to a worker --------------------------------------------------------------------------------------------

    def _place(self) -> None:
        posts, reserved = self.roster.posts, set[str]()
        if self._waiting and posts:
            tasks = sum(1 / self._bundles.fits(each) for each in self._waiting.values())
            at_work = len(self._loads) - len(self._waiting)
            self._cluster.grow(at_work + math.ceil(tasks), max(post.places for post in posts))
        free = sum(max(0, post.places - len(post.loads)) for post in posts if post.open)
        for load in list(self._waiting.values()):
            if not free:
                break
            if load.name not in self._waiting:  # it went with another
                continue
            post = chosen(load, posts, self._losses.of(load.assignments[0].item), reserved)
            if post is None:
                continue
            self._bundle(load, free)
            free -= 1
            beside = [other for near in posts if near.host == post.host for other in near.loads]
            for other in (load, *beside) if beside else ():
                other.beside = True
            post.loads.append(load)
            load.task = asyncio.create_task(self._carry(load, post))
            load.task.add_done_callback(self._carried)
        waiting = bool(self._waiting) or self.roster.hold is None
        self.roster.notice(waiting=waiting, gpu=any(load.gpu for load in self._waiting.values()))

    def _bundle(self, load: Load, free: int) -> None:
        """Let other batches that wait go with one that does no more."""
        del self._waiting[load.name]
        tried = lambda each: bool(self._losses.of(each.item))  # noqa: E731
        for other in self._bundles.filled(load, self._waiting.values(), free, tried):
            del self._waiting[other.name], self._loads[other.name]
            load.assignments = [*load.assignments, *other.assignments]
            load.batches += 1
            load.short += other.short

    def _carried(self, task: asyncio.Task[None]) -> None:
        """Let no fault of this module's own go unnoticed."""
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._tell(fault)

    async def _carry(self, load: Load, post: Post) -> None:
        """Bring a batch to a worker, wait for what becomes of it, and bring that back."""
        try:
            if not post.shared:
                await self._carriage.send(post, load)
            load.handed = True
            answer = Answer.model_validate_json(await self._worked_on(load, post))
            if post.shared:
                await self._carriage.await_files(load, answer.files)
            else:
                await self._carriage.fetch(post, load, answer.files)
                await self._carriage.make_room(post)
        except HereFault as fault:
            self._tell(fault.error)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                self.roster.refuse(post, "its disk is full")
                load.handed = False
            self._doubt(load, post, one_line(error))
        except Exception as error:  # of the worker, of Dask, of what lies between
            self._doubt(load, post, f"{type(error).__name__}: {one_line(error)}")
        else:
            self._end(load, post, answer)

    async def _worked_on(self, load: Load, post: Post) -> str:
        own = None if post.shared else post.folder / "work" / load.name
        if own is None:
            given = [shared_assignment(each) for each in load.assignments]
        else:
            given = [local_assignment(each, post, load, number) for number, each in enumerate(load.assignments)]
        order = Order(batch=load.name, assignments=given, limits=self._limits(load, post))
        run, apart = self.roster.run, load.batches > 1
        commission = Commission(run=run, topic=self._topic, order=order, folder=own, apart=apart)
        future = self._client.submit(
            dask_worker.work,
            commission.model_dump_json(),
            key=f"ctpbench-{run}-{load.name}",
            workers=[post.address],
            allow_other_workers=False,
            resources={"GPU": 1} if load.gpu else None,
            pure=False,
        )
        try:
            return str(await future)
        finally:
            future.release()  # one that is cancelled, too: its worker sees that nobody wants it

    def _limits(self, load: Load, post: Post) -> Limits:
        asked = self._terms.resources
        device = "cuda" if load.gpu else "mps" if asked.device == "mps" else "cpu"
        return Limits(
            device, post.threads, asked.memory_gib, asked.timeout_s, asked.cpu_s, sandboxed=self._terms.sandboxed
        )

    # -- what becomes of it -------------------------------------------------------------------------------------

    def _hear(self, event: tuple[float, str]) -> None:
        """Hear what a worker tells of a batch while it is at it."""
        report = Report.model_validate_json(event[1])
        load, message = self._loads.get(report.batch), report.message
        if load is None or message is None:
            return
        assignment = next((each for each in load.assignments if each.item.key == message.key), None)
        match message:
            case _ if assignment is None:
                return
            case Started():
                self._begin(load, assignment)
            case Progressed(fraction=fraction, text=text):
                self._tell(Advanced(assignment, fraction, text))
            case Done(key=key, outcome=outcome):
                load.failed[key] = outcome

    def _begin(self, load: Load, assignment: Assignment) -> None:
        if assignment.item.id not in load.begun:
            load.begun.append(assignment.item.id)
            self._tell(Began(assignment))

    def _end(self, load: Load, post: Post, answer: Answer) -> None:
        if answer.fate == "gone":
            self._lose(load, post, "its process there ended", answer.done)
            return
        if answer.fate == "time":
            post.until_s = time.monotonic()
            self._tell(f"the time of worker {post.address} on {post.host} is over; what it was at goes to another")
        self._bundles.note(load, answer.took_s)
        self._close(load, post, answer.done, answer.took_s)

    def _doubt(self, load: Load, post: Post, why: str) -> None:
        """Note that a batch was lost: it may be its worker's fault, or that of a scheduler that is gone."""
        self._doubts.append((load, post, why))
        self._wake.set()

    def _judge(self) -> None:
        """Blame the workers for what was lost, as the scheduler is there."""
        for load, post, why in self._doubts:
            if load.name in self._loads:
                self._lose(load, post, why)
        self._doubts.clear()

    def _lose(self, load: Load, post: Post, why: str, done: dict[str, Outcome] | None = None) -> None:
        """Give back a batch that a worker was lost with; what it was at then, it is not given a fourth time."""
        ended = {**load.failed, **(done or {})}
        left = [each.item.id for each in load.assignments if each.item.key not in ended]
        if load.handed and len(left) > 1 and load.batches > 1 and not set(left) & set(load.begun):
            self._bundles.suspect(left)
            again = f"{len(left)} items are tried again, each alone"
            self._tell(f"worker {post.address} on {post.host} was lost ({cut(why, 200)}); {again}")
        elif load.handed and (at := blamed(load.assignments, load.begun, ended)) is not None:
            if (outcome := self._losses.note(at, post.host, why)) is not None:
                ended[at.key] = outcome
            else:
                again = f"{at.label} is tried again"
                self._tell(f"worker {post.address} on {post.host} was lost ({cut(why, 200)}); {again}")
        self._close(load, post, ended)

    def _left(self, post: Post) -> None:
        """A worker went away, with all that it was at."""
        for load in list(post.loads):
            if load.task is not None:
                load.task.cancel()
            self._lose(load, post, "it went away")

    def _close(
        self, load: Load, post: Post, ended: Mapping[str, Outcome], took_s: Mapping[str, float] = MappingProxyType({})
    ) -> None:
        post.loads.remove(load)
        del self._loads[load.name]
        for assignment in load.assignments:
            outcome = ended.get(assignment.item.key)
            if outcome is not None and outcome.disk_full and not post.shared:
                self.roster.refuse(post, "its disk is full")
                outcome = None
            if outcome is None:
                self._tell(Returned(assignment))
                continue
            self._begin(load, assignment)
            if isinstance(outcome.info, PredictionInfo):
                info = outcome.info.model_copy(update={"contended": load.beside})
                outcome = outcome.model_copy(update={"info": info})
            self._tell(Ended(assignment, outcome, took_s.get(assignment.item.key)))
        self._tell(Over(load.batches, load.short))
        self._wake.set()
