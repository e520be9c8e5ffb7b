"""A run whose metrics agree with others: what its folder, its page and the terminal say."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.stored import stored_records

SUITE = """
datasets: [{name: toy, params: {test_cases: 3, size: 12}, noise: [1]}]
denoisers: [leave, {name: shrink, params: {weight: 0.3}}]
metrics: [{name: flow, params: {factor: 2}}, {name: noiseless-flow, params: {factor: 2}, label: truth}, error]
replicates: 2
"""


@pytest.fixture
def done(ctpbench, write_suite):
    result = ctpbench("run", write_suite(SUITE), "--out", "out", "--report")
    assert result.returncode == 0, result.stderr
    return result


def test_a_run_says_how_far_its_metrics_agree_and_what_its_cases_are_like(done, ctpbench, tmp_path):
    out = tmp_path / "out"
    with xr.open_datatree(out / "results.nc") as tree:
        toy, cases = tree["toy"].to_dataset(inherit=False).load(), tree["toy/cases"].to_dataset().load()
    apart = (toy["flow_2"] - toy["truth"]).sel(noise=1, seed=0)
    table = pd.read_csv(out / "agreement.csv").set_index("config")
    assert table["metric"].unique().tolist() == ["flow_2"]
    assert table["n_readings"].unique().tolist() == [2]
    for config in ("leave", "shrink(weight=0.3)"):
        draws = apart.sel(config=config).values.reshape(3, 2)  # a patient's draws follow one another
        assert table.loc[config, "bias"] == pytest.approx(draws.mean())
        assert table.loc[config, "sd"] == pytest.approx(draws.std(axis=0, ddof=1).mean())
    text = (out / "leaderboard.md").read_text()
    assert "Ranked by error CBF" in text
    assert "| flow 2 (mL/100 g/min) | truth | leave | 3 |" in text
    assert "No interval or no value: 3 patients; an interval needs 6." in text
    assert (out / "agreement" / "toy-1.png").exists()
    line = "Agreement with references over patients: out/leaderboard.md, agreement.csv and agreement/"
    assert line in done.stdout.splitlines()
    assert ctpbench("leaderboard", "out").stdout.splitlines()[-1] == line
    assert "Agreement" not in ctpbench("leaderboard", "out/results.nc").stdout
    np.testing.assert_allclose(cases["brain_ml"], 12 * 12 * 5 / 1000)
    assert cases["aif_time_to_peak_s"].values.tolist() == [[4.0]] * 6
    np.testing.assert_allclose(cases["aif_peak_hu"], 200 / np.e, rtol=1e-4)
    assert "<summary>toy, noise 1: 6 cases" in text
    assert "Share of error CBF (%)" in text


def test_every_record_has_the_numbers_of_its_cases_and_they_are_few_bytes(done, tmp_path):
    found = stored_records(tmp_path / "out")
    assert len(found) == 2
    assert found[0]["quality"] == found[1]["quality"]
    assert {len(values) for values in found[0]["quality"].values()} == {6}
    size = max(len(json.dumps(record["quality"])) for record in found)
    assert size / 6 < 100  # for each case
    assert found[0]["scores"]["truth"]["metric"] == "noiseless-flow"
