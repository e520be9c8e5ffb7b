"""Whether what an earlier run left of a cell is its answer still."""

from __future__ import annotations

from typing import TypeGuard

from ctpbench.running.cache import Cache
from ctpbench.running.summary import Summary
from ctpbench.running.work import ItemId, Stage


def is_finished(known: Summary | None, cache: Cache, *, rerun_failed: bool) -> TypeGuard[Summary]:
    """Whether a cell needs no more work: it has a record, which stands on nothing that was altered since.

    Parameters
    ----------
    known : Summary or None
        Of its record, None where it has none.
    cache : Cache
        The run's.
    rerun_failed : bool
        Whether one that failed is to be run again.
    """
    if known is None or known.status == "skipped" or (rerun_failed and not known.whole):
        return False
    return not _stands_on_damage(known, cache)


def _stands_on_damage(known: Summary, cache: Cache) -> bool:
    """Whether an entry that a record was made from is there, and was altered; one that is gone says nothing."""
    made: list[tuple[Stage, str | None]] = [("reference", known.reference), ("prediction", known.prediction)]
    used: list[ItemId] = [(stage, key) for stage, key in made if key is not None]
    return any(not cache.is_sound(*each) and cache.holds(*each) for each in used)
