"""Records become a tree, the tree a file, and nothing is lost or mixed up on the way."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import h5netcdf
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from ctpbench.errors import ResultError
from ctpbench.outcome.results import build, open_results, save
from ctpbench.outcome.tuning import stopped_early, tunings
from ctpbench.outcome.variables import TAKEN
from ctpbench.running.record import Record, Trial
from tests.outcome.records import CASES, record, rmse, score, suite_records, trial


@pytest.fixture
def tree() -> xr.DataTree:
    return build(suite_records(), {"suite": "quick", "threads": 2, "packages": {"numpy": "2.4"}, "dirty": True})


def test_every_score_lies_where_its_record_says() -> None:
    numbers = itertools.count()
    records = [
        record(config, noise, seed, scores={"rmse": rmse([next(numbers), next(numbers)])}, cases=CASES[::step])
        for config, noise, (seed, step) in itertools.product(["b", "a"], [2e5, 1e5], [(1, 1), (0, -1)])
    ]
    values = build(records, {})["phantom/rmse"]
    assert values.dims == ("config", "noise", "seed", "case", "map")
    for made in records:
        cell = values.sel(config=made.config, noise=made.noise, seed=made.seed)
        np.testing.assert_array_equal(cell.sel(case=made.cases), made.scores["rmse"].values)


def test_a_metric_may_name_its_dimensions_in_any_order() -> None:
    turned = score([[1.0, 2.0], [3.0, 4.0]], ["map", "case"], map=["mtt", "cbf"])
    values = build([record("a", scores={"rmse": turned})], {})["phantom/rmse"].squeeze()
    assert values.dims == ("case", "map")
    assert values.sel(case=CASES[0], map="mtt") == 1
    assert values.sel(case=CASES[1], map="mtt") == 2
    assert values.sel(case=CASES[0], map="cbf") == 3


def test_groups_dimensions_and_their_order(tree: xr.DataTree) -> None:
    assert list(tree.children) == ["phantom", "real"]
    phantom = tree["phantom"].to_dataset()
    assert list(phantom["config"].values) == ["none", "gaussian", "ttv", "n2n", "broken"]
    assert list(phantom["noise"].values) == [2e5, 1e6]
    assert list(phantom["case"].values) == CASES
    assert phantom["frame_rmse"].dims == ("config", "noise", "seed", "case", "time")
    assert phantom["dice"].dims == ("config", "noise", "seed", "case", "roi")
    assert list(phantom["time"].values) == [0.0, 1.5, 3.0]
    assert np.isnan(tree["real/noise"].values).all()
    assert "time" not in tree["real"].dims


def test_units_and_provenance_are_in_the_attributes(tree: xr.DataTree) -> None:
    assert tree.attrs == {"suite": "quick", "threads": 2, "packages": '{"numpy": "2.4"}', "dirty": "true", "format": 1}
    attrs = tree["phantom/rmse"].attrs
    assert (attrs["better"], attrs["long_name"], attrs["units"]) == ("lower", "A score.", "map")
    assert (attrs["units_cbf"], attrs["units_cbv"]) == ("mL/100 g/min", "mL/100 g")
    assert tree["phantom/frame_rmse"].attrs["units"] == "HU"
    assert tree["phantom/denoise_s"].attrs["units"] == "s"
    assert tree["phantom/time"].attrs["units"] == "s"


def test_status_message_and_what_was_measured(tree: xr.DataTree) -> None:
    phantom = tree["phantom"].to_dataset()
    first = phantom.sel(noise=2e5, seed=0)
    assert list(first["status"].values) == ["ok", "ok", "ok", "ok", "crashed"]
    assert first["message"].sel(config="broken").item() == "signal 11 ?"
    assert list(first["denoise_s"].sel(config="none").values) == [0.1, 0.3]
    assert np.isnan(first["denoise_s"].sel(config="broken")).all()
    assert np.isnan(first["rmse"].sel(config="broken")).all()
    assert first["peak_memory_mib"].sel(config="none") == 300
    assert first["device"].sel(config="none").item() == "cpu"
    np.testing.assert_array_equal(first["diagnostic_duality_gap"].sel(config="ttv"), [1e-4, np.nan])


def test_a_cell_without_a_record_is_missing(tree: xr.DataTree) -> None:
    cell = tree["phantom"].to_dataset().sel(config="none", noise=2e5, seed=1)
    assert cell["status"].item() == "missing"
    assert (cell["message"].item(), cell["tuned_parameters"].item(), bool(cell["contended"])) == ("", "", False)
    assert np.isnan(cell["rmse"]).all()
    assert np.isnan(cell["denoise_s"]).all()


def test_parameters_fixed_and_tuned(tree: xr.DataTree) -> None:
    phantom = tree["phantom"].to_dataset()
    assert list(phantom["parameter_truncate"].values) == ["", "4.0", "", "", ""]
    assert list(phantom["parameter_sigma_px"].values) == ["", "tuned", "", "", ""]
    assert list(phantom["parameter_beta"].values) == ["", "", "", "12.5", ""]
    gaussian = phantom.sel(config="gaussian", noise=1e6, seed=0)
    assert gaussian["tuned_sigma_px"].item() == 2.0
    assert gaussian["tuned_mode"].item() == "reflect"
    assert json.loads(gaussian["tuned_parameters"].item()) == {"sigma_px": 2.0, "mode": "reflect"}
    assert json.loads(gaussian["tuned_at_edge"].item()) == ["sigma_px"]
    assert np.isnan(phantom["tuned_sigma_px"].sel(config="none")).all()
    assert list(phantom["method"].values) == ["none", "gaussian", "ttv", "n2n", "broken"]


def test_a_row_that_failed_in_part_keeps_what_its_good_cells_know() -> None:
    records = [
        record("tips", 1e5, status="error", parameters={"sigma_s_px": 2}, distribution=""),
        record("tips", 2e5, parameters={"sigma_s_px": 2.0, "window_px": 11}),
    ]
    for order in (records, records[::-1]):
        phantom = build(order, {})["phantom"].to_dataset()
        assert phantom["parameter_sigma_s_px"].item() == "2.0"
        assert phantom["parameter_window_px"].item() == "11"
        assert phantom["distribution"].item() == "ctpbench-filters 0.1.0"


def test_trials_of_tuning(tree: xr.DataTree) -> None:
    trials = tree["phantom/trials"].to_dataset(inherit=False)
    assert list(trials["trial_config"].values) == ["gaussian"] * 4
    assert list(trials["trial_noise"].values) == [2e5, 2e5, 1e6, 1e6]
    assert [json.loads(text)["sigma_px"] for text in trials["parameters"].values] == [1.0, 9.0, 1.0, 9.0]
    np.testing.assert_array_equal(trials["value"], [7.1, np.nan, 7.1, np.nan])
    assert list(trials["status"].values) == ["ok", "error"] * 2
    assert list(trials["message"].values) == ["", "no"] * 2
    for name, expected in {"metric": "rmse", "map": "cbv", "better": "lower"}.items():
        assert list(trials[f"tuned_by_{name}"].values) == [expected] * 4
    assert "trials" not in tree["real"].children
    unsaid = build([record("a", trials=[trial({"s": 1}, 2.0)])], {})["phantom/trials"].to_dataset(inherit=False)
    assert [unsaid[f"tuned_by_{name}"].item() for name in ("metric", "map", "better")] == ["", "", ""]


def test_a_trial_that_was_stopped_comes_back_as_it_was_and_older_results_have_none() -> None:
    whole = Trial(parameters={"s": 1}, value=2.0, scored_on=8, cases=8)
    stopped = Trial(parameters={"s": 2}, value=None, message="stopped after 3 of 8", so_far=9.5, scored_on=3, cases=8)
    tree = build([record("a", trials=[whole, stopped]), record("b", noise=1e6, trials=[whole])], {})
    assert tunings(tree["phantom"])["a", 2e5].trials[0] == [whole, stopped]
    assert stopped_early(tree["phantom"]) == {2e5: (11, 5)}
    older = tree["phantom"].copy()
    older["trials"] = xr.DataTree(older["trials"].to_dataset(inherit=False).drop_vars(["so_far", "scored_on", "cases"]))
    assert [trial.stopped for trial in tunings(older)["a", 2e5].trials[0]] == [False, False]
    assert stopped_early(older) == {}


# -- metrics that fail -------------------------------------------------------------------------------------------------

FAULT = "error: ZeroDivisionError: division by zero"


def test_a_metric_that_failed_in_a_cell_is_nan_there_and_named(tmp_path: Path) -> None:
    scores = {"rmse": rmse([1.0, 2.0]), "ssim": score([0.5, 0.6], ["case"], "1", "higher")}
    records = [
        record("a", scores=scores),
        record("b", scores={"rmse": scores["rmse"]}, faults={"ssim": FAULT}),
        record("b", seed=1, scores=scores),
    ]
    save(build(records, {}), tmp_path / "results.nc")
    phantom = open_results(tmp_path / "results.nc")["phantom"].to_dataset().squeeze("noise")
    assert json.loads(phantom["metric_faults"].sel(config="b", seed=0).item()) == {"ssim": FAULT}
    assert phantom["metric_faults"].sel(config="a", seed=0).item() == ""
    assert phantom["metric_faults"].sel(config="b", seed=1).item() == ""
    assert phantom["status"].sel(config="b", seed=0).item() == "ok"
    assert np.isnan(phantom["ssim"].sel(config="b", seed=0)).all()
    np.testing.assert_array_equal(phantom["ssim"].sel(config="b", seed=1), [0.5, 0.6])
    np.testing.assert_array_equal(phantom["rmse"].sel(config="b", seed=0), phantom["rmse"].sel(config="a", seed=0))


def test_a_metric_that_failed_in_every_cell_is_still_a_variable(tmp_path: Path) -> None:
    records = [record(config, faults={"ssim": FAULT}) for config in ("a", "b")]
    save(build(records, {}), tmp_path / "results.nc")
    ssim = open_results(tmp_path / "results.nc")["phantom/ssim"]
    assert ssim.dims == ("config", "noise", "seed", "case")
    assert ssim.dtype == np.float64
    assert np.isnan(ssim).all()
    assert ssim.attrs == {"long_name": "ssim", "units": "", "better": ""}


def test_metrics_have_the_suites_order_and_else_that_of_the_record_with_the_most() -> None:
    first = record("a", scores={"c": rmse([1.0, 2.0])}, faults={"b": FAULT})
    second = record("b", scores={name: rmse([1.0, 2.0]) for name in "bc"})
    third = record("c", scores={}, faults={"a": FAULT})

    def metrics(**attrs: list[str]) -> list[str]:
        found = build([first, second, third], attrs)["phantom"].data_vars
        return [str(name) for name, values in found.items() if "better" in values.attrs]

    assert metrics() == ["b", "c", "a"]
    assert metrics(metrics=["a", "c", "b", "never scored"]) == ["a", "c", "b"]


@pytest.mark.parametrize("name", sorted(TAKEN - {"frequency"}))  # which no score here keeps
def test_no_metric_is_called_what_the_tree_calls_something_else(name: str) -> None:
    records = [record("a", scores={name: score([1.0, 2.0], ["case"]), "b": rmse([1.0, 2.0])})]
    with pytest.raises(ResultError, match=f"the name '{name}' is taken"):
        build([*records, *suite_records()[:1]], {})


def test_what_training_logged_is_a_row_for_each_number(tmp_path: Path) -> None:
    curve = {"step": [0, 100, 200], "loss": [9.0, 4.0, None], "bias": [None, 0.5, 0.25]}
    other = {"step": [0.5], "loss": [7.0]}
    records = [
        record("n2n", 2e5, learning=curve),
        record("n2n", 2e5, 1, learning=other),
        record("supervised", None, learning=other, dataset="real"),
        record("gaussian", 2e5, learning=None),
        record("none", 2e5),  # as records were before there was anything to learn
    ]
    save(build(records, {}), tmp_path / "results.nc")
    tree = open_results(tmp_path / "results.nc")
    learning = tree["phantom/learning"].to_dataset(inherit=False)
    assert dict(learning.sizes) == {"point": 5}
    assert list(learning["learning_config"].values) == ["n2n"] * 5
    assert list(learning["learning_noise"].values) == [2e5] * 5
    assert list(learning["learning_seed"].values) == [0] * 4 + [1]
    assert list(learning["quantity"].values) == ["loss", "loss", "bias", "bias", "loss"]
    assert list(learning["step"].values) == [0, 100, 100, 200, 0.5]
    assert list(learning["value"].values) == [9, 4, 0.5, 0.25, 7]
    assert learning["step"].attrs["long_name"] == "step of training"
    assert np.isnan(tree["real/learning/learning_noise"].values).all()
    assert "config" in tree["phantom/learning"].to_dataset().coords  # inherited, which is why the names differ


def test_a_group_without_training_has_no_learning(tree: xr.DataTree) -> None:
    assert "learning" not in tree["phantom"].children
    assert not tree["phantom/fit_resumed"].values.any()
    resumed = build([record("n2n", timings={"fit_s": 3.0, "fit_resumed": True})], {})
    assert resumed["phantom/fit_resumed"].values.all()


def test_a_training_that_logged_no_number_at_all_can_be_written(tmp_path: Path) -> None:
    records = [record("n2n", learning={"step": [0, 1], "loss": [None, None]})]
    save(build(records, {}), tmp_path / "results.nc")
    assert open_results(tmp_path / "results.nc")["phantom/status"].item() == "ok"


def test_maps_and_times_are_brought_together_from_all_metrics() -> None:
    late = score([[1.0], [2.0]], ["case", "time"], "HU", time=[3.0])
    early = score([[3.0, 4.0], [5.0, 6.0]], ["case", "time"], "HU", time=[0.0, 3.0])
    tmax = score([[7.0], [8.0]], ["case", "map"], map=["tmax"])
    group = build([record("a", scores={"late": late, "early": early, "tmax": tmax, "rmse": rmse([1.0, 2.0])})], {})[
        "phantom"
    ]
    assert list(group["map"].values) == ["cbf", "cbv", "tmax"]
    assert list(group["time"].values) == [0.0, 3.0]
    np.testing.assert_array_equal(group["late"].values.squeeze(), [[np.nan, 1.0], [np.nan, 2.0]])
    np.testing.assert_array_equal(group["early"].values.squeeze(), [[3.0, 4.0], [5.0, 6.0]])


def test_a_time_list_may_end_at_the_case_that_failed() -> None:
    failed = record("a", status="timeout", timings={"denoise_s": [0.5]})
    np.testing.assert_array_equal(build([failed], {})["phantom/denoise_s"].values.squeeze(), [0.5, np.nan])


def test_the_order_is_the_callers_and_nothing_else_depends_on_it() -> None:
    records = suite_records()[:6]
    shuffled = random.Random(0).sample(records, len(records))
    first, second = (build(given, {})["phantom"].to_dataset() for given in (records, shuffled))
    assert list(second["config"].values) == list(dict.fromkeys(r.config for r in shuffled))
    same = second.sel({dim: first[dim] for dim in ("config", "seed")})
    for name in ("rmse", "status", "tuned_parameters", "denoise_s", "diagnostic_duality_gap", "frame_rmse"):
        xr.testing.assert_equal(same[name].drop_attrs(), first[name].drop_attrs())


def test_the_file_holds_what_the_tree_holds(tree: xr.DataTree, tmp_path: Path) -> None:
    path = tmp_path / "run" / "results.nc"
    save(tree, path)
    assert [entry.name for entry in path.parent.iterdir()] == ["results.nc"]
    read = open_results(path)
    assert [node.path for node in read.subtree] == [node.path for node in tree.subtree]
    for node in tree.subtree:
        expected, got = node.to_dataset(inherit=False), read[node.path].to_dataset(inherit=False)
        assert got.identical(expected), node.path
        assert list(got.data_vars) == list(expected.data_vars)
    assert read["phantom/contended"].dtype == bool


def test_the_file_opens_with_plain_xarray(tree: xr.DataTree, tmp_path: Path) -> None:
    save(tree, tmp_path / "results.nc")
    with xr.open_datatree(tmp_path / "results.nc") as read:
        best = read["phantom"]["rmse"].sel(map="cbf", noise=2e5).mean(["seed", "case"])
        assert best.sel(config="none").item() == pytest.approx(21)
        assert "gaussian" in str(read["phantom/trials"].to_dataset()["trial_config"].values)
        assert read._repr_html_()


@given(st.text(), st.text())
def test_any_text_survives(message: str, label: str) -> None:
    made = build([record(label, status="error", message=message)], {"suite": message})["phantom"]
    for text, kept in ((message, made["message"]), (label, made["config"])):
        legible = text.replace("\0", "").encode("utf-8", "replace").decode()
        assert kept.item() == legible


def test_odd_text_survives_the_file(tmp_path: Path) -> None:
    odd = "a\0b \udcff ü\n漢字"
    save(build([record("a", status="error", message=odd)], {"note": odd}), tmp_path / "results.nc")
    read = open_results(tmp_path / "results.nc")
    assert read.attrs["note"] == read["phantom/message"].item() == "ab ? ü\n漢字"


def test_no_records_make_an_empty_tree(tmp_path: Path) -> None:
    save(build([], {}), tmp_path / "results.nc")
    assert not open_results(tmp_path / "results.nc").children


@pytest.mark.parametrize(
    ("records", "says"),
    [
        ([record("a"), record("a", key="other")], "phantom-200000.0-a-0 and other: one cell"),
        ([record("a", dataset="x/y")], "dataset label 'x/y': holds '/'"),
        ([record("a", scores={"status": rmse([1.0, 2.0])})], "the name 'status' is taken"),
        ([record("a", scores={"map": rmse([1.0, 2.0])})], "the name 'map' is taken"),
        ([record("a", scores={"trials": rmse([1.0, 2.0])})], "the name 'trials' is taken"),
        ([record("a", scores={"learning": rmse([1.0, 2.0])})], "the name 'learning' is taken"),
        ([record("a", scores={"a/b": rmse([1.0, 2.0])})], "the name 'a/b' holds '/'"),
        (
            [record("a"), record("b", scores={"rmse": score([1.0, 2.0], ["case"])})],
            "metric 'rmse' has dims ['case'], shape (2,)",
        ),
        ([record("a", cases=["one"])], "metric 'rmse' has dims ['case', 'map'], shape (2, 2)"),
    ],
)
def test_records_that_contradict_each_other_are_named(records: list[Record], says: str) -> None:
    with pytest.raises(ResultError) as caught:
        build(records, {})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_small_file_that_claims_huge_arrays_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.nc"
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"config": 10**5, "case": 10**6}
        file.create_variable("scores", ("config", "case"), "f8", chunks=(1000, 1000))
    with pytest.raises(ResultError, match=r"its arrays take 745 GiB, more than results may"):
        open_results(path)


def test_faults_of_a_results_file_are_one_line_each(tmp_path: Path) -> None:
    path = tmp_path / "results.nc"
    with pytest.raises(ResultError, match=r"results\.nc: no such file; name the results\.nc"):
        open_results(path)
    path.write_text("not a file of numbers")
    with pytest.raises(ResultError, match=r"results\.nc: not a readable NetCDF file"):
        open_results(path)
    save(build([record("a")], {}), path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ResultError, match=r"results\.nc: not a readable NetCDF file"):
        open_results(path)
    xr.Dataset(attrs={"format": 99}).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(ResultError, match=r"got results of format 99; allowed: 1"):
        open_results(path)
    xr.Dataset().to_netcdf(path, engine="h5netcdf")
    with pytest.raises(ResultError, match=r"got results of format None"):
        open_results(path)


def test_a_write_that_fails_leaves_the_old_file_alone(tree: xr.DataTree, tmp_path: Path) -> None:
    path = tmp_path / "results.nc"
    path.write_text("old")
    (tmp_path / "held open").hardlink_to(path)
    tree.attrs["no attribute of NetCDF"] = {"a": "mapping"}
    with pytest.raises(TypeError):
        save(tree, path)
    assert path.read_text() == "old"
    del tree.attrs["no attribute of NetCDF"]
    save(tree, path)
    assert open_results(path).identical(tree)
    assert (tmp_path / "held open").read_text() == "old"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["held open", "results.nc"]


def test_what_was_found_out_about_scans_is_a_table_of_its_own():
    first = {"noise_hu": 8.5, "filtered_in_time": False, "warnings": ""}
    second = {"noise_hu": 7.0, "filtered_in_time": True, "warnings": "motion", "motion_mm": 3.0}
    tree = build(
        [
            record("none", 0.5, inspections={"a": first, "b": second}),
            record("tips", 0.5, inspections={"a": first}),
            record("tips", None, inspections={"a": first | {"noise_hu": 6.0}}),
        ],
        {},
    )
    scans = tree["phantom/inspections"].to_dataset(inherit=False)
    assert list(scans["inspected_case"].values) == ["a", "b", "a"]
    np.testing.assert_array_equal(scans["inspected_noise"], [0.5, 0.5, np.nan])
    np.testing.assert_array_equal(scans["noise_hu"], [8.5, 7.0, 6.0])
    np.testing.assert_array_equal(scans["filtered_in_time"], [0, 1, 0])
    np.testing.assert_array_equal(scans["motion_mm"], [np.nan, 3.0, np.nan])
    assert list(scans["warnings"].values) == ["", "motion", ""]


def test_cases_that_were_left_out_are_told_with_their_reason():
    tree = build([record("none", left_out={"phantom, b": "torn.nii: truncated"}), record("tips")], {})
    left_out = tree["phantom/left_out"]
    assert left_out.sel(config="none").item() == "phantom, b: torn.nii: truncated"
    assert left_out.sel(config="tips").item() == ""
