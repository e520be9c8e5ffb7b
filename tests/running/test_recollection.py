"""What runs took of before it was noted, as far as their records say."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctpbench.running.rates import Rates, Work
from ctpbench.running.recollection import known_costs, recollected, runs_beside
from ctpbench.running.record import Entries, Record
from ctpbench.running.store import Store
from ctpbench.settings import MapsSettings
from tests.outcome.records import changed, index_of, record, rmse

TOLD = {"denoise_s": [1.0, 2.0], "maps_s": [0.5, 0.5], "threads": 2, "hardware": "a processor", "peak_memory_mib": 90.0}


def told(config: str, seconds: int, **more: object) -> Record:
    made = record(config, 1e5, scores={"rmse": rmse([1.0, 2.0])}, timings={})
    ends = {"started": "2026-01-01T00:00:00+00:00", "finished": f"2026-01-01T00:00:{seconds:02d}+00:00"}
    return changed(made, **{"timings": TOLD, "maps": MapsSettings(), "cases": ["a", "b"], **ends, **more})


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A run of a method that learns, a tuned one, and two that tell nothing."""
    store = Store(tmp_path / "old")
    entries = Entries(observation="data", reference="reference", prediction="made")
    records = [
        told("n2n", 40, timings={**TOLD, "fit_s": 20.0}, parameters={"steps": 9}),
        told("tips", 14, parameters={"s": "tuned"}, tuned={"s": 2.0}, entries=entries),
        record("broken", 1e5, status="crashed", timings={}),
        told("quiet", 1, timings={"denoise_s": None}),
    ]
    store.write_plan(index_of(records), "")
    for each in records:
        store.write_record(each)
    for stage, key, name, size in (("data", "data", "observation.npz", 100), ("prediction", "made", "a.npz", 30)):
        folder = store.cache.path(stage, key)  # type: ignore[arg-type]
        folder.mkdir(parents=True)
        (folder / name).write_bytes(bytes(size))
    return store.folder


def test_records_tell_of_fits_denoising_and_of_scoring_by_the_quickest_cell(old: Path) -> None:
    found = {(cost.stage, cost.name): cost for cost in recollected(old)}
    assert {of: cost.seconds for of, cost in found.items()} == {
        ("model", "n2n"): 20.0,
        ("prediction", "n2n"): 4.0,
        ("prediction", "tips"): 4.0,
        ("scores", "rmse"): 10.0,
    }
    tips = found["prediction", "tips"]
    assert tips.params == {"s": 2.0, "maps": "tikhonov 0.3"}
    assert (tips.amount, tips.size, tips.peak_memory_mib, tips.trial) == (200, 30, 90.0, False)
    assert found["model", "n2n"].params == {"steps": 9}


def test_an_estimate_from_records_is_a_rough_one_and_what_was_noted_comes_first(old: Path) -> None:
    costs = known_costs(old)
    work = Work("prediction", "tips", {"s": 2.0, "maps": "tikhonov 0.3"}, False, 200)
    found = Rates(costs, [], 2, "a processor").estimate(work)
    assert (found.basis, found.seconds.likely) == ("rough", pytest.approx(4.0))
    (tips,) = (cost for cost in costs if cost.name == "tips")
    noted = tips.model_copy(update={"seconds": 7.0, "hardware": "a processor"})
    assert Rates(costs, [noted], 2, "a processor").estimate(work).seconds.likely == pytest.approx(7.0)
    (old / "costs.jsonl").write_text(noted.model_dump_json())
    assert known_costs(old) == [noted]


def test_what_is_no_run_or_of_another_format_tells_nothing(old: Path) -> None:
    assert recollected(old.parent) == []
    (old / "cells.json").write_text("{}")
    assert recollected(old) == []


def test_the_runs_beside_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, file in (("a", "costs.jsonl"), ("b", "cells.json"), ("b", "costs.jsonl"), ("c", "notes")):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / file).touch()
    assert runs_beside(tmp_path / "a") == [tmp_path / "b"]
    monkeypatch.chdir(tmp_path)
    assert runs_beside(Path("b")) == [tmp_path / "a"]
    assert runs_beside(tmp_path / "new") == [tmp_path / "a", tmp_path / "b"]
