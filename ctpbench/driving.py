"""A suite driven to the records of its cells: what the command `run` and the calls from Python have in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from ctpbench import device
from ctpbench.contract.components import Component
from ctpbench.errors import InputError, ResultError
from ctpbench.outcome.planned import planned
from ctpbench.plugins import Catalogue
from ctpbench.running.cell import Cell
from ctpbench.running.costs import Ledger
from ctpbench.running.executors.cluster import INSTALL, Request
from ctpbench.running.executors.here import HereExecutor
from ctpbench.running.executors.local import LocalExecutor
from ctpbench.running.executors.protocol import Limits
from ctpbench.running.folder import usable_folder
from ctpbench.running.index import Index
from ctpbench.running.plan import select
from ctpbench.running.provenance import provenance
from ctpbench.running.record import Sandbox
from ctpbench.running.runner import Listener, Options, Runner, is_finished, loggers
from ctpbench.running.sandbox.enclosure import Hold
from ctpbench.running.shared import SharedCache, limit_bytes, location
from ctpbench.running.sharing import Machine, Sharing, without
from ctpbench.running.store import Finished, Store
from ctpbench.running.summary import Summary
from ctpbench.running.work import ItemId
from ctpbench.suite.entries import Suite
from ctpbench.suite.resolved import resolved
from ctpbench.written.document import dump

if TYPE_CHECKING:
    from ctpbench.running.executors.dask import DaskExecutor

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
    cluster : Request or None
        Whose workers do the work; None for processes on this machine.
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
    cluster: Request | None = None


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
    options, resources, limit = asked.options, asked.suite.resources, limit_bytes()
    chip = device.resolve(resources.device) if asked.cluster is None else "cpu"
    limits = Limits.of(resources, chip, options.jobs, sandboxed=asked.sandbox != "none")
    store = Store(usable_folder(asked.folder, asked.suite, into=asked.into))
    facts = provenance(asked.suite, catalogue, limits.device, limits.threads, options.jobs)
    with store.locked(), _workers(asked, limits, store, say) as workers:
        held = _held_then(chosen, store, options) if asked.sandbox == "wanted" else ""
        held = held or _held(workers.hold(), limits, say, required=asked.sandbox == "required")
        where = _where_here(limits, options) if isinstance(workers, LocalExecutor) else _where_there(workers, options)
        index = Index.of(asked.suite, cells, {**facts, **where.facts, "sandbox": held})
        store.write_plan(index, dump(resolved(asked.suite)), asked.claims)
        say(f"{len(chosen)} cells on {where.words}")
        ledger = Ledger(store.folder, where.threads, where.hardware)
        sharing = _sharing(asked, store, Machine.of(limits, _word_of(held)), limit, say)
        done: list[ItemId] = []
        try:
            with listening(len(chosen)) as listener:
                executor = HereExecutor(workers, asked.here, limits, listener.work_progress, done)
                return Runner(store, executor, options, listener, loggers(catalogue), ledger, sharing).run(chosen)
        finally:
            workers.close()  # what goes on after an interruption is lost
            if sharing:
                sharing.close()
            finish(store)
            for item in done:
                store.cache.forget(*item)
            store.forget_records([cell.key for cell in chosen if cell.row.cls.__qualname__ in asked.here])


@dataclass(frozen=True)
class _Where:
    """Where work is done: in words, on what, with how many threads each, and what results say of it."""

    words: str
    hardware: str
    threads: int
    facts: dict[str, Any] = field(default_factory=dict)


def _workers(asked: Drive, limits: Limits, store: Store, say: Callable[[str], None]) -> LocalExecutor | DaskExecutor:
    """Return who does the work that was asked for."""
    if asked.cluster is None:
        return LocalExecutor(limits)
    try:
        from ctpbench.running.executors.dask import DaskExecutor
    except ImportError as error:
        raise InputError(f"{asked.cluster.source}: lacks a package ({error}); {INSTALL}") from error
    from ctpbench.running.executors.roster import Terms
    from ctpbench.running.identity import Wanted

    terms = Terms(
        resources=asked.suite.resources,
        sandboxed=limits.sandboxed,
        serial_timing=asked.options.serial_timing,
        wanted=Wanted.of(asked.suite),
        folder=store.cache.workspace(),
    )
    return DaskExecutor(asked.cluster, terms, say)


def _where_here(limits: Limits, options: Options) -> _Where:
    hardware = device.hardware(limits.device)
    each = f"{limits.threads} thread{'s' * (limits.threads > 1)} each, {options.jobs} at a time"
    return _Where(f"{hardware} ({limits.device}), {each}", hardware, limits.threads)


def _where_there(workers: DaskExecutor, options: Options) -> _Where:
    """Return where the workers are that are there when the run begins; records name the hardware of each timing."""
    posts = workers.posts
    hosts, hardware = sorted({post.host for post in posts}), sorted({post.hardware for post in posts})
    threads, most = max((post.threads for post in posts), default=1), min(options.jobs, workers.slots)
    each = f"{threads} thread{'s' * (threads > 1)} each, {most} at a time"
    names = f"{', '.join(hosts[:3])}{' and others' * (len(hosts) > 3)}"
    words = f"{len(posts)} worker{'s' * (len(posts) != 1)} on {names}: {' and '.join(hardware)}, {each}"
    facts = {
        "cpu": " and ".join(hardware),
        "gpu": "",
        "memory_gib": "",
        "device": workers.device,
        "threads": threads,
        "jobs": most,
        "workers": len(posts),
    }
    return _Where(words, next(iter(hardware), ""), threads, facts)


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


def _held_then(cells: Sequence[Cell], store: Store, options: Options) -> str:
    """Return how far methods were held here when all cells were run; nothing where that is not known, or some are left.

    To find out what holds them now takes a process, which imports much: a run that is finished can do without.
    """
    try:
        held = str(store.index().provenance.get("sandbox", ""))
    except ResultError:
        return ""
    known = store.summaries([cell.key for cell in cells])
    return held if all(each is not None and is_finished(each, store.cache, options) for each in known) else ""


def _word_of(held: str) -> Sandbox:
    """Return the word that what `_held` returns begins with."""
    return next(word for word in get_args(Sandbox) if held.startswith(word))


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
