"""Drives a plan: advances each cell's course, queues the work it asks for, files what comes back."""

from __future__ import annotations

import errno
import itertools
import shutil
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ctpbench.errors import InputError
from ctpbench.plugins import Catalogue
from ctpbench.running.cell import Cell
from ctpbench.running.costs import Ledger
from ctpbench.running.executors.protocol import Advanced, Began, Ended, Returned, Workers
from ctpbench.running.listener import Listener
from ctpbench.running.options import Options
from ctpbench.running.queue import Queue, Queued
from ctpbench.running.record import Record
from ctpbench.running.reuse import is_finished
from ctpbench.running.sharing import Sharing
from ctpbench.running.store import Finished, Store
from ctpbench.running.summary import Summary
from ctpbench.running.undertaking import Cells, Undertaking
from ctpbench.running.work import Assignment, Item, ItemId, Measured, Outcome, PredictionInfo, input_paths
from ctpbench.source import edited

_LEAST_ACTIVE, _ACTIVE_A_JOB = 64, 4  # cells under way at once: at least, and for each job
_LOOK_S = 0.1  # between two looks at what another run makes, where nothing else is to be done


@dataclass
class _Active:
    """An undertaking under way and the answers it still waits for."""

    index: int
    undertaking: Undertaking
    course: Generator[list[Item], Sequence[Outcome], Record]
    asked: list[Item] = field(default_factory=list)
    answers: dict[ItemId, Outcome] = field(default_factory=dict)
    missing: set[ItemId] = field(default_factory=set)


