"""The best row is first, no failed row ever outranks another, and programs read what the numbers say."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctpbench.errors import ResultError
from ctpbench.outcome.leaderboard import leaderboard, metric_faults, to_csv, to_json
from ctpbench.outcome.results import build, open_results, save
from ctpbench.outcome.statistics import mean_interval, smallest_difference
from ctpbench.running.record import Record, ScoreTable
from ctpbench.settings import MapsSettings
from tests.outcome.records import changed, held_against, inapplicable, record, rmse, score, suite_records

MAPS = ["cbf", "cbv", "mtt", "ttp", "tmax"]


def board(*records: Record, **options: str) -> pd.DataFrame:
    return leaderboard(build(records, {}), **options)


def scored(config: str, cbf: list[float], **changes: Any) -> Record:
    return record(config, scores={"rmse": rmse(cbf)}, **changes)


def ssim(value: float) -> ScoreTable:
    return score(np.full((2, 3), value), ["case", "map"], "1", "higher", map=MAPS[:3])


def study() -> list[Record]:
    """What the quick suite looks like: all scores, a tuned row at the edge, a contended one, a failed one."""
    cbf = {"none": 20.24, "gaussian": 5.57, "tips(sigma_t_hu=11.25, sigma_s_px=3)": 4.78, "ttv": 9.49}
    scale = np.array([1.0, 0.07, 0.6, 0.3, 0.3])
    records = []
    for noise in (1e5, 1e6):
        for config, value in cbf.items():
            table = value * scale * np.array([[0.9], [1.1]])
            scores = {"rmse": score(table, ["case", "map"], map=MAPS), "ssim": ssim(1 - value / 40)}
            made = record(config, noise, scores=scores, parameters={"beta_space_hu2s": 3.0, "beta_time_hu2s": 0.1})
            if config == "ttv":
                made = changed(
                    made, tuned=made.parameters, tuned_at_edge=["beta_time_hu2s"], timings={"contended": True}
                )
            records.append(made)
        records.append(record("broken", noise, status="timeout", message="took | longer\nthan 600 s"))
    return records


def test_rows_are_ranked_by_rmse_of_cbf_within_dataset_and_noise() -> None:
    frame = board(*study())
    assert list(frame["noise"].unique()) == [1e5, 1e6]
    for _, block in frame.groupby("noise"):
        assert [c.split("(")[0] for c in block["config"]] == ["tips", "gaussian", "ttv", "none", "broken"]
        assert list(block["rank"].iloc[:4]) == [1, 2, 3, 4]
        assert pd.isna(block["rank"].iloc[4])
        assert set(block["rank_by"]) == {"rmse_cbf"}


def test_scores_are_means_over_seeds_and_patients() -> None:
    frame = board(scored("n2n", [4.0, 8.0]), scored("n2n", [6.0, 10.0], seed=1), scored("none", [9.0, 9.0]))
    row = frame.set_index("config").loc["n2n"]
    assert row["rmse_cbf"] == pytest.approx(7)
    assert row["rmse_cbv"] == pytest.approx(0.7)
    assert (row["n_patients"], row["n_cases"], row["n_seeds"]) == (2, 2, 2)
    assert frame[["rmse_cbf_low", "rmse_cbf_high", "rank_low", "rank_high"]].isna().all(axis=None)  # of two patients
    assert not frame["equals_leader"].any()
    assert frame.set_index("config").loc["none", "n_seeds"] == 1


def ward(config: str, offset: float, spread: float = 1.0, **changes: Any) -> Record:
    """A row's scores of eight patients with three cases each; the last patient has one case of another size."""
    cases = [f"p{patient}/{case}" for patient in range(8) for case in range(3)][:-2]
    level = {f"p{patient}": np.sin(7.0 * patient) for patient in range(8)}
    values = [offset + spread * level[case[:2]] + 0.1 * int(case[-1]) for case in cases]
    patients = [case[:2] for case in cases]
    return record(config, cases=cases, patients=patients, scores={"rmse": rmse(values)}, timings={}, **changes)


