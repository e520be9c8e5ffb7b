"""The committed leaderboards: what people read is what the committed results say."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctpbench.outcome.comparison import comparisons
from ctpbench.outcome.leaderboard import leaderboard
from ctpbench.outcome.results import open_results
from ctpbench.report.folder import page
from ctpbench.report.submission import checked_packed

FOLDER = Path(__file__).parents[1] / "leaderboards"


@pytest.mark.parametrize(
    "board", sorted(path.parent for path in FOLDER.glob("*/results.nc")), ids=lambda board: board.name
)
def test_the_page_is_rendered_from_the_committed_results(board):
    tree = open_results(board / "results.nc")
    assert page(leaderboard(tree), tree, board) == (board / "README.md").read_text()
    assert tree.attrs["suite_text"] == (board / "suite.yaml").read_text()


def test_what_was_handed_in_is_as_it_was_packed():
    for manifest in (*FOLDER.glob("*/manifest.json"), *FOLDER.glob("*/submissions/*/manifest.json")):
        assert checked_packed(manifest.parent)


def test_on_the_quick_board_tips_and_gaussian_are_ahead_of_none_and_tuned_inside_their_grids():
    frame = leaderboard(open_results(FOLDER / "quick" / "results.nc"))
    for _, level in frame.groupby("noise"):
        rmse = level.set_index("config")["rmse_cbf"]
        assert rmse["tips"] < rmse["none"]
        assert rmse["gaussian"] < rmse["none"]
        assert not level["tuned"].str.contains("edge").any()


def test_on_the_quick_board_the_networks_are_ahead_of_tips_and_gaussian():
    frame = leaderboard(open_results(FOLDER / "quick" / "results.nc"))
    rmse = frame[frame["noise"] == 2e5].set_index("config")["rmse_cbf"]
    assert max(rmse["n2n"], rmse["supervised"]) < min(rmse["tips"], rmse["gaussian"])


def test_the_stand_in_board_says_so_and_its_aifs_are_the_bloods():
    folder = FOLDER / "real-like"
    text = (folder / "README.md").read_text()
    board, _, claims = text.partition("## Claims")
    assert "STAND-IN DATA" in board
    assert "STAND-IN DATA" in claims
    titles = {line.removeprefix("## ") for line in board.splitlines() if line.startswith("## ")}
    assert titles - {"Agreement", "Cases", "Recorded scans"} == {"stand-in, N0 = 1.3e5 photons a ray"}
    scans = open_results(folder / "results.nc")["stand-in/inspections"].to_dataset(inherit=False)
    assert scans.sizes["scan"] == 28
    assert (scans["aif_correlation"] >= 0.96).all()
    assert (scans["aif_correlation"] >= 0.98).sum() >= 27
    assert (abs(scans["aif_peak_offset_s"]) <= 1).all()


def test_on_the_board_of_verdicts_every_row_that_smooths_lies_between_the_controls():
    """And that trained on another data set is ahead of nothing for certain."""
    frame = leaderboard(open_results(FOLDER / "stroke" / "results.nc"))
    for _, level in frame.groupby("noise"):
        rmse = level.set_index("config")["rmse_truth_cbf"]
        noiseless = rmse[rmse.index.str.startswith("noiseless")]
        others = ("noiseless", "none", "lowrank", "subspace_n2n from the phantom")
        tuned = rmse[[row for row in rmse.index if row == "lowrank_nl" or not row.startswith(others)]]
        assert noiseless.max() < tuned.min()
        assert tuned.max() < rmse[rmse.index.str.startswith("none")].min()


@pytest.mark.parametrize(("noise", "cbf", "cbv"), [(1e5, 15, 15), (2e5, 15, 15), (1e6, 8, 13)])
def test_on_the_board_of_verdicts_the_self_supervised_network_leads_the_best_filter(noise, cbf, cbv):
    """In percent, at the lower end of the interval over patients."""
    tree = open_results(FOLDER / "stroke" / "results.nc")
    for score, percent in (("rmse_truth_cbf", cbf), ("rmse_truth_cbv", cbv)):
        found = comparisons(tree, score)["patients", noise]
        rows = [row.label for row in found.rows]
        lead = found.lead(rows.index("subspace_n2n"), rows.index("lowrank_nl"))
        assert lead.interval is not None
        assert lead.interval.low > percent


def test_on_the_board_of_the_truth_a_pair_and_the_noiseless_series_reach_their_goals():
    frame = leaderboard(open_results(FOLDER / "truth" / "results.nc")).set_index("config")
    pair, noiseless = frame.loc["subspace_n2n, bayesian"], frame.loc["noiseless, bayesian"]
    assert pair["rmse_truth_cbf"] < 5.0
    assert pair["rmse_truth_cbv"] < 0.25
    assert pair["rmse_truth_mtt"] < 1.8
    assert noiseless["rmse_truth_cbf"] < 3.5
    assert noiseless["rmse_truth_mtt"] < 1.0


def test_on_the_board_of_low_contrast_noise_hides_lesions_and_nothing_else_does():
    frame = leaderboard(open_results(FOLDER / "low-contrast" / "results.nc"))
    for _, level in frame.groupby("noise"):
        area = level.set_index("config")["detectability_cbf"]
        assert area["noiseless"] == 1
        assert area.drop("noiseless").max() <= 1
    found = frame[frame["config"] == "none"].set_index("noise")["detectability_cbf"]
    assert found[1e5] < found[2e5] < found[1e6]
