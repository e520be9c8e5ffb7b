"""A metric that fails, fails alone: its column says so, and every other score stands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.stored import stored_records

SUITE = """
datasets: [{name: toy, noise: [1]}]
denoisers: [leave, {name: shrink, params: {weight: 0.3}}]
metrics: [error, {name: faulty, params: {how: HOW}}, frame-error]
"""
SAYS = {
    "raise": "test/0: ZeroDivisionError: on purpose",
    "float": "test/0: metric 'faulty_HOW': got float; allowed: DataArray",
    "dims": "test/0: metric 'faulty_HOW': got dims ('z', 'y', 'x'); allowed: any of map, time, frequency, roi",
    "uneven": "metric 'faulty_HOW': got dims ('map',) and (); allowed: the same for all cases",
    "crash": "crashed: killed by SIGSEGV",
}


def records(folder: Path) -> list[dict]:
    return sorted(stored_records(folder), key=lambda record: record["key"])


@pytest.mark.parametrize("how", SAYS)
def test_a_faulty_metric_costs_no_other_score(how, ctpbench, write_suite, tmp_path):
    suite = write_suite(SUITE.replace("HOW", how))
    done = ctpbench("run", suite, "--out", "out")
    assert done.returncode == 3
    label, says = f"faulty_{how}", SAYS[how].replace("HOW", how)
    for record in records(tmp_path / "out"):
        assert record["status"] == "ok"
        assert list(record["faults"]) == [label]
        assert says in record["faults"][label]
        assert set(record["scores"]) == {"error", "frame-error"}
    assert f"metric {label} failed in leave: " in done.stdout
    page = (tmp_path / "out/leaderboard.md").read_text()
    assert "failed" in page
    assert label.replace("_", " ") in page or label in page
    with xr.open_datatree(tmp_path / "out/results.nc") as tree:
        toy = tree["toy"].to_dataset().load()
    assert np.isfinite(toy["error"]).all()
    assert label in toy
    assert toy[label].isnull().all()
    assert set(json.loads(str(toy["metric_faults"].values.ravel()[0]))) == {label}
    status = ctpbench("status", "out").stdout
    assert "metric failed" in status
    assert "--rerun failed" in status


def test_scores_of_a_metric_that_failed_are_made_again_when_asked_for(ctpbench, write_suite, tmp_path):
    suite = write_suite(SUITE.replace("HOW", "raise"))
    assert ctpbench("run", suite, "--out", "out").returncode == 3
    log = {path.name: path.read_text() for path in (tmp_path / "out/logs").iterdir()}
    assert all("on purpose" in text for text in log.values())
    assert ctpbench("run", suite, "--out", "out").stdout.count("(cached)") == 2
    again = ctpbench("run", suite, "--out", "out", "--rerun", "failed")
    assert again.returncode == 3
    assert "(cached)" not in again.stdout


def test_tuning_by_a_metric_that_fails_says_so(ctpbench, write_suite, tmp_path):
    suite = write_suite("""
datasets: [{name: toy, noise: [1]}]
denoisers:
  - leave
  - {name: shrink, tune: {parameters: {weight: [0.1, 0.3, 0.5]}, metric: faulty_raise}}
metrics: [error, {name: faulty, params: {how: raise}}]
""")
    assert ctpbench("run", suite, "--out", "out").returncode == 3
    (tuned,) = (record for record in records(tmp_path / "out") if record["config"] == "shrink")
    assert tuned["status"] == "error"
    assert "no trial succeeded; the first: error: faulty_raise: validation/0: ZeroDivisionError" in tuned["message"]
    assert tuned["tuned_by"] == {"metric": "faulty_raise", "map": "cbf", "better": "lower"}


def test_every_metric_is_shown_in_the_suites_order(ctpbench, write_suite, tmp_path):
    suite = write_suite(SUITE.replace("{name: faulty, params: {how: HOW}}", "{name: error, label: twice}"))
    done = ctpbench("run", suite, "--out", "out")
    assert done.returncode == 0
    for text in (done.stdout, (tmp_path / "out/leaderboard.md").read_text()):
        places = [text.index(word) for word in ("error", "twice", "frame-error")]
        assert places == sorted(places)