def patient_values(made: Record) -> np.ndarray:
    values = np.array(made.scores["rmse"].values, dtype=float)[:, 0]
    return np.array([values[[whose == p for whose in made.patients]].mean() for p in dict.fromkeys(made.patients)])


def test_the_patient_is_the_unit_of_means_intervals_and_ranks() -> None:
    made = [ward("a", 5.0), ward("b", 5.02, spread=1.2), ward("c", 9.0)]
    frame = board(*made).set_index("config")
    for each in made:
        row, values = frame.loc[each.config], patient_values(each)
        assert row["rmse_cbf"] == pytest.approx(values.mean())
        expected = mean_interval(values).interval
        assert (row["rmse_cbf_low"], row["rmse_cbf_high"]) == (expected.low, expected.high)
    assert frame.loc["a", "rmse_cbf"] != pytest.approx(np.array(made[0].scores["rmse"].values, float)[:, 0].mean())
    assert (frame["n_patients"].unique(), frame["n_cases"].unique()) == ([8], [22])
    assert list(frame["rank"]) == [1, 2, 3]
    assert list(zip(frame["rank_low"], frame["rank_high"], strict=True)) == [(1, 2), (1, 2), (3, 3)]
    assert list(frame["equals_leader"]) == [False, True, False]


def test_results_that_do_not_say_whose_the_cases_are_have_means_alone() -> None:
    made = [changed(ward(config, offset), patients=[]) for config, offset in {"a": 5.0, "b": 9.0}.items()]
    frame = board(*made).set_index("config")
    assert frame.loc["a", "rmse_cbf"] == pytest.approx(np.array(made[0].scores["rmse"].values, float)[:, 0].mean())
    assert set(frame["n_patients"]) == {0}
    assert list(frame["rank"]) == [1, 2]
    assert frame[["rmse_cbf_low", "rank_low"]].isna().all(axis=None)


def test_the_controls_are_the_ends_of_a_scale_and_noiseless_is_nobodys_rival() -> None:
    made = [ward("none", 20.0), ward("good", 6.0), ward("noiseless", 4.0), ward("harmful", 22.0), ward("magic", 3.0)]
    frame = board(*made).set_index("config")
    assert list(frame.index[:4]) == ["magic", "good", "none", "harmful"]
    assert pd.isna(frame.loc["noiseless", "rank"])
    relative = {"none": 0, "noiseless": 1, "good": 14 / 16, "harmful": -2 / 16, "magic": 17 / 16}
    assert dict(frame["relative"]) == pytest.approx(relative)
    without = board(*made[1:])
    assert without["relative"].isna().all()


def test_controls_are_those_whose_maps_were_computed_alike() -> None:
    ways = {name: MapsSettings(lambda_rel=value) for name, value in {"0.3": 0.3, "0.1": 0.1}.items()}
    made = [
        ward(f"{method} {name}", offset * float(name), method=method, maps=maps)
        for name, maps in ways.items()
        for method, offset in {"none": 30.0, "noiseless": 10.0, "tips": 15.0}.items()
    ]
    relative = board(*made).set_index("config")["relative"]
    assert relative["tips 0.3"] == pytest.approx(0.75)
    assert relative["tips 0.1"] == pytest.approx(0.75)


def test_the_patients_that_a_lead_needs_are_those_of_the_paired_test() -> None:
    made = [ward("a", 5.0), ward("b", 5.02, spread=1.2), ward("c", 9.0)]
    differences = patient_values(made[1]) - patient_values(made[0])
    expected = smallest_difference(differences.std(ddof=1), 8)
    assert list(board(*made)["lead_shown"]) == pytest.approx([expected] * 3)
    assert board(made[0])["lead_shown"].isna().all()


