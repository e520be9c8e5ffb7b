"""Where there is work: who does it, what they may use, and what the run has to do with others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil

from ctpbench.device import hardware, processor
from ctpbench.errors import InputError, ResultError
from ctpbench.running.cell import Cell
from ctpbench.running.costs import Ledger
from ctpbench.running.drive import Drive
from ctpbench.running.executors.local import LocalExecutor
from ctpbench.running.executors.opened import limits_of, opened, where_are
from ctpbench.running.executors.protocol import Limits, Workers
from ctpbench.running.executors.terms import Terms
from ctpbench.running.identity import Wanted
from ctpbench.running.listener import Listener
from ctpbench.running.record import Record
from ctpbench.running.runner import Runner
from ctpbench.running.sandbox.enclosure import Hold
from ctpbench.running.shared import SharedCache, limit_bytes, location
from ctpbench.running.sharing import Machine, Sharing, without
from ctpbench.running.store import Finished, Store
from ctpbench.running.work import ItemId


@dataclass(frozen=True)
class Workplace:
    """Workers that are there: a `ctpbench.running.place.Place`.

    Attributes
    ----------
    asked : Drive
    store : Store
    workers : Workers
    limits : Limits
    words : str
    facts : mapping
    ledger : Ledger
        Where it is noted what work takes.
    sharing : Sharing or None
        What the run has to do with the shared cache, None where there is none.
    on_record : callable(record)
        Hears of each finished cell.
    """

    asked: Drive
    store: Store
    workers: Workers
    limits: Limits
    words: str
    facts: Mapping[str, Any]
    ledger: Ledger
    sharing: Sharing | None
    on_record: Callable[[Record], None]
    _here: list[ItemId] = field(default_factory=list)

    def run(self, cells: Sequence[Cell], listener: Listener) -> Finished:
        executor, options = self.workers, self.asked.options
        if self.asked.here:
            from ctpbench.running.executors.here import HereExecutor  # who hosts methods loads all that they need

            executor = HereExecutor(executor, self.asked.here, self.limits, listener.work_progress, self._here)
        return Runner(self.store, executor, options, listener, self.on_record, self.ledger, self.sharing).run(cells)

    def close(self) -> Sequence[ItemId]:
        self.workers.close()  # what goes on after an interruption is lost
        if self.sharing:
            self.sharing.close()
        return self._here


@contextmanager
def taken(
    asked: Drive, store: Store, say: Callable[[str], None], on_record: Callable[[Record], None]
) -> Iterator[Workplace]:
    """Yield the workers that were asked for, once the first of them are there.

    Raises
    ------
    InputError
        Where the call is wrong, or this system lacks what it requires.
    """
    jobs, resources = asked.options.jobs, asked.suite.resources
    terms = Terms(
        resources=resources,
        sandboxed=asked.sandbox != "none",
        serial_timing=asked.options.serial_timing,
        wanted=Wanted.of(asked.suite),
        folder=store.cache.workspace(),
    )
    limits = limits_of(asked.executor, terms, jobs)
    with opened(asked.executor, terms, limits, jobs, say) as workers:
        hold = workers.hold()
        held = _held(hold, limits, say, required=asked.sandbox == "required")
        where = where_are(asked.executor, workers, limits, jobs)
        chip = limits.device if isinstance(workers, LocalExecutor) else "cpu"  # what is elsewhere says so itself
        facts = {**_facts(chip, limits.threads, jobs), **where.facts, "sandbox": held}
        ledger = Ledger(store.folder, where.threads, where.hardware)
        sharing = _sharing(asked, store, Machine.of(limits, hold.word), limit_bytes(), say)
        yield Workplace(asked, store, workers, limits, f"on {where.words}", facts, ledger, sharing, on_record)


def _facts(device: str, threads: int, jobs: int) -> dict[str, Any]:
    """Return what results say of this machine."""
    return {
        "cpu": processor(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gpu": hardware(device) if device != "cpu" else "",
        "device": device,
        "threads": threads,
        "jobs": jobs,
    }


def _sharing(asked: Drive, store: Store, machine: Machine, limit: int, say: Callable[[str], None]) -> Sharing | None:
    """Return what the run has to do with the shared cache, None where there is none; one that is of no use is named."""
    folder = location(asked.cache).folder
    if folder is None:
        return None
    shared = SharedCache(folder.absolute())
    try:
        shared.prepare()
    except ResultError as error:
        say(without(str(error)))
        return None
    calm = asked.options.serial_timing
    return Sharing(store.cache, shared, machine, limit, say, own=asked.here.keys(), calm=calm)


def _held(hold: Hold, limits: Limits, say: Callable[[str], None], *, required: bool) -> str:
    """Return how far methods are held here and what that lacks, and say it where it is not full.

    Raises
    ------
    InputError
        Where it is not full and that is required.
    """
    if hold.word == "full":
        return "full"
    held = f"{hold.word}, {f'this system lacks {hold.missing}' if limits.sandboxed else 'as asked for'}"
    if required:
        raise InputError(f"--require-sandbox: got a sandbox that is {held}; leave it out, or run elsewhere")
    say(f"sandbox: {held}; methods could see what they are not given (see SECURITY.md)")
    return held
