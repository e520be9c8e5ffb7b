"""Records as results need them, in a fraction of the memory: what many of them say alike is kept once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ctpbench.running.record import Record, ScoreTable

_ALIKE = ("cases", "patients", "maps", "parameters", "quality", "inspections", "versions", "tuned_by", "learning")
_WORDS = ("suite", "dataset", "config", "method", "version", "distribution", "code", "status", "message", "trained_on")


def compacted(records: Iterable[Record]) -> Iterator[Record]:
    """Yield records that say the same; scores are arrays, which hold NaN where they do not apply."""
    pool: dict[tuple[str, str], Any] = {}

    def once(name: str, value: Any) -> Any:
        return pool.setdefault((name, value if isinstance(value, str) else repr(value)), value)

    for record in records:
        said = {name: once(name, getattr(record, name)) for name in (*_ALIKE, *_WORDS)}
        scores = {once("label", label): _compact(table, once) for label, table in record.scores.items()}
        timings = record.timings.model_copy(
            update={name: once(name, getattr(record.timings, name)) for name in ("device", "hardware")}
        )
        yield record.model_copy(update={**said, "scores": scores, "timings": timings})


def _compact(table: ScoreTable, once: Any) -> ScoreTable:
    said = {name: once(name, value) for name, value in table if name != "values"}
    values = np.array(table.values, dtype=np.float64)
    return table.model_copy(update={**said, "values": values})