def test_times_are_medians_and_memory_is_the_peak() -> None:
    first = {"denoise_s": [1.0, 2.0], "maps_s": [0.5, 0.1], "fit_s": 10.0, "peak_memory_mib": 100.0}
    second = {"denoise_s": [3.0, 9.0], "maps_s": [0.1, 0.1], "fit_s": 30.0, "peak_memory_mib": 200.0}
    seeds = [changed(record("a", seed=seed), timings=timings) for seed, timings in enumerate((first, second))]
    (row,) = board(*seeds).to_dict("records")
    expected = {"denoise_s": 2.5, "maps_s": 0.1, "total_s": 2.6, "fit_s": 20.0, "peak_memory_mib": 200.0}
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert np.isnan(row["peak_device_memory_mib"])


def test_ties_share_a_rank_and_the_next_one_is_skipped() -> None:
    frame = board(*(scored(c, [v, v]) for c, v in {"a": 2.0, "b": 1.0, "c": 2.0, "d": 3.0}.items()))
    assert dict(zip(frame["config"], frame["rank"], strict=True)) == {"b": 1, "a": 2, "c": 2, "d": 4}


def test_a_row_with_a_failed_seed_has_no_rank_however_good_it_is() -> None:
    frame = board(
        scored("lucky", [0.1, 0.1]),
        record("lucky", seed=1, status="crashed", message="signal 11"),
        scored("a", [5.0, 5.0]),
    )
    assert list(frame["config"]) == ["a", "lucky"]
    assert list(frame["rank"].isna()) == [False, True]
    assert (frame["status"][1], frame["message"][1]) == ("crashed", "1 of 2 seeds: signal 11")


def test_a_row_to_which_the_score_does_not_apply_comes_after_the_scored_before_the_failed() -> None:
    frame = board(record("failed", status="error"), scored("unscored", [np.nan, np.nan]), scored("worst", [99.0, 99.0]))
    assert list(frame["config"]) == ["worst", "unscored", "failed"]
    assert list(frame["rank"].isna()) == [False, True, True]
    assert list(frame["status"]) == ["ok", "ok", "error"]


STATUSES = st.sampled_from(["ok", "error", "timeout", "out_of_memory", "crashed", "invalid_output", "skipped"])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(STATUSES, st.sampled_from([1.0, 2.0, 3.0, np.nan])), min_size=1, max_size=6))
def test_ranks_equal_those_of_a_naive_twin(rows: list[tuple[str, float]]) -> None:
    records = [
        record(f"r{i}", status=status) if status != "ok" else scored(f"r{i}", [value, value])
        for i, (status, value) in enumerate(rows)
    ]
    frame = board(*records)
    order = {int(config[1:]): place for place, config in enumerate(frame["config"])}
    ranks = {int(config[1:]): rank for config, rank in zip(frame["config"], frame["rank"], strict=True)}
    ranked = [i for i, (status, value) in enumerate(rows) if status == "ok" and value == value]
    assert sorted(i for i, rank in ranks.items() if not pd.isna(rank)) == ranked
    for i in ranked:
        assert ranks[i] == 1 + len([j for j in ranked if rows[j][1] < rows[i][1]])
        assert all(order[i] < order[j] for j in range(len(rows)) if j not in ranked)
    failed = [i for i, (status, _) in enumerate(rows) if status != "ok"]
    assert sorted(order[i] for i in failed) == list(range(len(rows) - len(failed), len(rows)))


def test_higher_is_better_where_the_metric_says_so() -> None:
    frame = board(*(record(c, scores={"ssim": ssim(v)}) for c, v in {"a": 0.5, "b": 0.9}.items()))
    assert list(frame["config"]) == ["b", "a"]
    assert set(frame["rank_by"]) == {"ssim_cbf"}


def test_the_caller_may_rank_by_another_score() -> None:
    frame = board(*study(), rank_by="rmse_tmax")
    assert set(frame["rank_by"]) == {"rmse_tmax"}
    with pytest.raises(
        ResultError, match=r"no score 'psnr_cbf' to rank by \(did you mean ssim_cbf\?\); there are: rmse_cbf, rmse_cbv"
    ):
        board(*study(), rank_by="psnr_cbf")


