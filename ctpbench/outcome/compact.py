"""Records as results need them, in a fraction of the memory: what many of them say alike is kept once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import numpy as np

from ctpbench.running.record import Record, ScoreTable, Timings

_ALIKE = ("cases", "patients", "maps", "parameters", "quality", "inspections", "versions", "tuned_by", "learning")
_WORDS = ("suite", "dataset", "config", "method", "version", "distribution", "code", "status", "message", "trained_on")
_UNUSED = {"entries": None, "log": ""}
"""What results say nothing of."""

Once = Callable[[Any], Any]
"""Returns the first value that was equal."""


class _Record:
    """The fields of a record, without what a model keeps beside them: that is more than all they say."""

    __slots__ = tuple(Record.model_fields)
    timings: Any
    scores: Any


class _Timings:
    __slots__ = tuple(Timings.model_fields)


class _Table:
    __slots__ = tuple(ScoreTable.model_fields)


def compacted(records: Iterable[Record]) -> Iterator[Record]:
    """Yield what says the same as records; scores are arrays, which hold NaN where they do not apply."""
    pool: dict[Any, Any] = {}

    def once(value: Any) -> Any:
        return pool.setdefault(value if isinstance(value, str) else (type(value), repr(value)), value)

    for record in records:
        kept = _Record()
        for name, value in record:
            alike = name in _ALIKE or name in _WORDS or value in ({}, [])
            setattr(kept, name, once(value) if alike else value)
        kept.timings = _timings(record.timings, once)
        kept.scores = {once(label): _table(table, once) for label, table in record.scores.items()}
        for name, value in _UNUSED.items():
            setattr(kept, name, value)
        yield cast(Record, kept)


def _timings(timings: Timings, once: Once) -> _Timings:
    kept = _Timings()
    for name, value in timings:
        setattr(kept, name, once(value) if isinstance(value, str) else value)
    return kept


def _table(table: ScoreTable, once: Once) -> _Table:
    kept = _Table()
    for name, value in table:
        setattr(kept, name, np.array(value, dtype=np.float64) if name == "values" else once(value))
    return kept
