"""However many records there are, results keep of them what they say, and no record."""

from __future__ import annotations

import tracemalloc
import weakref
from collections.abc import Iterator

from ctpbench.outcome.results import build
from ctpbench.running.record import Record
from tests.outcome.records import objective, record, rmse, trial

_MOST_BYTES = 1500
"""A cell's place in some thirty variables, and the texts that are its own; a record takes eight times as much."""


def texts(count: int) -> list[str]:
    """Return records that say much, most of it alike, as they lie in a file."""
    wide = rmse([1.0, 2.0]).model_copy(update={"description": "what it is " * 50})
    common = {"scores": {"rmse": wide}, "versions": {"numpy": "2.4.0 " * 40}, "message": "it went well " * 20}
    tuning = {"trials": [trial({"width": 3}, 0.5)], "tuned": {"width": 3}, "tuned_by": objective("rmse")}
    return [record("a", 1e5, seed, **common, **tuning).model_dump_json() for seed in range(count)]


def test_no_record_is_kept():
    alive: list[weakref.ref[Record]] = []

    def read() -> Iterator[Record]:
        for text in texts(20):
            assert sum(known() is not None for known in alive) <= 1, "that which was given last"
            found = Record.model_validate_json(text)
            alive.append(weakref.ref(found))
            yield found

    assert build(read(), {})["phantom"].sizes["seed"] == 20
    assert len(alive) == 20


def test_what_many_records_say_is_kept_once():
    def size(count: int) -> int:
        given = texts(count)
        tracemalloc.start()
        tree = build((Record.model_validate_json(text) for text in given), {})
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert tree["phantom"].sizes["seed"] == count
        return found

    size(100)  # what is made once
    assert size(1100) - size(100) < 1000 * _MOST_BYTES