class Runner:
    """Runs cells to their records. The driver alone writes the store.

    However many cells there are, only some are under way at once, and no record is kept in memory.
    """

    def __init__(
        self,
        store: Store,
        executor: Workers,
        options: Options,
        listener: Listener,
        on_record: Callable[[Record], None] = lambda record: None,
        ledger: Ledger | None = None,
        sharing: Sharing | None = None,
    ) -> None:
        self._store, self._executor, self._options = store, executor, options
        self._listener, self._on_record, self._ledger, self._sharing = listener, on_record, ledger, sharing
        self._active: dict[str, _Active] = {}
        self._waiting: dict[ItemId, list[str]] = {}
        self._queue = Queue()  # what another run makes just now is set aside
        self._told: set[ItemId] = set()  # of that, what is shown as such
        self._underway: dict[ItemId, Assignment] = {}
        self._contended: set[ItemId] = set()
        self._since: dict[ItemId, float] = {}
        self._retried: set[ItemId] = set()
        self._failed = False

    def run(self, cells: Sequence[Cell]) -> Finished:
        """Run the cells and return their records in the same order; finished ones are reused. See `carry_out`."""
        return self.carry_out(Cells(cells, self._store.cache, self._found))

    def carry_out(self, undertakings: Sequence[Undertaking]) -> Finished:
        """Carry out what ends in records and return these in the same order; finished ones are reused.

        Raises
        ------
        OSError
            Where the disk is full: nothing finished is lost, the same command goes on.
        InputError
            Where code that is being run was edited meanwhile.
        """
        finished = Finished(self._store, [each.key for each in undertakings])
        left = [place for place, known in enumerate(finished.summaries()) if not self._reused(known)]
        waiting = ((place, undertakings[place]) for place in self._in_order(left, undertakings))
        ended: dict[str, Record] = {}  # since they were last looked at
        while True:
            self._begin(waiting, ended)
            if self._options.fail_fast and (self._failed or any(record.status != "ok" for record in ended.values())):
                self._give_up(waiting, ended)
            ended.clear()
            if not self._active:
                return finished
            self._fill(ended)
            self._hear(ended)
            if self._queue.has_aside and not self._executor.running:
                time.sleep(_LOOK_S)

    # -- cells --------------------------------------------------------------------------------------------------

    def _reused(self, record: Summary | None) -> bool:
        """Whether a cell is finished, which is told."""
        if not is_finished(record, self._store.cache, rerun_failed=self._options.rerun_failed):
            return False
        self._failed = self._failed or record.status != "ok"
        self._listener.cell_finished(record, reused=True)
        return True

    def _in_order(self, left: Sequence[int], undertakings: Sequence[Undertaking]) -> Iterable[int]:
        """Return what is to be begun: in order, but the first of those that share something before the others."""
        if len(left) <= self._most_active:
            return left
        first = {undertakings[place].shares: place for place in reversed(left)}
        early = set(first.values())
        return itertools.chain(sorted(early), (place for place in left if place not in early))

    @property
    def _most_active(self) -> int:
        return max(_LEAST_ACTIVE, _ACTIVE_A_JOB * self._most())

    def _begin(self, waiting: Iterator[tuple[int, Undertaking]], records: dict[str, Record]) -> None:
        """Begin as many as may be under way at once."""
        while len(self._active) < self._most_active and (found := next(waiting, None)) is not None:
            index, each = found
            self._store.log_path(each.key).unlink(missing_ok=True)
            self._active[each.key] = _Active(index, each, each.course())
            self._advance(each.key, None, records)

    def _advance(self, key: str, answers: Sequence[Outcome] | None, records: dict[str, Record]) -> None:
        """Send a course its answers until it asks for work that is not done, or ends."""
        active = self._active[key]
        while True:
            try:
                active.asked = active.course.send(answers)  # type: ignore[arg-type]  # None starts a generator
            except StopIteration as end:
                self._finish(key, end.value, records)
                return
            active.answers = {item.id: known for item in active.asked if (known := self._known(item)) is not None}
            for item in active.asked:
                if item.id not in active.answers:
                    active.missing.add(item.id)
                    self._request(item, active)
            if active.missing:
                return
            answers = [active.answers[item.id] for item in active.asked]

    def _finish(self, key: str, record: Record, records: dict[str, Record]) -> None:
        self._active.pop(key, None)
        records[key] = record = self._store.write_record(record)
        self._on_record(record)
        self._listener.cell_finished(record, reused=False)

    def _give_up(self, waiting: Iterator[tuple[int, Undertaking]], records: dict[str, Record]) -> None:
        """Leave what is not finished: it is skipped, and runs when the same command is given again."""
        active = [each.undertaking for each in self._active.values()]
        for each in itertools.chain(active, (undertaking for _, undertaking in waiting)):
            self._finish(each.key, each.skipped("a cell failed before it and --fail-fast was given"), records)
        self._queue.clear()

    # -- work ---------------------------------------------------------------------------------------------------

    def _known(self, item: Item) -> Outcome | None:
        outcome = self._found(item)
        again = self._options.rerun_failed or item.stage in ("data", "reference")  # files may be back by now
        if outcome is None or outcome.whole or not again or item.id in self._retried:
            return outcome
        self._retried.add(item.id)
        self._store.cache.discard(item.stage, item.key)
        return self._found(item)

    def _found(self, item: Item) -> Outcome | None:
        """Return how an item ended in this run, or else in another that shared it."""
        outcome = self._store.cache.outcome(item.stage, item.key)
        return self._sharing.fetch(item) if outcome is None and self._sharing else outcome

    def _request(self, item: Item, active: _Active) -> None:
        waiting = self._waiting.setdefault(item.id, [])
        if not waiting:
            self._queue.put(item, active.index)
        if active.undertaking.key not in waiting:
            waiting.append(active.undertaking.key)

    def _fill(self, records: dict[str, Record]) -> None:
        """Keep the executor busy; work that wants to be timed alone waits until nothing runs."""
        self._queue.bring_back()
        while self._queue and self._executor.running < self._most():
            if self._options.serial_timing and self._executor.slots is None:
                alone = self._queue.first.alone or any(a.item.alone for a in self._underway.values())
                if alone and self._executor.running:
                    return
            if not (batch := [self._assign(item) for item in self._claimed(self._queue.batch(self._most()), records)]):
                continue
            self._executor.submit(batch)
            self._since[batch[0].item.id] = time.monotonic()
            self._underway |= {assignment.item.id: assignment for assignment in batch}
            if self._executor.running > 1 and self._executor.slots is None:
                self._contended |= set(self._underway)

    def _most(self) -> int:
        """How many batches may be at work at once."""
        slots = self._executor.slots
        return self._options.jobs if slots is None else min(self._options.jobs, slots)

    def _claimed(self, batch: Sequence[Queued], records: dict[str, Record]) -> list[Item]:
        """Return those of a batch that are for this run to make: of the others, some are there, some made elsewhere."""
        if self._sharing is None:
            return [queued.item for queued in batch]
        mine, there = [], []
        for queued in batch:
            item = queued.item
            if not self._sharing.claim(item):
                self._queue.set_aside(queued)
                self._tell_elsewhere(item)
            elif (outcome := self._sharing.fetch(item)) is not None:  # made since the item was asked for
                self._sharing.release(item)
                there.append((item, outcome))
            else:
                self._told.discard(item.id)
                mine.append(item)
        for item, outcome in there:
            if item.id in self._told:
                self._told.remove(item.id)
                self._listener.work_done(item.label, outcome)
            self._answer(item, outcome, records)
        return mine

    def _tell_elsewhere(self, item: Item) -> None:
        if item.id not in self._told:
            self._told.add(item.id)
            self._listener.work_started(item.label)
        self._listener.work_progress(item.label, 0.0, "(waits for another run, which makes it)")

    def _assign(self, item: Item) -> Assignment:
        out = self._store.cache.workspace()
        scratch = out.with_name(f"{out.name}.scratch")  # made by who needs it
        checkpoints = self._store.checkpoints(item.key) if item.stage == "model" else scratch
        inputs = input_paths(item, self._store.cache.folder)
        log = self._store.log_path(self._waiting[item.id][0])
        return Assignment(item=item, inputs=inputs, out=out, scratch=scratch, checkpoints=checkpoints, log=log)

    def _hear(self, records: dict[str, Record]) -> None:
        """Hear what happened, then file what has ended: nothing of it is lost where the executor fails meanwhile."""
        done: list[Ended] = []
        try:
            for event in self._executor.events():
                if isinstance(event, Ended):
                    self._underway.pop(event.assignment.item.id, None)
                    done.append(event)
                else:
                    self._handle(event)
            here = self._executor.slots is None  # elsewhere it would come before what is wanted first
            if done and here and self._options.jobs > 1 and not self._options.fail_fast:
                self._fill(records)  # others work on while it is filed; of one, the next guest gets ready meanwhile
        finally:
            self._file_all(done, records)

    def _handle(self, event: Began | Advanced | Returned) -> None:
        item = event.assignment.item
        match event:
            case Began():
                self._since.setdefault(item.id, time.monotonic())
                self._listener.work_started(item.label)
            case Advanced(_, fraction, text):
                self._listener.work_progress(item.label, fraction, text)
            case Returned(assignment):
                self._since.pop(item.id, None)
                if self._sharing is not None:
                    self._sharing.release(item)
                self._clear(assignment)
                owners = [self._active[key].index for key in self._waiting.get(item.id, ()) if key in self._active]
                if owners:
                    self._queue.put(item, min(owners))

    def _file_all(self, done: Sequence[Ended], records: dict[str, Record]) -> None:
        """File what has ended; one look at the code serves all of it, for it is looked at after they ended."""
        if done and (changed := edited()):
            raise InputError(
                f"{changed[0]}: was edited while the run went on, so what was under way may come of either code; "
                "give the same command again: finished cells that do not depend on it are kept"
            )
        for each in done:
            self._file(each, records)

    def _file(self, ended: Ended, records: dict[str, Record]) -> None:
        """Commit an entry, share it, and hand it to the cells that wait for it."""
        assignment, outcome, seconds = ended.assignment, ended.outcome, ended.seconds
        item = assignment.item
        if outcome.disk_full:
            raise OSError(errno.ENOSPC, outcome.message, str(self._store.folder))
        if isinstance(outcome.info, Measured):
            facts: dict[str, bool] = {"reused": False}
            if isinstance(outcome.info, PredictionInfo):
                facts["contended"] = outcome.info.contended or item.id in self._contended
            outcome = outcome.model_copy(update={"info": outcome.info.model_copy(update=facts)})
        since = self._since.pop(item.id, None)
        if seconds is None and since is not None:
            seconds = time.monotonic() - since
        if self._ledger is not None and seconds is not None:
            self._ledger.note(assignment, outcome, seconds)
        made = assignment.out if outcome.ok else self._store.cache.workspace()
        used = {(given.stage, given.key) for given in item.inputs.values()}
        self._store.cache.commit(item.stage, item.key, made, outcome, used)
        if self._sharing is not None:
            self._sharing.give(item, outcome, seconds or 0.0)
        if outcome.ok and item.stage == "model":
            shutil.rmtree(assignment.checkpoints, ignore_errors=True)
        self._clear(assignment)
        self._listener.work_done(item.label, outcome)
        self._answer(item, outcome, records)

    def _answer(self, item: Item, outcome: Outcome, records: dict[str, Record]) -> None:
        """Hand what came of an item to the cells that wait for it."""
        for key in self._waiting.pop(item.id, ()):
            if key not in self._active:
                continue
            active = self._active[key]
            active.answers[item.id] = outcome
            active.missing.discard(item.id)
            if not active.missing:
                self._advance(key, [active.answers[asked.id] for asked in active.asked], records)

    def _clear(self, assignment: Assignment) -> None:
        self._underway.pop(assignment.item.id, None)
        self._contended.discard(assignment.item.id)
        shutil.rmtree(assignment.out, ignore_errors=True)
        shutil.rmtree(assignment.scratch, ignore_errors=True)


def loggers(catalogue: Catalogue) -> Callable[[Record], None]:
    """Return what tells the plugins of each finished cell; a logger that fails is named and does no harm."""

    def tell(record: Record) -> None:
        try:
            catalogue.cell_finished(record.model_dump(mode="json"))
        except Exception as error:
            warnings.warn(f"ctpbench_cell_finished: {type(error).__name__}: {error}", stacklevel=2)

    return tell
