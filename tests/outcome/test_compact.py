"""Records in a fraction of the memory give the same results."""

from __future__ import annotations

import tracemalloc

import xarray as xr

from ctpbench.outcome.compact import compacted
from ctpbench.outcome.results import build
from ctpbench.running.record import Record
from tests.outcome.records import inapplicable, objective, record, rmse, trial


def records(count: int) -> list[Record]:
    """Return records of many kinds, each read on its own, as from a file."""
    made = [
        record("plain", 1e5, seed, scores={"rmse": rmse([1.0 + seed, 2.0]), "none": inapplicable()})
        for seed in range(count)
    ]
    made += [
        record("tuned", 1e5, tuned={"width": 3}, tuned_by=objective("rmse"), trials=[trial({"width": 3}, 0.5)]),
        record("failed", 1e5, status="error", message="no luck"),
        record("torn", None, faults={"rmse": "error: no"}, left_out={"a": "gone"}, dataset="real"),
        record("learnt", 1e5, learning={"step": [1.0, 2.0], "loss": [0.5, None]}, versions={"numpy": "2"}),
    ]
    return [Record.model_validate_json(each.model_dump_json()) for each in made]


def test_the_results_are_the_same():
    found = records(3)
    given = {"suite": "toy", "metrics": ["rmse", "none"]}
    xr.testing.assert_identical(build(list(compacted(found)), given), build(found, given))


def test_what_many_records_say_is_kept_once():
    wide = rmse([1.0] * 2).model_copy(update={"description": "what it is " * 50})
    texts = [record("a", 1e5, seed, scores={"rmse": wide}).model_dump_json() for seed in range(50)]

    def size(make) -> int:
        tracemalloc.start()
        kept = list(make(Record.model_validate_json(text) for text in texts))
        found = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert len(kept) == 50
        return found

    size(compacted)  # what is made once
    assert size(compacted) < 0.8 * size(list)
    one, two = list(compacted(records(2)))[:2]
    assert one.cases is two.cases
    assert one.scores["rmse"].description is two.scores["rmse"].description