def test_the_first_metric_of_the_suite_ranks_by_default() -> None:
    values = {"a": (0.5, 9.0), "b": (0.9, 1.0)}
    frame = board(*(record(c, scores={"ssim": ssim(v), "rmse": rmse([w, w])}) for c, (v, w) in values.items()))
    assert (set(frame["rank_by"]), list(frame["config"])) == ({"ssim_cbf"}, ["b", "a"])


def test_where_the_first_score_does_not_apply_the_next_that_does_ranks() -> None:
    real = [
        record(
            c,
            None,
            dataset="real",
            scores={"rmse": rmse([np.nan, np.nan]), "cnr": score([v, v], ["case"], "1", "higher")},
        )
        for c, v in {"a": 1.0, "b": 2.0}.items()
    ]
    frame = board(*study(), *real).query("dataset == 'real'")
    assert list(frame["config"]) == ["b", "a"]
    assert set(frame["rank_by"]) == {"cnr"}


def test_a_metric_over_time_counts_by_its_mean_and_one_of_regions_has_a_column_each() -> None:
    frame = board(*suite_records())
    none = frame.query("config == 'none' and dataset == 'phantom'").iloc[0]
    assert none["frame_rmse"] == pytest.approx(3.5)  # of [1, 2, 3] and [4, 5, 6]
    assert frame.query("config == 'ttv'")["frame_rmse"].isna().all()
    described = {score.column: score for score in frame.attrs["scores"]}
    assert described["frame_rmse"].over == ("time",)
    assert described["dice_core"].over == ()
    assert (described["dice_core"].metric, described["dice_core"].roi) == ("dice", "core")
    assert (described["rmse_cbv"].metric, described["rmse_cbv"].map) == ("rmse", "cbv")
    assert none["dice_core"] == pytest.approx(0.6)
    assert none["dice_penumbra"] == pytest.approx(0.9)
    both = score(np.arange(8.0).reshape(2, 2, 2), ["case", "map", "roi"], map=["cbf", "mtt"], roi=["core", "rest"])
    (row,) = board(record("a", scores={"bias": both})).to_dict("records")
    assert [row[f"bias_{m}_{r}"] for m in ("cbf", "mtt") for r in ("core", "rest")] == [2.0, 3.0, 4.0, 5.0]


def test_what_ranks_nothing_ranks_nothing() -> None:
    volume = [held_against(score([v, v], ["case"]), "volume", "true_volume") for v in (1.0, 2.0)]
    both = [record(c, scores={"volume": v, "rmse": rmse([e, e])}) for c, v, e in zip("ab", volume, (9, 4), strict=True)]
    frame = leaderboard(build(both, {"metrics": ["volume", "rmse"]}))
    assert (set(frame["rank_by"]), list(frame["config"])) == ({"rmse_cbf"}, ["b", "a"])
    assert list(frame["volume"]) == [2.0, 1.0]
    assert [score.ranks for score in frame.attrs["scores"]] == [False, True, True]
    with pytest.raises(ResultError, match=r"^'volume' ranks nothing; there are: rmse_cbf, rmse_cbv$"):
        board(*both, rank_by="volume")
    alone = board(*(record(c, scores={"volume": v}) for c, v in zip("ab", volume, strict=True)))
    assert alone["rank"].isna().all()
    assert set(alone["rank_by"]) == {""}


def test_a_mean_over_time_ranks_only_where_nothing_else_does() -> None:
    frames = [score(np.full((2, 2), v), ["case", "time"], "HU", time=[0.0, 1.0]) for v in (1.0, 2.0)]
    cnr = [score([v, v], ["case"], "1", "higher") for v in (1.0, 2.0)]
    both = [record(c, scores={"frames": f, "cnr": n}) for c, f, n in zip("ab", frames, cnr, strict=True)]
    assert set(board(*both)["rank_by"]) == {"cnr"}
    assert set(board(*both, rank_by="frames")["rank_by"]) == {"frames"}
    alone = board(*(record(c, scores={"frames": f}) for c, f in zip("ba", frames, strict=True)))
    assert (set(alone["rank_by"]), list(alone["config"])) == ({"frames"}, ["b", "a"])


