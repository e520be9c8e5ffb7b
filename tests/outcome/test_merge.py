"""Runs that may be compared are joined cell by cell; others are refused, each with its reason."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ctpbench.errors import ResultError
from ctpbench.outcome.comparable import PROTOCOL, why_not
from ctpbench.outcome.leaderboard import leaderboard
from ctpbench.outcome.merge import merge
from ctpbench.outcome.results import open_results, save
from ctpbench.report.sources import sources_markdown
from ctpbench.settings import MapsSettings
from tests.outcome.records import TIMINGS, changed, objective, record, rmse, trial
from tests.outcome.runs import DATASET, METRIC, protocol, tree

OTHER_CODE = protocol(core={"scores": "c2"})


def control(error: float = 0.0, **changes):
    return record("noiseless", scores={"rmse": rmse([error, error])}, **changes)


def none(error: float = 20.0, **changes):
    return record("none", scores={"rmse": rmse([error, error])}, **changes)


def both(one, other, **changes):
    return merge({"a": tree(one), "b": tree(other, **changes)}, "joined")


def value(found, config, noise=2e5, dataset="phantom"):
    frame = leaderboard(found.tree)
    row = frame[(frame["config"] == config) & (frame["noise"] == noise) & (frame["dataset"] == dataset)]
    return float(row["rmse_cbf"].iloc[0])


def origin(found, config, noise=2e5):
    data = found.tree["phantom"].to_dataset(inherit=False)
    return str(data["from_run"].sel(config=config, noise=noise).values[0])


def test_rows_of_two_runs_stand_on_one_board_each_with_its_run():
    found = both([none(), record("tips")], [record("mine", scores={"rmse": rmse([3.0, 4.0])})])
    assert (value(found, "tips"), value(found, "mine")) == (5.0, 3.5)
    assert (origin(found, "tips"), origin(found, "mine")) == ("a", "b")
    assert found.remarks == ()
    frame = leaderboard(found.tree)
    assert list(frame["config"]) == ["mine", "tips", "none"]


def test_it_is_what_one_run_of_all_rows_would_be():
    rows = [none(), record("tips"), record("mine", 1e6, scores={"rmse": rmse([3.0, 4.0])}), record("mine", seed=1)]
    whole, found = tree(rows), both(rows[:2], rows[2:])
    for name, data in whole["phantom"].to_dataset(inherit=False).data_vars.items():
        joined = found.tree["phantom"].to_dataset(inherit=False)[name]
        joined = joined.sel(config=data["config"], noise=data["noise"], seed=data["seed"])
        np.testing.assert_array_equal(joined.transpose(*data.dims).values, data.values, err_msg=str(name))
        assert joined.attrs == data.attrs


def test_levels_and_data_sets_are_put_together_and_what_nobody_ran_is_missing():
    other = protocol(datasets={"phantom": protocol()["datasets"]["phantom"], "real": {**DATASET, "cases": {}}})
    found = both([record("tips")], [record("tips", 1e6), record("tips", dataset="real")], protocol=other)
    assert list(found.tree.children) == ["phantom", "real"]
    assert value(found, "tips", 1e6) == value(found, "tips", dataset="real") == 5.0
    assert found.tree["real"].sizes["noise"] == 1
    data = both([record("tips")], [record("mine", 1e6)]).tree["phantom"].to_dataset(inherit=False)
    assert str(data["status"].sel(config="tips", noise=1e6).values[0]) == "missing"
    assert np.isnan(data["rmse"].sel(config="tips", noise=1e6)).all()


def test_a_cell_of_the_same_key_is_there_once_and_the_first_runs():
    again = record("tips", scores={"rmse": rmse([1.0, 1.0])})
    found = both([record("tips")], [again])
    assert value(found, "tips") == 5.0
    assert found.remarks == ("tips: in b as in a; its cells are there once",)


@pytest.mark.parametrize("changes", [{"version": "2"}, {"key": "of other code"}, {"parameters": {"sigma_px": 2}}])
def test_another_row_of_the_same_label_is_told_apart(changes):
    found = both([record("tips")], [record("tips", scores={"rmse": rmse([1.0, 1.0])}, **changes)])
    assert (value(found, "tips"), value(found, "tips [b]")) == (5.0, 1.0)
    assert found.remarks == ("tips: another one in b than in a; it is called tips [b]",)


def test_the_same_other_row_of_two_runs_is_there_once():
    newer = record("tips", version="2", key="2")
    found = merge({"a": tree([record("tips")]), "b": tree([newer]), "c": tree([newer])}, "joined")
    assert list(found.tree["phantom"]["config"].values) == ["tips", "tips [b]"]


def test_a_label_that_is_taken_is_not_taken_twice():
    found = both([record("tips"), record("tips [b]")], [record("tips", key="2")])
    assert sorted(found.tree["phantom"]["config"].values) == ["tips", "tips [b]", "tips [b]'"]


def test_what_was_tried_and_learnt_goes_with_its_cell():
    tuned = {
        "tuned": {"sigma_px": 2.0},
        "tuned_by": objective("rmse"),
        "trials": [trial({"sigma_px": 2.0}, 7.1)],
        "learning": {"step": [0.0, 1.0], "loss": [3.0, 2.0]},
        "quality": {"noise_hu": [1.0, 2.0]},
    }
    older = record("gaussian", **tuned)
    found = both([older], [changed(older, key="2", trials=[trial({"sigma_px": 2.0}, 6.0)]), record("x", 1e6)])
    trials = found.tree["phantom/trials"].to_dataset(inherit=False)
    assert dict(zip(trials["trial_config"].values, trials["value"].values, strict=True)) == {
        "gaussian": 7.1,
        "gaussian [b]": 6.0,
    }
    assert found.tree["phantom/learning"].sizes["point"] == 4
    data = found.tree["phantom"].to_dataset(inherit=False)
    assert data["tuned_sigma_px"].sel(config="gaussian [b]", noise=2e5).values[0] == 2.0


def test_values_that_are_numbers_in_one_run_and_text_in_the_other_are_text():
    one = record("gaussian", tuned={"mode": 2.0})
    found = both([one], [record("other", tuned={"mode": "reflect"})])
    data = found.tree["phantom"].to_dataset(inherit=False)["tuned_mode"].sel(noise=2e5, seed=0)
    assert {str(data.sel(config=row).values) for row in ("gaussian", "other")} == {"2.0", "reflect"}


def test_joined_results_can_be_written_read_and_joined_again(tmp_path):
    found = both([none(), record("tips")], [record("mine")])
    save(found.tree, tmp_path / "results.nc")
    again = merge({"ab": open_results(tmp_path / "results.nc"), "c": tree([record("third")])}, "all")
    assert [each["run"] for each in json.loads(again.tree.attrs["merged"])] == ["a", "b", "c"]
    assert (origin(again, "tips"), origin(again, "mine"), origin(again, "third")) == ("a", "b", "c")
    page = sources_markdown(again.tree)
    assert "| b | mine | quick |" in page
    assert sources_markdown(tree([none()])) == ""


def test_different_machines_are_said():
    found = merge({"a": tree([record("x")]), "b": tree([record("y")], cpu="Another")}, "joined")
    assert found.remarks == (
        "Timed on different machines, so times and memory do not compare: a on A processor; b on Another.",
    )


def other_dataset(**changes):
    return protocol(datasets={"phantom": {**protocol()["datasets"]["phantom"], **changes}})


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (other_dataset(version="2"), "data set 'phantom': version 1 in a, 2 in b; run the older one again"),
        (other_dataset(params={"size_px": 128}), "data set 'phantom': size_px is 64 in a, 128 in b"),
        (other_dataset(fingerprint="f2"), "data set 'phantom': b read other files than a"),
        (
            other_dataset(cases={"slice-070": "patient of slice-070"}),
            "data set 'phantom': the test split is another one, such as 'slice-071', which one of them lacks",
        ),
        (protocol(metrics={"rmse": {**METRIC, "version": "2"}}), "metric 'rmse': version 1 in a, 2 in b; run the"),
        (protocol(metrics={"rmse": {**METRIC, "params": {"against": "truth"}}}), "metric 'rmse': against is"),
        (protocol(metrics={}), "metrics: b has no 'rmse'; add it to its suite and run it: only scores are computed"),
        (protocol(maps=[{"deconvolution": "osvd"}]), "maps: a does not compute them as b does (osvd)"),
        (OTHER_CODE, "ctpbench itself has other code in b than in a, and no control that both ran at one level"),
        (other_dataset(code="d2"), "data set 'phantom' has other code in b than in a, and no control"),
        (protocol(metrics={"rmse": {**METRIC, "code": "m2"}}), "metric 'rmse' has other code in b than in a, and no"),
    ],
)
def test_what_may_not_be_compared_is_refused_with_its_reason(other, why):
    with pytest.raises(ResultError) as caught:
        both([record("tips")], [record("mine")], protocol=other)
    assert str(caught.value).startswith(f"b cannot be joined with a: {why}")
    assert "\n" not in str(caught.value)


def test_where_the_code_differs_a_control_that_scores_alike_shows_that_scores_compare():
    names = ("a", "b")
    one = tree([none(), record("tips")])
    assert why_not(one, tree([none(20.0 * (1 + 1e-5)), record("mine")], protocol=OTHER_CODE), names) == ""
    assert why_not(one, tree([none(20.1), record("mine")], protocol=OTHER_CODE), names).startswith(
        "the control 'none' does not score alike: phantom, noise 2e5: rmse_cbf is 20 in a, 20.1 in b"
    )
    assert "no control" in why_not(one, tree([none(noise=1e6), record("mine")], protocol=OTHER_CODE), names)
    assert "no control" in why_not(one, tree([none(status="crashed"), record("m")], protocol=OTHER_CODE), names)


def test_rounding_of_a_control_without_error_is_no_difference():
    one, other = ([none(), control(error)] for error in (0.0, 1e-9))
    assert why_not(tree(one), tree(other, protocol=OTHER_CODE), ("a", "b")) == ""


def test_controls_of_other_keys_are_there_once():
    found = both([none(), record("tips")], [none(key="2"), record("mine")], protocol=OTHER_CODE)
    assert list(found.tree["phantom"]["config"].values) == ["none", "tips", "mine"]


def test_what_results_say_of_their_scoring_must_be_readable():
    with pytest.raises(ResultError, match=r"^b: what its results say of what they were scored on and with cannot be"):
        both([record("tips")], [record("mine")], protocol="")


WRITTEN = "datasets: [{name: 'p:phantom', label: phantom, params: {size_px: 64}}]\ndenoisers: [none]\nmetrics: [rmse]\n"


def older(records, suite=WRITTEN):
    """Results of before the protocol was kept."""
    found = tree([changed(made, patients=[f"patient of {case}" for case in made.cases]) for made in records])
    del found.attrs[PROTOCOL]
    found.attrs["suite_text"] = suite
    return found


def test_older_results_are_joined_where_none_shows_that_they_compare():
    known = protocol(maps=[MapsSettings().model_dump(mode="json")])
    for one, other in ((older, tree), (tree, older)):
        runs = {"a": one([none(), record("tips")]), "b": other([none(), record("mine")])}
        for run in runs.values():
            if PROTOCOL in run.attrs:
                run.attrs[PROTOCOL] = json.dumps(known)
        found = merge(runs, "joined").tree
        assert list(found["phantom"]["config"].values) == ["none", "tips", "mine"]
        assert json.loads(found.attrs[PROTOCOL])["core"] == known["core"]
    both = merge({"a": older([none(), record("tips")]), "b": older([none(), record("mine")])}, "joined").tree
    again = {"ab": both, "c": older([control(), record("third")])}
    with pytest.raises(ResultError, match="c cannot be joined with ab: ab is of an older version"):
        merge(again, "all")


@pytest.mark.parametrize(
    ("records", "suite", "why"),
    [
        (
            [control()],
            WRITTEN,
            "b cannot be joined with a: b is of an older version, which does not say what code it was scored with, and "
            "no row none that both ran",
        ),
        ([none(noise=1e6)], WRITTEN, "b cannot be joined with a: b is of an older version"),
        ([none(20.1)], WRITTEN, "b cannot be joined with a: the control 'none' does not score alike"),
        (
            [none()],
            WRITTEN.replace("64", "32"),
            "b cannot be joined with a: data set 'phantom': size_px is 64 in a, 32 in b",
        ),
        ([none()], WRITTEN.replace("[rmse]", "[rmse, ssim]"), "b cannot be joined with a: metrics: a has no 'ssim'"),
        ([none()], WRITTEN + "maps: {deconvolution: osvd}\n", "b cannot be joined with a: maps: a does not compute"),
        ([none()], "datasets: [3, {}]\n", "b: results of an older version, which do not say of 'phantom' what it was"),
        ([none()], "", "b: results of an older version, which do not say what they were scored on and with, and the"),
        (
            [none()],
            WRITTEN.replace("label: phantom", "label: x"),
            "b: results of an older version, which do not say of",
        ),
    ],
)
def test_older_results_are_refused_with_what_speaks_against_them_or_is_not_known(records, suite, why):
    known = protocol(maps=[MapsSettings().model_dump(mode="json")])
    with pytest.raises(ResultError) as caught:
        merge({"a": tree([none(), control(), record("tips")], protocol=known), "b": older(records, suite)}, "joined")
    assert str(caught.value).startswith(why)
    assert "\n" not in str(caught.value)


def test_every_run_that_may_not_be_joined_is_named():
    runs = {"a": tree([record("x")]), "b": tree([record("y")], protocol=protocol(metrics={})), "c": tree([record("z")])}
    runs["d"] = tree([record("v")], protocol=protocol(maps=[]))
    with pytest.raises(ResultError) as caught:
        merge(runs, "joined")
    starts = [line.partition(":")[0] for line in str(caught.value).splitlines()]
    assert starts == ["b cannot be joined with a", "d cannot be joined with a"]


def test_times_are_kept_cell_by_cell():
    found = both([record("x")], [record("y", timings={**TIMINGS, "denoise_s": [3.0, 5.0]})])
    frame = leaderboard(found.tree).set_index("config")
    assert frame.loc["x", "denoise_s"] == pytest.approx(0.2)
    assert frame.loc["y", "denoise_s"] == 4.0
