"""What a run would take, held against what it took: one half of a suite tells of the other."""

from __future__ import annotations

import cProfile
from collections import Counter

import pytest

from ctpbench.running.costs import read_costs
from ctpbench.running.forecast import forecast
from ctpbench.running.plan import plan
from ctpbench.running.store import Store
from ctpbench.suite.load import load_suite
from tests.running.test_rates import cost

SUITE = """
name: toy
datasets: [{name: toy, params: {test_cases: 2}, noise: [%s]}]
denoisers:
  - leave
  - learn
  - {name: shrink, tune: {parameters: {weight: [0.2, 0.4, 0.6]}, metric: error}}
metrics: [error%s]
"""


@pytest.fixture
def ahead(catalogue, write_suite, tmp_path):
    """Return what a suite would take that is run into a folder."""

    def ahead(text, folder):
        store = Store(tmp_path / folder)
        cells = plan(load_suite(write_suite(text), catalogue))
        left = [cell for cell in cells if store.record(cell.key) is None]
        costs = read_costs(tmp_path / "runs/one")
        threads, hardware = (costs[0].threads, costs[0].hardware) if costs else (1, "")
        return forecast(left, store, threads, hardware, 2)

    return ahead


def noted(folder):
    costs = read_costs(folder)
    kept = [cost for cost in costs if not (cost.trial and cost.stage == "prediction")]
    return Counter(cost.stage for cost in costs), sum(cost.size for cost in kept)


def test_one_half_of_a_suite_tells_what_the_other_takes(ahead, ctpbench, write_suite, tmp_path):
    nothing = ahead(SUITE % ("1", ""), "runs/one")
    assert (nothing.sources, len(nothing.unknown), nothing.seconds.high) == (0, 3, 0)
    assert ctpbench("run", write_suite(SUITE % ("1", "")), "--out", "runs/one", "-j", "2").returncode == 0
    assert ahead(SUITE % ("1", ""), "runs/one").cells == {}
    pieces, _ = noted(tmp_path / "runs/one")
    assert pieces == {"data": 5, "reference": 2, "model": 1, "prediction": 6, "scores": 6}

    found = ahead(SUITE % ("2", ""), "runs/two")
    assert found.sources == 1
    assert {estimate.basis for estimate in (*found.cells.values(), *found.shared)} == {"same"}
    assert ctpbench("run", write_suite(SUITE % ("2", "")), "--out", "runs/two", "-j", "2").returncode == 0
    pieces, size = noted(tmp_path / "runs/two")
    assert found.pieces == pieces
    assert sum(span.likely for span in found.size.values()) == pytest.approx(size, rel=0.02)
    assert found.seconds.likely > 0

    found = ahead(SUITE % ("2", ", frame-error"), "runs/two")
    assert found.pieces == {"prediction": 1, "scores": 3}, "trials are scored; what they chose, nobody looked up"

    shown = ctpbench("plan", write_suite(SUITE % ("1, 5", "")), "--out", "runs/one", "-j", "2").stdout
    assert "6 cells: 3 finished, 3 to run." in shown
    assert "Time with -j 2: about " in shown
    assert "Memory: up to " in shown
    assert "unknown" not in shown


def test_of_a_rows_seeds_one_may_be_predicted_and_another_not(ahead, ctpbench, write_suite, tmp_path):
    suite = "{name: toy, datasets: [{name: toy}], denoisers: [leave], metrics: [error], seeds: %s}"
    assert ctpbench("run", write_suite(suite % "[1]"), "--out", "runs/one", "--no-report").returncode == 0
    (tmp_path / "runs/one/records.jsonl").unlink()
    left = ahead(suite % "[0, 1, 2]", "runs/one")
    assert (left.pieces["prediction"], left.pieces["scores"]) == (2, 3)


def test_the_work_of_a_forecast_grows_with_cells_and_costs_and_no_faster(write_suite, tmp_path, catalogue):
    def calls(rows):
        weights = [index / 1000 for index in range(rows)]
        folder = tmp_path / f"runs{rows}/old"
        folder.mkdir(parents=True)
        lines = [
            cost(1.0, name="shrink", params={"weight": weight + 0.5, "maps": "tikhonov 0.3"}).model_dump_json()
            for weight in weights
        ]
        (folder / "costs.jsonl").write_text("\n".join(lines))
        text = f"datasets: [toy]\nmetrics: [error]\ndenoisers: [{{name: shrink, grid: {{weight: {weights}}}}}]\n"
        cells = plan(load_suite(write_suite(text), catalogue))
        profile = cProfile.Profile()
        found = profile.runcall(forecast, cells, Store(folder.parent / "new"), 1, "", 1)
        assert found.sources == 1
        assert len(found.cells) == rows
        return sum(entry.callcount for entry in profile.getstats())

    calls(10)  # what is computed once for all
    assert calls(320) < 9 * calls(40)