# -- metrics that fail -------------------------------------------------------------------------------------------------

FAULT = "error: ValueError: no"


def test_a_row_whose_metric_failed_keeps_its_other_scores_and_its_rank() -> None:
    scores = {"rmse": rmse([4.0, 6.0]), "ssim": ssim(0.5)}
    frame = board(
        record("a", scores={"rmse": rmse([8.0, 8.0]), "ssim": ssim(0.9)}),
        record("b", scores={"rmse": scores["rmse"]}, faults={"ssim": FAULT}),
        record("c", scores=scores, faults={"dice": FAULT}),
    ).set_index("config")
    assert dict(frame["rank"]) == {"b": 1, "c": 1, "a": 3}
    assert list(frame["status"]) == ["ok"] * 3
    assert frame.loc["b", "rmse_cbf"] == frame.loc["c", "rmse_cbf"] == 5.0
    assert np.isnan(frame.loc["b", "ssim_cbf"])
    assert frame.loc["c", "ssim_cbf"] == 0.5
    faults = {config: metric_faults(row) for config, row in frame.to_dict("index").items()}
    assert faults == {"a": {}, "b": {"ssim": FAULT}, "c": {"dice": FAULT}}
    assert [score.column for score in frame.attrs["scores"]][-1] == "dice"  # which failed wherever it was asked for
    assert frame["dice"].isna().all()


def test_of_several_seeds_one_in_which_a_metric_failed_leaves_the_row_without_it() -> None:
    good = record("n2n", scores={"rmse": rmse([4.0, 6.0]), "ssim": ssim(0.5)})
    bad = record("n2n", seed=1, scores={"rmse": rmse([8.0, 10.0])}, faults={"ssim": FAULT})
    (row,) = board(good, bad).to_dict("records")
    assert (row["rmse_cbf"], row["rank"]) == (7.0, 1)
    assert np.isnan(row["ssim_cbf"])
    assert metric_faults(row) == {"ssim": f"1 of 2 seeds: {FAULT}"}


def test_a_row_whose_ranking_metric_failed_has_no_rank() -> None:
    failed = record("lost", scores={"ssim": ssim(0.99)}, faults={"rmse": FAULT})
    records = [failed, scored("a", [5.0, 5.0]), record("broken", status="error")]
    frame = leaderboard(build(records, {"metrics": ["rmse", "ssim"]}))
    assert list(frame["config"]) == ["a", "lost", "broken"]
    assert list(frame["rank"].isna()) == [False, True, True]
    assert frame.set_index("config").loc["lost", "ssim_cbf"] == 0.99


def test_where_the_ranking_metric_failed_in_every_row_another_ranks() -> None:
    good = [record(c, scores={"rmse": rmse([v, v]), "ssim": ssim(1 / v)}) for c, v in {"a": 4.0, "b": 2.0}.items()]
    bad = [record(c, seed=1, scores={"ssim": ssim(0.5)}, faults={"rmse": FAULT}) for c in "ab"]
    frame = board(*good, *bad)
    assert (set(frame["rank_by"]), list(frame["config"])) == ({"ssim_cbf"}, ["b", "a"])
    assert frame["rmse_cbf"].isna().all()


def test_a_case_counts_where_it_has_a_score_in_any_map_of_any_metric() -> None:
    one = score([[1.0, np.nan], [np.nan, np.nan]], ["case", "map"], map=["cbf", "cbv"])
    other = score([[np.nan, np.nan], [np.nan, 2.0]], ["case", "time"], "HU", time=[0.0, 1.0])
    assert list(board(record("a", scores={"one": one}))["n_cases"]) == [1]
    assert list(board(record("a", scores={"one": one, "other": other}))["n_cases"]) == [2]


