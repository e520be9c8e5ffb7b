"""What a dataset's noise levels are goes with its results to whatever shows them; older results say "noise" alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr

from ctpbench.outcome.comparison import comparisons
from ctpbench.outcome.leaderboard import leaderboard
from ctpbench.outcome.quality import case_tables
from ctpbench.outcome.results import build, open_results, save
from ctpbench.outcome.variables import axis_of
from ctpbench.report.cases import cases_markdown
from ctpbench.report.curves import score_figure
from ctpbench.report.strips import pairs_figure
from ctpbench.report.tables import to_markdown
from ctpbench.running.plan import plan
from ctpbench.running.provenance import provenance
from ctpbench.suite.load import load_suite
from ctpbench.text import UNKNOWN_AXIS, NoiseAxis
from tests.outcome.records import changed, score
from tests.outcome.test_leaderboard import ward

AXES = {"phantom": ["N0", "photons a ray"]}


def tree(**attrs: object) -> xr.DataTree:
    rows = [ward("a", 2.0), ward("b", 1.0)]
    volume = [1.0 + place for place in range(len(rows[0].cases))]
    curve = score([[1.0, 2.0]] * len(volume), ["case", "time"], "HU", time=[0.0, 1.0])
    return build(
        [changed(row, quality={"brain_ml": volume}, scores={**row.scores, "frame_rmse": curve}) for row in rows], attrs
    )


@pytest.mark.parametrize(
    ("attrs", "level"),
    [({"noise_axes": AXES}, "N0 = 2e5 photons a ray"), ({"noise_axes": {}}, "noise 2e5"), ({}, "noise 2e5")],
)
def test_titles_say_what_a_noise_level_is(attrs: dict[str, object], level: str, tmp_path: Path) -> None:
    save(tree(**attrs), tmp_path / "results.nc")
    results = open_results(tmp_path / "results.nc")
    frame = leaderboard(results)
    assert f"## phantom, {level}" in to_markdown(frame).splitlines()
    assert f"<summary>phantom, {level}: 22 cases" in cases_markdown(case_tables(results, frame))
    ((where, compared),) = comparisons(results).items()
    title = pairs_figure(where, compared, compared.against_leader).get_suptitle()
    assert title.startswith(f"phantom, {level}: RMSE")
    figure = score_figure(results["phantom"], "time")
    assert figure is not None
    assert [axes.get_title() for axes in figure.axes] == [level]


def test_the_axis_is_kept_with_the_coordinate_and_not_twice() -> None:
    results = tree(noise_axes=AXES)
    assert axis_of(results["phantom"].to_dataset()) == NoiseAxis("N0", "photons a ray")
    assert "noise_axes" not in results.attrs
    assert axis_of(tree()["phantom"].to_dataset()) == UNKNOWN_AXIS


def test_a_run_says_what_its_datasets_say(catalogue, write_suite, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = load_suite(
        write_suite("datasets: [{name: toy, noise: [0.5]}]\ndenoisers: [leave]\nmetrics: [error]"), catalogue
    )
    assert provenance(suite, catalogue)["noise_axes"] == {"toy": ["", ""]}
    assert plan(suite)[0].label == "toy, noise 0.5: leave, seed 0"
    monkeypatch.setattr(type(suite.datasets[0].component), "noise_symbol", "dose")
    monkeypatch.setattr(type(suite.datasets[0].component), "noise_units", "of the scan's")
    assert provenance(suite, catalogue)["noise_axes"] == {"toy": ["dose", "of the scan's"]}
    assert plan(suite)[0].label == "toy, dose = 0.5 of the scan's: leave, seed 0"
