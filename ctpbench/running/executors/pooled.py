"""Work on a pool that a plugin brings: see `ctpbench.contract.executors.PoolExecutor`."""

from __future__ import annotations

import itertools
import queue
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future, wait
from concurrent.futures import Executor as Pool
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from ctpbench.contract.executors import PoolExecutor
from ctpbench.errors import InputError
from ctpbench.running.executors import pool_worker, site
from ctpbench.running.executors.answer import SEEN_WITHIN_S, all_seen, shared_assignment
from ctpbench.running.executors.losses import Losses, blamed
from ctpbench.running.executors.pool_worker import Commission, Employer, PoolAnswer
from ctpbench.running.executors.protocol import Advanced, Began, Ended, Event, Limits, Returned
from ctpbench.running.executors.station import Facts, Order, Report
from ctpbench.running.executors.supply import Supply, named, not_done
from ctpbench.running.executors.terms import Terms
from ctpbench.running.identity import identity
from ctpbench.running.messages import Done, Progressed, Started
from ctpbench.running.sandbox.enclosure import Hold
from ctpbench.running.work import Assignment, ItemId, Outcome
from ctpbench.text import cut

_READS_EVERY_S = 0.25
_ENDS_WITHIN_S = 20.0
_LOOK_S = 0.05


@dataclass(eq=False)
class _Load:
    """A batch, and what was told of it: `read` bytes of the file `told`, of which the next line begins in `rest`."""

    assignments: Sequence[Assignment]
    told: Path
    pool: Pool | None = None
    future: Future[str] | None = None
    begun: list[ItemId] = field(default_factory=list)
    ended: dict[str, Outcome] = field(default_factory=dict)
    read: int = 0