def test_where_a_metric_failed_is_in_csv_and_json() -> None:
    frame = board(record("a", faults={"ssim": FAULT}), record("b"))
    read = pd.read_csv(io.StringIO(to_csv(frame)))
    assert json.loads(read["metric_faults"][0]) == {"ssim": FAULT}
    rows = json.loads(to_json(frame))
    assert [json.loads(row["metric_faults"] or "{}") for row in rows] == [{"ssim": FAULT}, {}]
    assert [row["ssim"] for row in rows] == [None, None]


def test_a_metric_that_failed_on_one_dataset_alone_has_the_columns_of_the_other() -> None:
    frame = board(
        record("a", scores={"rmse": rmse([4.0, 6.0]), "ssim": ssim(0.5)}),
        record("a", dataset="real", faults={"ssim": FAULT}),
    )
    assert [score.column for score in frame.attrs["scores"] if score.metric == "ssim"] == [
        "ssim_cbf",
        "ssim_cbv",
        "ssim_mtt",
    ]
    assert frame.attrs["metrics"] == {"phantom": ("rmse", "ssim"), "real": ("rmse", "ssim")}


def test_a_column_without_any_score_is_left_out() -> None:
    frame = board(*study())
    assert "rmse_tmax" in frame
    assert "ssim_cbf" in frame
    assert "ssim_tmax" not in frame


def test_a_metric_that_applies_nowhere_in_a_dataset_is_no_column() -> None:
    frame = board(record("a", scores={"rmse": inapplicable("map")}))
    assert not [name for name in frame.columns if name.startswith("rmse")]
    assert frame["rank"].isna().all()


def test_excluded_cells_are_no_rows() -> None:
    frame = board(record("a", 1e5), record("a", 2e5), record("b", 2e5))
    assert list(zip(frame["noise"], frame["config"], strict=True)) == [(1e5, "a"), (2e5, "a"), (2e5, "b")]


def test_parameters_are_compact_and_tuned_ones_marked() -> None:
    tuned = [{"sigma_px": 2.0, "mode": "wrap"}, {"sigma_px": 4.0, "mode": "wrap"}]
    records = [
        record("g", seed=i, parameters={"truncate": 4.0, **t}, tuned=t, tuned_at_edge=["sigma_px"])
        for i, t in enumerate(tuned)
    ]
    (row,) = board(*records).to_dict("records")
    assert row["parameters"] == "truncate=4, sigma_px=2|4, mode=wrap"
    assert row["tuned"] == "sigma_px=2|4 (edge), mode=wrap"


def test_two_scores_of_one_name_are_refused() -> None:
    with pytest.raises(ResultError, match="two scores are called 'rmse_cbf'"):
        board(record("a", scores={"rmse": rmse([1.0, 2.0]), "rmse_cbf": score([1.0, 2.0], ["case"])}))


def test_the_table_is_the_same_from_the_file(tmp_path: Path) -> None:
    tree = build([*study(), *suite_records()[-2:]], {})
    save(tree, tmp_path / "results.nc")
    pd.testing.assert_frame_equal(leaderboard(open_results(tmp_path / "results.nc")), leaderboard(tree))


def test_csv_holds_every_column() -> None:
    frame = board(*study())
    read = pd.read_csv(io.StringIO(to_csv(frame)))
    assert list(read.columns) == list(frame.columns)
    np.testing.assert_array_equal(read["rmse_cbf"], frame["rmse_cbf"])
    assert read["rank"].isna().sum() == 2


def test_json_has_null_for_what_is_not_a_number() -> None:
    rows = json.loads(to_json(board(*study(), record("a", None, dataset="real"))), parse_constant=pytest.fail)
    assert rows[0]["rank"] == 1
    assert rows[0]["contended"] is False
    assert rows[0]["rmse_cbf"] == pytest.approx(4.78)
    assert (rows[4]["status"], rows[4]["rank"], rows[4]["rmse_cbf"]) == ("timeout", None, None)
    assert rows[-1]["noise"] is None


def test_a_run_without_finished_cells_has_an_empty_table() -> None:
    frame = board()
    assert frame.empty
    assert json.loads(to_json(frame)) == []
