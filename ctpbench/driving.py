"""A suite driven to the records of its cells: what the command `run` and the calls from Python have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack

from ctpbench.errors import ResultError
from ctpbench.outcome.planned import planned
from ctpbench.plugins import Catalogue
from ctpbench.running.cell import Cell
from ctpbench.running.drive import Drive
from ctpbench.running.folder import usable_folder
from ctpbench.running.index import Index
from ctpbench.running.listener import Listener
from ctpbench.running.place import Before, Place
from ctpbench.running.plan import select
from ctpbench.running.provenance import PLACE, provenance
from ctpbench.running.reuse import is_finished
from ctpbench.running.store import Finished, Store
from ctpbench.running.summary import Summary
from ctpbench.suite.resolved import resolved
from ctpbench.written.document import dump

Listening = Callable[[int], AbstractContextManager[Listener]]
"""Called with the number of cells: what shows the run while it lasts."""


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
        place = _before(asked, store, chosen) or stack.enter_context(_workplace(asked, catalogue, store, say))
        facts = {**provenance(asked.suite, catalogue), **place.facts}
        store.write_plan(Index.of(asked.suite, cells, facts), dump(resolved(asked.suite)), asked.claims)
        say(f"{len(chosen)} cells {place.words}")
        try:
            with listening(len(chosen)) as listener:
                return place.run(chosen, listener)
        finally:
            done = place.close()
            here = [cell.key for cell in chosen if cell.row.cls.__qualname__ in asked.here]
            for plan in (cells, chosen):  # of very many cells it is large, and so is what is made now
                plan.clear()
            finish(store)
            for item in done:
                store.cache.forget(*item)
            store.forget_records(here)


def _before(asked: Drive, store: Store, chosen: Sequence[Cell]) -> Before | None:
    """Return where the run was, None where there is work left: it stays where it was."""
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
    return Before(store, {key: then[key] for key in PLACE if key in then})


def _workplace(
    asked: Drive, catalogue: Catalogue, store: Store, say: Callable[[str], None]
) -> AbstractContextManager[Place]:
    from ctpbench.running.runner import loggers  # here, for a finished run does without: to load it takes a while
    from ctpbench.running.workplace import taken

    return taken(asked, store, say, loggers(catalogue))


def partial_faults(record: Summary) -> Iterator[str]:
    """Yield what failed in a cell that went on: cases that could not be read, and metrics."""
    yield from (f"left out: {case}: {why}" for case, why in record.left_out.items())
    yield from (f"metric {label} failed in {record.config}: {why}" for label, why in record.faults.items())
