"""A suite driven to the records of its cells: what the command `run` and the calls from Python have in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ctpbench.contract.components import Component
from ctpbench.errors import InputError, ResultError
from ctpbench.outcome.planned import planned
from ctpbench.plugins import Catalogue
from ctpbench.running.cell import Cell
from ctpbench.running.costs import Ledger
from ctpbench.running.executors.choice import HERE, Choice
from ctpbench.running.executors.here import HereExecutor
from ctpbench.running.executors.local import LocalExecutor
from ctpbench.running.executors.opened import limits_of, opened, where_are
from ctpbench.running.executors.protocol import Limits, Workers
from ctpbench.running.executors.terms import Terms
from ctpbench.running.folder import usable_folder
from ctpbench.running.identity import Wanted
from ctpbench.running.index import Index
from ctpbench.running.plan import select
from ctpbench.running.provenance import PLACE, provenance
from ctpbench.running.reuse import is_finished
from ctpbench.running.runner import Listener, Options, Runner, loggers
from ctpbench.running.sandbox.enclosure import Hold
from ctpbench.running.shared import SharedCache, limit_bytes, location
from ctpbench.running.sharing import Machine, Sharing, without
from ctpbench.running.store import Finished, Store
from ctpbench.running.summary import Summary
from ctpbench.running.work import ItemId
from ctpbench.suite.entries import Suite
from ctpbench.suite.resolved import resolved
from ctpbench.written.document import dump

Sandboxing = Literal["none", "wanted", "required"]
Listening = Callable[[int], AbstractContextManager[Listener]]
"""Called with the number of cells: what shows the run while it lasts."""


@dataclass(frozen=True)
class Drive:
    """How a suite is driven.

    Attributes
    ----------
    suite : Suite
    folder : Path
    only : sequence of str
        Methods, row labels or datasets; all where it is empty.
    options : Options
    sandbox : {"none", "wanted", "required"}
    into : bool
        Whether the folder may hold other things, or another suite's run.
    claims : str or None
        The text of the claims that go with the suite.
    here : mapping
        Classes of components whose work is done in this process, by qualified name. Nothing of it is kept once the run
        is finished, nor shared.
    cache : str, path or None
        Where the shared cache lies, ``"none"`` for none; see `ctpbench.running.shared.location`.
    executor : Choice
        Where the work is done.
    """

    suite: Suite
    folder: Path
    only: Sequence[str] = ()
    options: Options = field(default_factory=Options)
    sandbox: Sandboxing = "wanted"
    into: bool = False
    claims: str | None = None
    here: Mapping[str, type[Component]] = field(default_factory=dict)
    cache: str | os.PathLike[str] | None = None
    executor: Choice = HERE


def drive(
    asked: Drive,
    catalogue: Catalogue,
    listening: Listening,
    *,
    say: Callable[[str], None],
    finish: Callable[[Store], None],
) -> Finished:
    """Run a suite into a folder and return the records; what is finished there is not computed again.

    Parameters
    ----------
    asked : Drive
    catalogue : Catalogue
    listening : callable(cells)
        Returns a context that yields what shows the run.
    say : callable(text)
        Hears what a person should know before it begins.
    finish : callable(store)
        Called when the run ends, however it ends: what is finished is made into results.

    Raises
    ------
    InputError, DataError, ResultError
        Where the call is wrong, or another runner holds the folder.
    KeyboardInterrupt
        Where a person ends it; finished cells are kept.
    """
    cells = planned(asked.suite)
    chosen = select(cells, asked.only)
    store = Store(usable_folder(asked.folder, asked.suite, into=asked.into))
    with store.locked(), ExitStack() as stack:
        place = _finished_before(asked, catalogue, store, chosen) or _opened(asked, catalogue, store, say, stack)
        store.write_plan(Index.of(asked.suite, cells, place.facts), dump(resolved(asked.suite)), asked.claims)
        say(f"{len(chosen)} cells {place.words}")
        done: list[ItemId] = []
        try:
            with listening(len(chosen)) as listener:
                executor = HereExecutor(place.workers, asked.here, place.limits, listener.work_progress, done)
                told = loggers(catalogue)
                runner = Runner(store, executor, asked.options, listener, told, place.ledger, place.sharing)
                return runner.run(chosen)
        finally:
            place.workers.close()  # what goes on after an interruption is lost
            if place.sharing:
                place.sharing.close()
            finish(store)
            for item in done:
                store.cache.forget(*item)
            store.forget_records([cell.key for cell in chosen if cell.row.cls.__qualname__ in asked.here])


@dataclass(frozen=True)
class _Place:
    """Where a run is carried out: who works, what they may use, how it is said, and what results say of it."""

    workers: Workers
    limits: Limits
    words: str
    facts: Mapping[str, Any]
    ledger: Ledger | None = None
    sharing: Sharing | None = None


def _opened(asked: Drive, catalogue: Catalogue, store: Store, say: Callable[[str], None], stack: ExitStack) -> _Place:
    """Return the workers that were asked for, once the first of them are there; `stack` ends them."""
    jobs, resources = asked.options.jobs, asked.suite.resources
    terms = Terms(
        resources=resources,
        sandboxed=asked.sandbox != "none",
        serial_timing=asked.options.serial_timing,
        wanted=Wanted.of(asked.suite),
        folder=store.cache.workspace(),
    )
    limits = limits_of(asked.executor, terms, jobs)
    workers = opened(asked.executor, terms, limits, jobs, say)
    stack.enter_context(workers)
    hold = workers.hold()
    held = _held(hold, limits, say, required=asked.sandbox == "required")
    where = where_are(asked.executor, workers, limits, jobs)
    chip = limits.device if isinstance(workers, LocalExecutor) else "cpu"  # what is elsewhere says so itself
    facts = {**provenance(asked.suite, catalogue, chip, limits.threads, jobs), **where.facts, "sandbox": held}
    ledger = Ledger(store.folder, where.threads, where.hardware)
    sharing = _sharing(asked, store, Machine.of(limits, hold.word), limit_bytes(), say)
    return _Place(workers, limits, f"on {where.words}", facts, ledger, sharing)


def _finished_before(asked: Drive, catalogue: Catalogue, store: Store, chosen: Sequence[Cell]) -> _Place | None:
    """Return that nobody needs to work, None where somebody does: where the run was, it stays."""
    failed = asked.options.rerun_failed
    known = store.summaries([cell.key for cell in chosen])
    if not all(is_finished(each, store.cache, rerun_failed=failed) for each in known):
        return None
    try:
        then = store.index().provenance
    except ResultError:
        return None
    if asked.sandbox == "required" and then.get("sandbox") != "full":
        return None
    limits = Limits()
    now = provenance(asked.suite, catalogue, limits.device, limits.threads, 1)
    facts = {**now, **{key: then[key] for key in PLACE if key in then}}
    return _Place(LocalExecutor(limits), limits, "finished before", facts)


def partial_faults(record: Summary) -> Iterator[str]:
    """Yield what failed in a cell that went on: cases that could not be read, and metrics."""
    yield from (f"left out: {case}: {why}" for case, why in record.left_out.items())
    yield from (f"metric {label} failed in {record.config}: {why}" for label, why in record.faults.items())


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
