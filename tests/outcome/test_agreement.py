"""What a reader would find on a method's maps, held against a reference: one scan of each patient at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ctpbench.outcome.agreement import Agreement, agreements, to_table
from ctpbench.outcome.leaderboard import leaderboard
from ctpbench.outcome.results import build, open_results, save
from ctpbench.outcome.statistics import bland_altman, cohens_kappa, intraclass_correlation
from ctpbench.running.record import Record, ScoreTable
from tests.outcome.records import changed, held_against, record, rmse, score

PATIENTS = 8
TRUE_ML = np.array([5.0, 12.0, 31.0, 8.0, 60.0, 44.0, 2.0, 25.0])
OFF_ML = np.array([1.0, -2.0, 4.0, 0.5, -6.0, 3.0, 0.0, 7.5])


def volumes(core: Any, metric: str, reference: str = "", **changes: Any) -> ScoreTable:
    """Volumes of core, and of a penumbra twice as large."""
    table = score(np.stack([core, 2 * np.asarray(core)], axis=1), ["case", "roi"], roi=["core", "penumbra"])
    return held_against(table, metric, reference).model_copy(update=changes)


def decisions(values: Any, metric: str, reference: str = "") -> ScoreTable:
    return held_against(score(np.asarray(values, float), ["case"]), metric, reference, "decision")


def read(config: str, measured: Any, true: Any = TRUE_ML, draws: int = 1, **changes: Any) -> Record:
    """A row's volumes of eight patients, each with as many cases as draws: a patient's draws follow one another."""
    cases = [f"p{patient}{f' #{draw}' * (draw > 1)}" for patient in range(PATIENTS) for draw in range(1, draws + 1)]
    scores = {
        "volume": volumes(measured, "volume", "reference_volume"),
        "truth": volumes(np.repeat(true, draws), "reference_volume"),
        "rmse": rmse(list(range(1, len(cases) + 1))),
    }
    plain = {"cases": cases, "patients": [case[:2] for case in cases], "timings": {}, "scores": scores}
    return record(config, **(plain | changes))


def held(*records: Record) -> list[Agreement]:
    tree = build(records, {})
    return agreements(tree, leaderboard(tree))


def test_bias_and_limits_are_those_of_the_differences():
    core, penumbra = held(read("a", TRUE_ML + OFF_ML))
    assert (core.score.column, core.reference.column, core.quantity) == ("volume_core", "truth_core", "number")
    mean, sd = OFF_ML.mean(), np.sqrt(((OFF_ML - OFF_ML.mean()) ** 2).sum() / 7)
    assert core.limits.bias.value == pytest.approx(mean)
    assert core.limits.sd == pytest.approx(sd)
    assert core.limits.lower.value == pytest.approx(mean - 1.959964 * sd)
    assert core.limits.upper.value == pytest.approx(mean + 1.959964 * sd)
    assert (core.patients, core.readings) == (8, 1)
    assert penumbra.limits.bias.value == pytest.approx(2 * mean)
    expected = bland_altman(TRUE_ML + OFF_ML, TRUE_ML)
    assert core.limits.bias.interval == expected.bias.interval
    assert core.limits.upper.interval == expected.upper.interval
    assert core.icc == intraclass_correlation(np.stack([TRUE_ML + OFF_ML, TRUE_ML], axis=1))


def test_icc_by_an_analysis_of_variance_by_hand():
    (core, _) = held(read("a", TRUE_ML + OFF_ML))
    both = np.stack([TRUE_ML + OFF_ML, TRUE_ML])
    whole = ((both - both.mean()) ** 2).sum()
    patients, raters = 2 * ((both.mean(0) - both.mean()) ** 2).sum(), 8 * ((both.mean(1) - both.mean()) ** 2).sum()
    ms_patients, ms_raters, ms_rest = patients / 7, raters, (whole - patients - raters) / 7
    assert core.icc.value == pytest.approx(
        (ms_patients - ms_rest) / (ms_patients + ms_rest + 2 * (ms_raters - ms_rest) / 8)
    )


def test_draws_and_seeds_are_read_one_by_one_and_do_not_narrow_the_limits():
    """Two draws whose errors cancel: the mean of both would agree with the truth to the last digit."""
    rng = np.random.default_rng(0)
    errors = rng.normal(0, 4, PATIENTS)
    drawn = np.stack([TRUE_ML + errors, TRUE_ML - errors], axis=1).ravel()
    (core, _) = held(read("a", drawn, draws=2))
    assert (core.patients, core.readings) == (8, 2)
    assert core.limits.bias.value == pytest.approx(0)
    assert core.limits.sd == pytest.approx(errors.std(ddof=1))
    assert core.limits.upper.value == pytest.approx(1.959964 * errors.std(ddof=1))
    one = bland_altman(TRUE_ML + errors, TRUE_ML).upper.interval
    assert core.limits.upper.interval.high - core.limits.upper.interval.low == pytest.approx(one.high - one.low)
    seeds = [read("a", TRUE_ML + sign * errors, seed=seed) for seed, sign in enumerate((1, -1))]
    (trained, _) = held(*seeds)
    assert (trained.patients, trained.readings) == (8, 2)
    assert trained.limits.upper == core.limits.upper
    assert trained.icc.value == pytest.approx(core.icc.value)


def test_readings_hold_each_patients_cases_in_order_and_a_lack_is_left_out():
    made = read("a", TRUE_ML + OFF_ML)
    extra = made.model_copy(update={"cases": [*made.cases, "p0 #2"], "patients": [*made.patients, "p0"]})
    values = {name: (np.array(table.values, float)[:, 0]).tolist() for name, table in made.scores.items()}
    values["volume"][3] = np.nan
    scores = {
        "volume": volumes([*values["volume"], 7.0], "volume", "reference_volume"),
        "truth": volumes([*values["truth"], 5.0], "reference_volume"),
    }
    (core, _) = held(changed(extra, scores={name: table.model_dump() for name, table in scores.items()}))
    assert core.first.shape == (2, 8)
    assert core.first[1].tolist() == [7.0, *[pytest.approx(np.nan, nan_ok=True)] * 7]
    assert core.second[0].tolist() == TRUE_ML.tolist()
    assert (core.patients, core.readings) == (7, 2)
    kept = np.delete(OFF_ML, 3)
    assert core.limits.sd == pytest.approx(kept.std(ddof=1))  # of the second reading there is none
    assert core.limits.bias.value == pytest.approx((kept.sum() + 2.0) / 8)


YES = [1, 1, 1, 0, 0, 0, 1, 0, 1, 1]
TRUE_YES = [1, 1, 0, 0, 0, 1, 1, 0, 1, 1]


def decided(config: str, ours: list[float], theirs: list[float], **changes: Any) -> Record:
    scores = {"treat": decisions(ours, "treat", "true_treat"), "right": decisions(theirs, "true_treat")}
    cases = [f"p{i:02d}" for i in range(len(ours))]
    return record(config, cases=cases, patients=cases, timings={}, scores=scores, **changes)


def test_decisions_agree_by_kappa_by_hand():
    """8 of 10 agree; by chance 0.6 x 0.6 + 0.4 x 0.4."""
    (one,) = held(decided("a", YES, TRUE_YES))
    assert (one.quantity, one.score.column, one.reference.column) == ("decision", "treat", "right")
    assert one.agreed == pytest.approx(0.8)
    assert one.kappa.value == pytest.approx((0.8 - 0.52) / (1 - 0.52))
    assert one.kappa == cohens_kappa(np.array(YES), np.array(TRUE_YES))
    assert one.estimates.keys() == {"kappa"}


def test_decisions_of_several_seeds_are_no_shares_of_a_decision():
    other = [1 - value for value in YES]
    (one,) = held(decided("a", YES, TRUE_YES), decided("a", other, TRUE_YES, seed=1))
    assert one.agreed == pytest.approx((0.8 + 0.2) / 2)
    second = cohens_kappa(np.array(other), np.array(TRUE_YES)).value
    assert one.kappa.value == pytest.approx((cohens_kappa(np.array(YES), np.array(TRUE_YES)).value + second) / 2)


def test_where_all_decide_alike_there_is_no_kappa_and_it_says_why():
    (one,) = held(decided("a", [1] * 7, [1] * 7))
    assert (one.agreed, one.reasons) == (1.0, ("all decisions about 7 patients are the same",))
    assert np.isnan(one.kappa.value)


def test_a_reference_goes_by_its_metrics_name_and_there_may_be_several():
    made = read("a", TRUE_ML + OFF_ML)
    scores = {**made.scores, "drawn": volumes(TRUE_ML + 1, "reference_volume")}
    found = held(changed(made, scores={name: table.model_dump() for name, table in scores.items()}))
    assert [(one.score.column, one.reference.column) for one in found] == [
        ("volume_core", "truth_core"),
        ("volume_core", "drawn_core"),
        ("volume_penumbra", "truth_penumbra"),
        ("volume_penumbra", "drawn_penumbra"),
    ]
    assert found[1].limits.bias.value == pytest.approx(OFF_ML.mean() - 1)


def test_scores_meet_at_the_same_region_alone():
    made = read("a", TRUE_ML)
    core = score(TRUE_ML[:, None], ["case", "roi"], roi=["core"])
    scores = {**made.scores, "truth": held_against(core, "reference_volume", "")}
    found = held(changed(made, scores={name: table.model_dump() for name, table in scores.items()}))
    assert [one.score.column for one in found] == ["volume_core"]


def test_rows_that_failed_are_left_out_and_so_are_rows_in_which_either_metric_did():
    good, broken = read("good", TRUE_ML + OFF_ML), read("broken", TRUE_ML)
    lucky = [read("lucky", TRUE_ML), record("lucky", seed=1, status="crashed")]
    faulty = changed(broken, scores={"volume": broken.scores["volume"].model_dump()}, faults={"truth": "no"})
    assert {one.config for one in held(good, faulty, *lucky)} == {"good"}
    assert [one.config for one in held(good, read("b", TRUE_ML))] == ["good", "b"] * 2


def test_each_dataset_and_noise_level_has_its_own():
    made = [
        read("a", TRUE_ML + OFF_ML + shift, noise=noise, dataset=dataset)
        for shift, (dataset, noise) in enumerate([("x", 1e5), ("x", 2e5), ("y", None)])
    ]
    found = [one for one in held(*made) if one.score.roi == "core"]
    assert [one.limits.bias.value for one in found] == pytest.approx([OFF_ML.mean() + shift for shift in range(3)])
    assert [(one.dataset, one.noise) for one in found[:2]] == [("x", 1e5), ("x", 2e5)]
    assert np.isnan(found[2].noise)


def test_one_patient_is_no_agreement_and_few_have_no_interval():
    def some(count: int) -> list[Agreement]:
        cases = [f"p{i}" for i in range(count)]
        values, true = (TRUE_ML + OFF_ML)[:count], TRUE_ML[:count]
        scores = {"volume": volumes(values, "volume", "reference_volume"), "truth": volumes(true, "reference_volume")}
        return held(record("a", cases=cases, patients=cases, timings={}, scores=scores))

    assert some(1) == []
    (core, _) = some(4)
    assert core.limits.lower.interval is None
    assert core.limits.sd == pytest.approx(OFF_ML[:4].std(ddof=1))
    assert core.reasons == ("4 patients; an interval needs 6",)


def test_results_of_before_have_none():
    made = read("a", TRUE_ML)
    unsaid = {name: table.model_copy(update={"metric": "", "agrees_with": ""}) for name, table in made.scores.items()}
    assert held(changed(made, scores={name: table.model_dump() for name, table in unsaid.items()})) == []
    assert held(changed(made, patients=[])) == []
    tree = build([made], {})
    for name in ("volume", "truth"):
        for attribute in ("metric", "agrees_with", "quantity"):
            del tree["phantom"][name].attrs[attribute]
    assert agreements(tree, leaderboard(tree)) == []
    assert held() == []


def test_the_file_of_results_keeps_what_agrees_with_what(tmp_path):
    save(build([read("a", TRUE_ML + OFF_ML)], {}), tmp_path / "results.nc")
    tree = open_results(tmp_path / "results.nc")
    attrs = tree["phantom/volume"].attrs
    assert {name: attrs[name] for name in ("metric", "agrees_with", "quantity", "better")} == {
        "metric": "volume",
        "agrees_with": "reference_volume",
        "quantity": "number",
        "better": "none",
    }
    assert len(agreements(tree, leaderboard(tree))) == 2


def test_the_table_for_programs_has_every_number():
    table = to_table([*held(read("a", TRUE_ML + OFF_ML)), *held(decided("b", YES, TRUE_YES))])
    first, last = table.iloc[0], table.iloc[-1]
    assert list(table["config"]) == ["a", "a", "b"]
    assert (first["dataset"], first["noise"], first["metric"], first["reference"]) == (
        "phantom",
        2e5,
        "volume",
        "truth",
    )
    assert (first["roi"], first["map"], first["quantity"], first["units"]) == ("core", "", "number", "mL")
    limits = bland_altman(TRUE_ML + OFF_ML, TRUE_ML)
    for name in ("bias", "lower", "upper"):
        estimate = getattr(limits, name)
        assert first[name] == pytest.approx(estimate.value)
        assert (first[f"{name}_low"], first[f"{name}_high"]) == (estimate.interval.low, estimate.interval.high)
    assert first["sd"] == pytest.approx(OFF_ML.std(ddof=1))
    assert pd.isna(first["kappa"])
    assert pd.isna(last["bias"])
    assert (last["n_patients"], last["n_readings"], last["agreed"]) == (10, 1, pytest.approx(0.8))
    assert last["kappa_low"] < last["kappa"] < last["kappa_high"]
    assert to_table([]).empty
