"""Results as tables hold what the tree holds, a line for each value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import ctpbench
from ctpbench.errors import CtpbenchError
from ctpbench.outcome.comparison import comparisons

BOARDS = Path(__file__).parents[2] / "leaderboards"


@pytest.fixture(scope="module")
def results() -> ctpbench.Results:
    return ctpbench.open_results(BOARDS / "quick")


def test_the_tree_is_the_file_s_and_the_leaderboard_is_ranked(results):
    with xr.open_datatree(BOARDS / "quick/results.nc") as tree:
        assert results.tree.attrs["suite"] == tree.attrs["suite"] == "quick"
        assert set(results.tree.children) == set(tree.children)
    written = pd.read_csv(BOARDS / "quick/leaderboard.csv") if (BOARDS / "quick/leaderboard.csv").exists() else None
    assert written is None or written["config"].tolist() == results.leaderboard["config"].tolist()
    assert results.leaderboard["rank"].min() == 1


def test_each_number_of_each_metric_is_a_line(results):
    scores = results.scores
    data = results.tree["patients"].to_dataset()
    metrics = [name for name, values in data.items() if "better" in values.attrs]
    assert set(scores["metric"]) == set(metrics)
    assert len(scores) == sum(int(data[name].notnull().sum()) for name in metrics)
    row = scores[scores["metric"] == "rmse"].iloc[17]
    place = {name: row[name] for name in ("config", "noise", "seed", "case", "map")}
    assert row["value"] == data["rmse"].sel(place).item()
    assert row["patient"] == data["patient"].sel(case=row["case"]).item()
    assert row["dataset"] == "patients"
    assert (scores.loc[scores["metric"] == "frame_rmse", "map"] == "").all()
    assert scores.loc[scores["metric"] == "frame_rmse", "time"].notna().all()
    assert scores.loc[scores["metric"] == "rmse", "time"].isna().all()


def test_means_over_patients_of_the_lines_are_the_leaderboard_s(results):
    chosen = results.scores.query("metric == 'rmse' and map == 'cbf'")
    by_patient = chosen.groupby(["noise", "config", "patient"])["value"].mean()
    means = by_patient.groupby(["noise", "config"]).mean()
    board = results.leaderboard.set_index(["noise", "config"])["rmse_cbf"].dropna()
    np.testing.assert_allclose(means[board.index], board)


def test_two_rows_are_compared_as_the_command_does(results):
    over = results.comparison("tips", "gaussian", by="rmse_cbf", noise=2e5)
    (compared,) = [c for (_, noise), c in comparisons(results.tree, "rmse_cbf").items() if noise == 2e5]
    pair = compared.pair(compared.place("tips"), compared.place("gaussian"))
    line = over.iloc[0]
    assert (line["difference"], line["p"]) == (pair.difference.value, pair.p)
    assert (line["low"], line["high"]) == (pair.difference.interval.low, pair.difference.interval.high)
    np.testing.assert_allclose(line["difference"], line["gaussian"] - line["tips"])
    by_patient = results.comparison("tips", "gaussian", by="rmse_cbf", noise=2e5, by_patient=True)
    assert by_patient["patient"].tolist() == list(compared.patients)
    np.testing.assert_allclose(by_patient["difference"].mean(), line["difference"])
    assert len(results.comparison("tips", "gaussian")) == 3  # noise levels


def test_what_tuning_tried_and_training_logged_are_tables(results):
    trials = results.trials
    tips = trials[(trials["config"] == "tips") & (trials["noise"] == 2e5)]
    assert len(tips) == 7 * 6
    assert set(tips["parameter_sigma_t_hu"]) == {2, 3, 4.5, 6.5, 9, 13, 19}
    assert tips["parameter_sigma_px"].isna().all()
    best = tips.loc[tips["value"].idxmin()]
    tuned = results.tree["patients"].to_dataset().sel(config="tips", noise=2e5, seed=0)
    assert best["parameter_sigma_s_px"] == tuned["tuned_sigma_s_px"].item()
    learning = results.learning
    assert {"n2n", "supervised"} <= set(learning["config"])
    assert list(learning.columns[:7]) == ["dataset", "noise", "config", "seed", "quantity", "step", "value"]
    curve = learning[(learning["config"] == "n2n") & (learning["quantity"] == learning["quantity"].iloc[0])]
    assert curve["step"].is_monotonic_increasing


def test_cases_know_their_patients(results):
    cases = results.cases
    assert len(cases) == 8 * 3
    assert cases.groupby("case")["patient"].nunique().eq(1).all()
    assert cases["noise_hu"].gt(0).all()


def test_claims_are_judged_where_there_are_any(results, tmp_path):
    assert list(results.claims.columns) == ["says", "paper", "noise", "ours", "verdict", "overall"]
    assert results.claims.empty
    claims = "{says: TIPS leads, check: ahead, rows: [tips], of: [gaussian], scores: [rmse_cbf], noise: [2.0e5]}"
    (tmp_path / "claims.yaml").write_text(f"paper: A paper\nclaims:\n  - {claims}\n")
    (claim,) = ctpbench.Results(results.tree, tmp_path).claims.to_dict("records")
    assert (claim["says"], claim["noise"]) == ("TIPS leads", 2e5)
    assert claim["overall"] in ("holds", "fails", "undecided")
    assert claim["verdict"].startswith(claim["overall"])


def test_a_notebook_shows_the_board(results):
    assert "<table" in results._repr_html_()
    assert "rmse_cbf" in results._repr_html_()
    assert repr(results).startswith(f"Results of 'quick' in {BOARDS / 'quick'}: ")


def test_results_without_any_cell_have_empty_tables(tmp_path):
    empty = ctpbench.Results(xr.DataTree(), tmp_path)
    for table in (empty.scores, empty.trials, empty.learning, empty.cases, empty.claims, empty.leaderboard):
        assert table.empty
        assert len(table.columns) > 3


def test_what_is_wrong_is_told_in_one_line(results, tmp_path):
    (tmp_path / "text.nc").write_text("no results")
    wrong = {
        f"{tmp_path}/nothing: no such file or folder": lambda: ctpbench.open_results(tmp_path / "nothing"),
        f"{tmp_path}/text.nc: not a readable NetCDF file": lambda: ctpbench.open_results(tmp_path / "text.nc"),
        f"{tmp_path}/results.nc: no such file": lambda: ctpbench.open_results(str(tmp_path)),
        "comparison: no row 'tip' that went well (did you mean tips?)": lambda: results.comparison("tip", "none"),
        "noise: no noise level 3": lambda: results.comparison("tips", "none", noise=3),
        "dataset: no dataset 'x'": lambda: results.comparison("tips", "none", dataset="x"),
        "no score 'rmse' to rank by": lambda: results.comparison("tips", "none", by="rmse"),
    }
    for message, call in wrong.items():
        with pytest.raises(CtpbenchError) as raised:
            call()
        assert str(raised.value).startswith(message)
        assert "\n" not in str(raised.value)