class PooledWorkers:
    """Runs batches on a pool. Use as a context manager: leaving it ends what still runs, and the pool.

    Parameters
    ----------
    executor : PoolExecutor
        Whose pool it is.
    source : str
        What asked for it, as errors name it.
    terms : Terms
        What workers are asked for.
    limits : Limits
        What a cell may use.
    say : callable(text)
        Hears what a person should know: that a worker was lost, say.
    """

    def __init__(
        self, executor: PoolExecutor, source: str, terms: Terms, limits: Limits, say: Callable[[str], None]
    ) -> None:
        self._source, self._limits, self._say = source, limits, say
        self._supply = Supply(executor, source, say)
        self._folder = terms.folder.absolute()
        run = secrets.token_hex(8)
        self._employer = Employer(
            run=run, sign=self._folder / f"wanted-{run}", wanted=terms.wanted, sandboxed=terms.sandboxed
        )
        self._ours = identity(terms.wanted)
        self._facts: Facts | None = None
        self._loads: list[_Load] = []
        self._over: queue.SimpleQueue[_Load] = queue.SimpleQueue()
        self._losses = Losses()
        self._names = itertools.count()
        self._read_s = self._signed_s = 0.0

    def __enter__(self) -> Self:
        self._sign()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def facts(self) -> Facts:
        """What the worker is like that answered first; waits for it.

        Raises
        ------
        InputError
            Where none can be had.
        """
        if self._facts is None:
            pool = self._supply.pool()
            try:
                future = pool.submit(pool_worker.greet, self._employer.model_dump_json())
                while not wait([future], site.LEASE_S / 8).done:
                    self._sign()
                answer = future.result()
            except Exception as error:  # of a stranger's pool
                raise self._supply.fault(error) from error
            self._facts = Facts.model_validate_json(answer)
        return self._facts

    def hold(self) -> Hold:
        """Return how far the kernel holds the processes of components there."""
        return self.facts.hold

    @property
    def threads(self) -> int:
        """How many threads a cell has."""
        return self._limits.threads

    @property
    def device(self) -> str:
        """What methods run on."""
        return self._limits.device

    @property
    def running(self) -> int:
        """How many batches are at work, or wait for a place."""
        return len(self._loads)

    @property
    def futures(self) -> list[Future[str]]:
        """What the pool was handed and has not ended."""
        return [load.future for load in self._loads if load.future is not None]

    @property
    def slots(self) -> None:
        """Nothing: a pool takes what it is given."""
        return None

    def submit(self, batch: Sequence[Assignment]) -> None:
        """Have a batch worked on once there is a place for it.

        Raises
        ------
        InputError
            Where there is no pool any more, and no other can be had.
        """
        name = str(next(self._names))
        load = _Load(batch, self._folder / f"told-{self._employer.run}-{name}")
        commission = Commission(
            employer=self._employer,
            order=Order(batch=name, assignments=[shared_assignment(each) for each in batch], limits=self._limits),
            identity=self._ours,
            held=self.facts.hold.word,
            told=load.told,
        )
        while load.future is None:
            load.pool = self._supply.pool()
            try:
                load.future = load.pool.submit(pool_worker.work, commission.model_dump_json())
            except Exception as error:  # a pool that broke takes no more
                self._supply.give_up(load.pool, error)
        self._loads.append(load)
        load.future.add_done_callback(lambda _: self._over.put(load))

    def events(self, wait_s: float = 0.25) -> Iterator[Event]:
        """Yield what has happened; waits for at most `wait_s` where nothing has."""
        self._sign()
        with suppress(queue.Empty):
            load = self._over.get(timeout=wait_s)
            while True:
                yield from self._closed(load)
                load = self._over.get_nowait()
        if time.monotonic() - self._read_s > _READS_EVERY_S:
            self._read_s = time.monotonic()
            for load in self._loads:
                yield from self._told(load)

    def close(self) -> None:
        """End what still runs, and the pool."""
        self._employer.sign.unlink(missing_ok=True)
        self._supply.close()
        not_done(self.futures, _ENDS_WITHIN_S)
        self._loads.clear()
        site.end(self._employer.run)  # where the pool's workers are threads of this process

    def _sign(self) -> None:
        """Let workers know now and then that the run is there."""
        if time.monotonic() - self._signed_s > site.LEASE_S / 8 or not self._signed_s:
            self._signed_s = time.monotonic()
            self._employer.sign.write_text(str(time.time_ns()))

    # -- what becomes of a batch --------------------------------------------------------------------------------

    def _told(self, load: _Load) -> Iterator[Event]:
        """Yield what a worker told of a batch since it was last asked."""
        try:
            with load.told.open("rb") as file:
                file.seek(load.read)
                *lines, _ = file.read().split(b"\n")
        except FileNotFoundError:
            return
        load.read += sum(len(line) + 1 for line in lines)
        for line in lines:
            message = Report.model_validate_json(line).message
            assignment = next((e for e in load.assignments if message is not None and e.item.key == message.key), None)
            if assignment is None:
                continue
            match message:
                case Started():
                    yield from self._begin(load, assignment)
                case Progressed(fraction=fraction, text=text):
                    yield Advanced(assignment, fraction, text)
                case Done(key=key, outcome=outcome) if not outcome.ok:
                    load.ended[key] = outcome  # no one shall try it again where the rest is lost

    def _begin(self, load: _Load, assignment: Assignment) -> Iterator[Event]:
        if assignment.item.id not in load.begun:
            load.begun.append(assignment.item.id)
            yield Began(assignment)

    def _closed(self, load: _Load) -> Iterator[Event]:
        """Yield how a batch ended."""
        if load not in self._loads:
            return
        self._loads.remove(load)
        yield from self._told(load)
        why = self._taken_in(load)
        load.told.unlink(missing_ok=True)
        if why and (at := blamed(load.assignments, load.begun, load.ended)) is not None:
            if (outcome := self._losses.note(at, "the pool's machines", why)) is not None:
                load.ended[at.key] = outcome
            else:
                self._say(f"a worker of the pool was lost ({cut(why, 200)}); {at.label} is tried again")
        for assignment in load.assignments:
            if (ended := load.ended.get(assignment.item.key)) is None:
                yield Returned(assignment)
                continue
            yield from self._begin(load, assignment)
            yield Ended(assignment, ended)

    def _taken_in(self, load: _Load) -> str:
        """Note what came back of a batch; return why something was lost on it, nothing where nobody is to blame."""
        assert load.future is not None
        try:
            came = PoolAnswer.model_validate_json(load.future.result())
        except (BrokenExecutor, CancelledError) as error:
            self._supply.give_up(load.pool, error)
            return named(error) if load.begun else ""
        except Exception as error:  # of the pool, of what lies between
            return named(error)
        if came.answer is None:
            raise InputError(f"{self._source}: {came.refusal}")
        self._supply.worked()
        ends_s = time.monotonic() + SEEN_WITHIN_S
        while not all_seen(load.assignments, came.answer.files):
            if time.monotonic() > ends_s:
                return f"what it wrote on the shared disk is not seen here after {SEEN_WITHIN_S:g} s"
            time.sleep(_LOOK_S)
        load.ended |= came.answer.done
        return "" if came.answer.fate == "over" else "its process there ended"
