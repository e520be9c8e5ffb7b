"""A claim holds where results bear it out at every level; what is missing is undecided, a wrong name a fault."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctpbench.errors import InputError
from ctpbench.outcome.claims import Judgement, judge, load_claims
from ctpbench.outcome.claims.checks import Ahead, Gap
from ctpbench.outcome.claims.claim import Verdict, overall
from ctpbench.outcome.claims.level import levels
from ctpbench.outcome.claims.sweeps import SweepWorst
from ctpbench.outcome.results import build, open_results, save
from ctpbench.running.index import PlannedCell
from ctpbench.running.record import Record, Trial
from tests.outcome.records import changed, held_against, inapplicable, index_of, objective, record, score, trial

MAPS = ["cbf", "cbv", "mtt"]
TIMES_S = [17.0, 19.0, 21.0, 23.0]
SCORES = "scores: [rmse_cbf, rmse_mtt, ssim_cbf]"
HOLDS, FAILS, UNDECIDED = "holds", "fails", "undecided"

Judged = Callable[..., Judgement]


def cell(config: str, cbf: float = 4.0, noise: float | None = 1e5, seed: int = 0, **changes: Any) -> Record:
    """A cell whose RMSE of CBF is `cbf` (a tenth of it for CBV and MTT); the larger, the lower its SSIM."""
    cases, peak_s = np.array([[0.9], [1.1]]), changes.pop("peak_s", 19.0)
    curve = changes.pop("frame", 1.0) * cases * np.where(np.array(TIMES_S) == peak_s, 2.0, 1.0)
    scores = {
        "rmse": score(cbf * cases * [1, 0.1, 0.1], ["case", "map"], map=MAPS),
        "ssim": score((1 - cbf / 100) * np.ones((2, 3)), ["case", "map"], "1", "higher", map=MAPS),
        "frame_rmse": score(curve, ["case", "time"], "HU", time=TIMES_S),
    }
    tried = changes.pop("tried", {})
    trials = [trial({"beta": beta}, value) for beta, value in tried.items()]
    timings = changes.pop("timings", {})
    made = record(config, noise, seed, **{"scores": scores, "trials": trials, **changes})
    if made.status != "ok":
        return changed(made, scores={}, timings=dict.fromkeys(made.timings.model_dump()))
    return changed(made, timings={"hardware": "a GPU", **timings})


@pytest.fixture
def claim(tmp_path: Path) -> Judged:
    """Judge one claim, written as YAML, over records."""

    def judged(text: str, *records: Record, **options: Any) -> Judgement:
        (tmp_path / "claims.yaml").write_text(f"paper: A paper\nclaims:\n  - {{says: It is so, {text}}}\n")
        (one,) = judge(load_claims(tmp_path / "claims.yaml"), build(records, {}), **options)
        return one

    return judged


def only(judgement: Judgement) -> tuple[str, str]:
    (finding,) = judgement.findings
    return finding.verdict, finding.ours


# -- ahead ------------------------------------------------------------------------------------------------------------

AHEAD = f"check: ahead, rows: [n2n], of: [none, ttv], {SCORES}"


def test_ahead_counts_the_comparisons_and_shows_the_closest(claim: Judged) -> None:
    judgement = claim(AHEAD, cell("none", 20), cell("ttv", 5), cell("n2n", 4))
    closest = "ssim_cbf: n2n 0.960 vs ttv 0.950"
    assert only(judgement) == (HOLDS, f"6 of 6 comparisons hold; closest {closest}")
    assert judgement.paper == "n2n ahead of none, ttv"


def test_ahead_lists_every_comparison_that_does_not_hold_the_worst_first(claim: Judged) -> None:
    verdict, ours = only(claim(AHEAD, cell("none", 20), cell("ttv", 3.999), cell("n2n", 4)))
    assert verdict == FAILS
    shown = "rmse_cbf: n2n 4.000 vs ttv 3.999, rmse_mtt: n2n 0.4000 vs ttv 0.3999, ssim_cbf: n2n 0.96000 vs ttv 0.96001"
    assert ours == f"3 of 6 comparisons hold; not {shown}"


def test_a_tie_is_not_ahead(claim: Judged) -> None:
    assert only(claim(AHEAD, cell("none", 20), cell("ttv", 4), cell("n2n", 4)))[0] == FAILS


def test_a_failed_row_is_named_and_leaves_ahead_undecided_unless_another_row_decides(claim: Judged) -> None:
    broken = cell("ttv", status="timeout")
    assert only(claim(AHEAD, cell("none", 20), broken, cell("n2n", 4))) == (
        UNDECIDED,
        "3 of 6 comparisons hold; closest ssim_cbf: n2n 0.960 vs none 0.800; ttv: timeout",
    )
    assert only(claim(AHEAD, cell("none", 2), broken, cell("n2n", 4)))[0] == FAILS


def test_a_score_over_time_counts_by_its_mean_over_time(claim: Judged) -> None:
    frames = "check: ahead, rows: [n2n], of: [none], scores: [frame_rmse]"
    verdict, ours = only(claim(frames, cell("none", frame=4.0), cell("n2n", frame=2.0)))
    assert (verdict, ours) == (HOLDS, "1 of 1 comparisons hold; closest frame_rmse: n2n 2.50 vs none 5.00")


VALUES = st.lists(st.sampled_from([1.0, 2.0, 3.0, None]), min_size=3, max_size=3)


@settings(max_examples=25, deadline=None)
@given(VALUES)
def test_ahead_equals_its_naive_twin_and_never_holds_both_ways(values: list[float | None]) -> None:
    names = ["a", "b", "c"]
    cells = [cell(n, v) if v else cell(n, status="error") for n, v in zip(names, values, strict=True)]
    (level,) = levels(build([*cells, cell("d", 9.0)], {}))
    for row, others in (("a", ["b", "c"]), ("b", ["a"]), ("c", ["a", "b"])):
        claim = Ahead(check="ahead", says="So", rows=[row], of=others, scores=["rmse_cbf", "ssim_mtt"])
        value, rest = values[names.index(row)], [values[names.index(other)] for other in others]
        pairs = [(value, other) for other in rest if value and other]
        expected = HOLDS if len(pairs) == len(others) else UNDECIDED
        assert claim.answer(level).verdict == (expected if all(x < y for x, y in pairs) else FAILS)
    for pair in itertools.combinations(names, 2):
        ways = [
            Ahead(check="ahead", says="So", rows=[row], of=[other], scores=["rmse_cbf"])
            for row, other in (pair, pair[::-1])
        ]
        assert [way.answer(level).verdict for way in ways].count(HOLDS) < 2


# -- limit ------------------------------------------------------------------------------------------------------------

LIMIT = "check: limit, rows: [n2n, ttv], at_most: {rmse_cbf: 4.5, frame_rmse: 2}"


def test_a_limit_holds_for_every_row_and_score(claim: Judged) -> None:
    judgement = claim(LIMIT, cell("n2n", 4), cell("ttv", 4.5))
    ours = "n2n 4.00 rmse_cbf; n2n 1.25 frame_rmse; ttv 4.50 rmse_cbf; ttv 1.25 frame_rmse"
    assert only(judgement) == (HOLDS, ours)
    assert judgement.paper == "at most 4.5 rmse_cbf, 2 frame_rmse"
    assert only(claim(LIMIT, cell("n2n", 4), cell("ttv", 4.6)))[0] == FAILS
    assert only(claim(LIMIT, cell("n2n", 4), cell("ttv", status="crashed")))[0] == UNDECIDED


@pytest.mark.parametrize(("bias", "verdict"), [(-0.4, HOLDS), (-0.6, FAILS), (0.6, FAILS)])
def test_of_a_score_best_near_zero_the_size_counts(bias: float, verdict: str, claim: Judged) -> None:
    biased = changed(cell("n2n"), scores={"bias": score(np.full(2, bias), ["case"], "HU", "zero")})
    assert only(claim("check: limit, rows: [n2n], at_most: {bias: 0.5}", biased))[0] == verdict


# -- gap --------------------------------------------------------------------------------------------------------------

GAP = "check: gap, ahead: supervised, behind: n2n, at_most_percent: {rmse_cbf: 10, ssim_cbf: 1}"


def test_gap_is_in_percent_of_the_one_behind(claim: Judged) -> None:
    judgement = claim(GAP, cell("supervised", 4.6), cell("n2n", 5.0))
    shown = "8.0% rmse_cbf: supervised 4.60 vs n2n 5.00; 0.4% ssim_cbf: supervised 0.954 vs n2n 0.950"
    assert only(judgement) == (HOLDS, shown)
    assert judgement.paper == "at most 10% rmse_cbf, 1% ssim_cbf"
    assert only(claim(GAP, cell("supervised", 4.4), cell("n2n", 5.0)))[0] == FAILS


def test_a_gap_the_other_way_is_below_zero_and_within_the_limit(claim: Judged) -> None:
    verdict, ours = only(claim(GAP, cell("supervised", 6.0), cell("n2n", 5.0)))
    assert verdict == HOLDS
    assert ours.startswith("-20.0% rmse_cbf")


def test_gap_without_one_of_its_rows_is_undecided(claim: Judged) -> None:
    assert only(claim(GAP, cell("supervised", status="crashed"), cell("n2n", 5.0))) == (
        UNDECIDED,
        "supervised: crashed",
    )


def test_of_a_score_of_zero_there_are_no_percent() -> None:
    (level,) = levels(build([cell("a", 0.0), cell("b", 0.0)], {}))
    gap = Gap(check="gap", says="So", ahead="a", behind="b", at_most_percent={"rmse_cbf": 10, "ssim_cbf": 0})
    assert gap.answer(level).verdict == UNDECIDED


# -- sweeps -----------------------------------------------------------------------------------------------------------

WORST = "check: sweep_worst, row: n2n, parameter: beta, at: 0"
FLAT = "check: sweep_flat, row: n2n, parameter: beta, at_or_above: 25, at_most_percent: 5"


def test_a_sweep_is_worst_at_a_value_only_where_it_is_worse_than_at_all_others(claim: Judged) -> None:
    judgement = claim(WORST, cell("n2n", tried={0: 7.0, 12.5: 4.0, 50: 4.2}))
    assert only(judgement) == (HOLDS, "rmse_cbf on validation: 7.00, elsewhere 4.00 to 4.20")
    assert judgement.paper == "worst at beta=0"
    assert only(claim(WORST, cell("n2n", tried={0: 7.0, 12.5: 4.0, 50: 7.0})))[0] == FAILS


def test_where_higher_is_better_the_worst_is_the_lowest(claim: Judged) -> None:
    ssim = WORST + ", score: ssim_cbf"
    assert only(claim(ssim, cell("n2n", tried={0: 0.7, 12.5: 0.8})))[0] == HOLDS
    assert only(claim(ssim, cell("n2n", tried={0: 0.9, 12.5: 0.8})))[0] == FAILS


@pytest.mark.parametrize(
    ("tried", "why"),
    [
        ({}, "n2n: no trials of beta"),
        ({12.5: 4.0, 25: 4.0}, "n2n: no trial at beta=0"),
        ({0: 4.0}, "n2n: no trial at any other value"),
        ({0: 7.0, 12.5: None}, "n2n: the trials at beta=12.5 failed"),
    ],
)
def test_a_sweep_without_the_trials_it_needs_is_undecided(
    tried: dict[float, float | None], why: str, claim: Judged
) -> None:
    assert only(claim(WORST, cell("n2n", tried=tried))) == (UNDECIDED, why)


def test_a_sweep_of_which_a_trial_was_stopped_early_is_undecided(claim: Judged) -> None:
    made = cell("n2n", tried={0: 7.0, 12.5: 4.0})
    stopped = Trial(
        parameters={"beta": 50}, value=None, message="stopped after 3 of 8 cases", so_far=9.0, scored_on=3, cases=8
    )
    assert only(claim(WORST, changed(made, trials=[*made.trials, stopped]))) == (
        UNDECIDED,
        "n2n: a trial at beta=50 was stopped after 3 of 8 cases; 'tune: {stop_early: false}' scores it",
    )


def test_a_sweep_is_flat_where_its_trials_from_a_value_on_are_near_each_other(claim: Judged) -> None:
    judgement = claim(FLAT, cell("n2n", tried={0: 7.0, 25: 4.0, 37.5: 4.15, 50: 4.1}))
    assert only(judgement) == (HOLDS, "3.8%: rmse_cbf on validation 4.00 to 4.15 at 3 values")
    assert judgement.paper == "within 5% from beta=25 on"
    assert only(claim(FLAT, cell("n2n", tried={0: 7.0, 25: 4.0, 50: 4.3})))[0] == FAILS
    one = claim(FLAT, cell("n2n", tried={0: 7.0, 50: 4.3}))
    assert only(one) == (UNDECIDED, "n2n: 1 trials from beta=25 on, 2 are needed")


BETAS, WIDTHS = [0.0, 25.0, 50.0], [16, 32]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([3.0, 4.0, 5.0, None]), min_size=12, max_size=12))
def test_sweeps_take_the_best_over_other_parameters_and_the_mean_over_seeds(values: list[float | None]) -> None:
    grid = dict(zip(itertools.product([0, 1], BETAS, WIDTHS), values, strict=True))
    cells = [
        cell(
            "n2n",
            seed=seed,
            trials=[trial({"beta": b, "width": w, "mode": "x"}, grid[seed, b, w]) for b in BETAS for w in WIDTHS],
        )
        for seed in (0, 1)
    ]
    (level,) = levels(build(cells, {}))
    best = {(s, b): min((v for w in WIDTHS if (v := grid[s, b, w])), default=None) for s in (0, 1) for b in BETAS}
    claim = SweepWorst(check="sweep_worst", says="So", row="n2n", parameter="beta", at=0)
    assert level.tuned("n2n") == ["beta", "width"]
    if None in best.values():
        with pytest.raises(Exception, match="failed"):
            claim.answer(level)
        return
    means = {b: (best[0, b] + best[1, b]) / 2 for b in BETAS}
    swept = level.sweep("n2n", "beta", None)
    assert (swept.score, swept.better, swept.values) == ("rmse_cbf", "lower", pytest.approx(means))
    assert (claim.answer(level).verdict == HOLDS) == (means[0.0] > max(means[25.0], means[50.0]))


def test_a_sweep_is_of_the_score_that_tuned_whichever_that_is(claim: Judged) -> None:
    by = objective("ssim", "mtt", "higher")
    row = cell("n2n", tried={0: 0.7, 25: 0.8, 50: 0.82}, tuned_by=by)
    assert only(claim(WORST, row)) == (HOLDS, "ssim_mtt on validation: 0.700, elsewhere 0.800 to 0.820")
    assert only(claim(WORST + ", score: ssim_mtt", row))[0] == HOLDS
    assert only(claim(WORST + ", score: rmse_cbf", row)) == (UNDECIDED, "n2n: tuned by ssim_mtt, not by rmse_cbf")
    assert only(claim(FLAT, row)) == (HOLDS, "2.5%: ssim_mtt on validation 0.800 to 0.820 at 2 values")
    best = cell("n2n", tried={0: 0.9, 25: 0.8}, tuned_by=by)
    assert only(claim(WORST, best))[0] == FAILS


def test_a_sweep_takes_the_best_the_way_that_tuning_did(claim: Judged) -> None:
    tried = [trial({"beta": b, "width": w}, v) for b, w, v in ((0, 1, -3.0), (0, 2, 1.0), (25, 1, 2.0), (25, 2, -4.0))]
    row = cell("n2n", trials=tried, tuned_by=objective("frame_rmse", "cbf", "zero"))
    assert only(claim(WORST, row)) == (FAILS, "frame_rmse on validation: 1.00, elsewhere 2.00")


def test_a_metric_that_failed_is_said_and_leaves_a_claim_undecided(claim: Judged) -> None:
    whole, text = cell("none", 20), "check: ahead, rows: [n2n], of: [none], scores: [rmse_cbf, {}]"
    for metric, column in (("ssim", "ssim_cbf"), ("frame_rmse", "frame_rmse")):
        made = cell("n2n", 4)
        scores = {name: table for name, table in made.scores.items() if name != metric}
        lost = changed(made, scores=scores, faults={metric: "error: no"})
        verdict, ours = only(claim(text.format(column), whole, lost))
        assert (verdict, ours.split("; ")[-1]) == (UNDECIDED, f"n2n: {metric} failed")
        assert ours.startswith("1 of 2 comparisons hold")


def test_a_metric_that_failed_in_one_seed_alone_leaves_a_claim_undecided(claim: Judged) -> None:
    good, other = cell("n2n"), cell("n2n", seed=1)
    lost = changed(other, scores={"rmse": other.scores["rmse"]}, faults={"frame_rmse": "error: no"})
    peak = PEAK.replace("n2n, tips", "n2n")
    assert only(claim(peak, good, other))[0] == HOLDS
    assert only(claim(peak, good, lost)) == (UNDECIDED, "n2n: frame_rmse failed")


def test_a_claim_of_a_metric_that_failed_everywhere_is_undecided(claim: Judged) -> None:
    rows = [changed(cell(name, 4.0), faults={"dice": "error: no"}) for name in ("none", "n2n")]
    text = "check: ahead, rows: [n2n], of: [none], scores: [dice]"
    assert only(claim(text, *rows)) == (UNDECIDED, "0 of 1 comparisons hold; n2n: dice failed")


# -- peak and time ----------------------------------------------------------------------------------------------------

PEAK = "check: peak, rows: [n2n, tips], score: frame_rmse, near_s: 19, within_s: 2"


def test_the_peak_of_a_score_over_time_is_near_a_time_for_each_row(claim: Judged) -> None:
    judgement = claim(PEAK, cell("n2n"), cell("tips", peak_s=21.0))
    assert only(judgement) == (HOLDS, "n2n 19 s; tips 21 s")
    assert judgement.paper == "19 s (± 2 s)"
    assert only(claim(PEAK, cell("n2n"), cell("tips", peak_s=23.0))) == (FAILS, "n2n 19 s; tips 23 s")


def test_a_row_without_the_score_over_time_leaves_the_peak_undecided(claim: Judged) -> None:
    other = cell("tips")
    other = changed(other, scores={**other.scores, "frame_rmse": inapplicable()})
    assert only(claim(PEAK, cell("n2n"), other)) == (UNDECIDED, "n2n 19 s; tips: no frame_rmse")
    assert only(claim(PEAK, cell("n2n", peak_s=23.0), other))[0] == FAILS


def test_without_any_score_over_time_the_peak_is_undecided(claim: Judged) -> None:
    assert only(claim(PEAK, record("n2n"), record("tips"))) == (UNDECIDED, "n2n: no frame_rmse; tips: no frame_rmse")


def test_the_peak_of_a_row_that_is_still_to_run_is_undecided(claim: Judged) -> None:
    cells = [cell(name, noise=noise) for noise in (1e5, 1e6) for name in ("none", "n2n", "tips")]
    planned = index_of(cells).cells
    judgement = claim(PEAK, cell("n2n"), cell("tips"), cells=planned)
    first, second = judgement.findings
    assert (first.verdict, second.verdict) == (HOLDS, UNDECIDED)
    assert second.ours == "n2n: no result; tips: no result"


def test_inference_is_denoising_and_maps_and_training_is_fitting(claim: Judged) -> None:
    timings = {"denoise_s": [1.0, 1.2], "maps_s": [0.1, 0.1], "fit_s": 10801.0, "contended": True}
    row = cell("n2n", timings=timings)
    time = "check: time, row: n2n, quantity: {}, at_most_s: {}"
    shown = "1.20 s on a GPU, 2 threads, beside other cells"
    assert only(claim(time.format("inference", 1.3), row)) == (HOLDS, shown)
    assert only(claim(time.format("inference", 1.1), row)) == (FAILS, shown)
    judgement = claim(time.format("training", 10800), row)
    assert only(judgement) == (FAILS, "10801 s on a GPU, 2 threads, beside other cells")
    assert judgement.paper == "10800 s"
    assert only(claim(time.format("training", 10800), cell("n2n"))) == (UNDECIDED, "n2n: no fit_s")


def test_a_time_says_nothing_where_it_was_not_run_as_the_papers_was(claim: Judged) -> None:
    timings = {"denoise_s": [1.0], "maps_s": [0.1], "fit_s": 5.0, "device": "cpu", "fit_resumed": False}
    row = cell("n2n", timings=timings, parameters={"preset": "default"})
    time = "check: time, row: n2n, quantity: training, at_most_s: 10"
    assert only(claim(time, row))[0] == HOLDS
    assert only(claim(time + ", device: cpu, parameters: {preset: default}", row))[0] == HOLDS
    verdict, ours = only(claim(time + ", device: cuda, parameters: {preset: paper}", row))
    assert verdict == UNDECIDED
    assert ours.endswith("unlike the paper: preset default in place of paper, device cpu in place of cuda")
    resumed = cell("n2n", timings={**timings, "fit_resumed": True})
    assert only(claim(time, resumed))[0] == UNDECIDED
    assert only(claim(time.replace("training", "inference"), resumed))[0] == HOLDS


# -- levels and seeds -------------------------------------------------------------------------------------------------


def test_a_claim_holds_only_where_it_does_at_every_level(claim: Judged) -> None:
    text = "check: ahead, rows: [n2n], of: [none], scores: [rmse_cbf]"
    low = [cell("none", 9, 1e5), cell("n2n", 4, 1e5)]
    high = [cell("none", 3, 1e6), cell("n2n", 4, 1e6)]
    judgement = claim(text, *low, *high)
    assert [(f.noise, f.verdict) for f in judgement.findings] == [(1e5, HOLDS), (1e6, FAILS)]
    assert judgement.verdict == FAILS
    assert claim(f"{text}, noise: [1e5]", *low, *high).verdict == HOLDS


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([], (UNDECIDED, "")),
        ([(HOLDS, "1 patient"), (HOLDS, ""), (HOLDS, "a time"), (HOLDS, "1 patient")], (HOLDS, "1 patient, a time")),
        ([(HOLDS, "1 patient"), (UNDECIDED, "")], (UNDECIDED, "")),
        ([(UNDECIDED, ""), (FAILS, "1 patient"), (HOLDS, "")], (FAILS, "1 patient")),
        ([(FAILS, ""), (FAILS, "1 patient")], (FAILS, "")),  # the one with an interval is enough
    ],
)
def test_the_verdict_of_parts_says_where_it_goes_by_no_interval(
    parts: list[tuple[Verdict, str]], whole: tuple[Verdict, str]
) -> None:
    assert overall(parts) == whole


def test_trials_and_scores_over_time_are_those_of_the_level(claim: Judged) -> None:
    low = cell("n2n", noise=1e5, tried={0: 7.0, 25: 4.0})
    high = cell("n2n", noise=1e6, tried={0: 2.0, 25: 3.0}, peak_s=23.0)
    assert [f.verdict for f in claim(WORST, low, high).findings] == [HOLDS, FAILS]
    peak = PEAK.replace("n2n, tips", "n2n")
    assert [f.ours for f in claim(peak, low, high).findings] == ["n2n 19 s", "n2n 23 s"]


def test_scores_are_means_over_seeds(claim: Judged) -> None:
    text = "check: ahead, rows: [n2n], of: [none], scores: [rmse_cbf]"
    seeds = [cell("n2n", 4.0), cell("n2n", 8.0, seed=1)]
    assert only(claim(text, cell("none", 6.5), *seeds))[1].endswith("n2n 6.00 vs none 6.50")


def test_data_without_noise_levels_have_one_level(claim: Judged) -> None:
    judgement = claim(WORST, cell("n2n", noise=None, tried={0: 7.0, 12.5: 4.0}))
    assert [(f.noise, f.verdict) for f in judgement.findings] == [(None, HOLDS)]


def test_cells_that_are_planned_but_not_finished_leave_a_claim_undecided(claim: Judged) -> None:
    text = "check: ahead, rows: [n2n], of: [none], scores: [rmse_cbf]"
    planned = [
        PlannedCell(key=f"{config}-{noise}-{seed}", dataset="phantom", noise=noise, config=config, seed=seed)
        for noise in (1e5, 1e6)
        for config in ("none", "n2n")
        for seed in (0, 1)
    ]
    done = [cell("none", 9), cell("none", 9, seed=1), cell("n2n", 4)]
    judgement = claim(text, *done, cells=planned)
    assert [f.verdict for f in judgement.findings] == [UNDECIDED, UNDECIDED]
    assert judgement.findings[0].ours.endswith("n2n: 1 of 2 seeds finished")
    assert judgement.findings[1].ours.endswith("n2n: no result")
    assert claim(text, cells=planned).verdict == UNDECIDED
    assert only(claim(text)) == (UNDECIDED, "no cell has finished")


def test_verdicts_are_the_same_from_the_file(tmp_path: Path) -> None:
    tree = build([cell("n2n", tried={0: 7.0, 25: 4.0, 50: 4.1}), cell("tips", 5.0)], {})
    save(tree, tmp_path / "results.nc")
    (tmp_path / "claims.yaml").write_text(
        "paper: A paper\nclaims:\n" + "".join(f"  - {{says: So, {text}}}\n" for text in (WORST, FLAT, PEAK))
    )
    claims = load_claims(tmp_path / "claims.yaml")
    judged = judge(claims, tree)
    assert judge(claims, open_results(tmp_path / "results.nc")) == judged
    assert [one.verdict for one in judged] == [HOLDS] * 3


# -- faults -----------------------------------------------------------------------------------------------------------


def faults(path: Path, text: str, *records: Record) -> list[str]:
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        judge(load_claims(path), build(records, {}))
    return str(raised.value).replace(f"{path}:", "").splitlines()


def test_every_fault_of_a_file_is_told_with_its_line(tmp_path: Path) -> None:
    text = """papr: A paper
claims:
  - just text
  - {says: So, check: ahed}
  - {says: So}
  - says: So
    check: gap
    ahead: a
    behind: b
    at_most: {rmse_cbf: 10}
  - {says: So, check: time, row: n2n, quantity: inferense, at_most_s: -1}
  - {says: So, check: ahead, rows: [a, a], of: [], scores: [rmse_cbf], noise: [0]}
  - {says: So, check: ahead, rows: [a, b], of: [b], scores: [rmse_cbf]}
"""
    found = faults(tmp_path / "claims.yaml", text)
    assert [line.split(":")[0] for line in found] == [
        "1",
        "1",
        "3",
        "4",
        "5",
        "6",
        "10",
        "11",
        "11",
        "12",
        "12",
        "12",
        "13",
    ]
    for expected in (
        "unknown key 'papr' (did you mean paper?)",
        "'paper' is missing",
        "got 'just text'; allowed: a mapping with says, check",
        "claims[1].check: got 'ahed'; allowed: ahead, gap, limit, sweep_worst, sweep_flat, peak, time (did you mean ah",
        "claims[2]: 'check' is missing",
        "claims[3]: 'at_most_percent' is missing",
        "unknown key 'at_most' (did you mean at_most_percent?); allowed: says, dataset, noise, comment, check, ahead",
        "(did you mean inference?)",
        "allowed: above 0",
        'rows: got ["a", "a"]; allowed: each once',
        "no row is ahead of itself; allowed: b in rows or in of",
    ):
        assert any(expected in line for line in found), expected


def test_what_the_results_do_not_know_is_told_with_its_line_and_the_nearest_name(tmp_path: Path) -> None:
    text = """paper: A paper
claims:
  - says: So
    check: ahead
    rows: [n2m]
    of: [none]
    scores: [rmse_cbf, rmse_mt]
    noise: [1e5, 3e5]
  - {says: So, check: gap, ahead: n2n, behind: none, at_most_percent: {rmse_xyz: 1}}
  - {says: So, check: sweep_worst, row: n2n, parameter: bta, at: 0}
  - {says: So, check: peak, rows: [n2n], score: rmse_cbf, near_s: 19, within_s: 2}
  - {says: So, check: time, dataset: phantm, row: n2n, quantity: training, at_most_s: 1}
"""
    records = [cell("n2n", noise=noise, tried={0: 7.0, 25: 4.0}) for noise in (1e5, 1e6)]
    found = faults(tmp_path / "claims.yaml", text, *records, cell("none"))
    known = "rmse_cbf, rmse_cbv, rmse_mtt, ssim_cbf, ssim_cbv, ssim_mtt, frame_rmse"
    assert found == [
        "5: claims[0].rows[0]: the results have no row 'n2m' (did you mean n2n?); they have n2n, none",
        f"7: claims[0].scores[1]: the results have no score 'rmse_mt' (did you mean rmse_mtt?); they have {known}",
        "8: claims[0].noise[1]: the results have no noise 3e5; they have 1e5, 1e6",
        "9: claims[1].at_most_percent.rmse_xyz: the results have no score 'rmse_xyz' (did you mean rmse_mtt?); "
        f"they have {known}",
        "10: claims[2].parameter: the results have no tuned parameter 'bta' (did you mean beta?); they have beta",
        "11: claims[3].score: the results have no score over time 'rmse_cbf'; they have frame_rmse",
        "12: claims[4].dataset: the results have no dataset 'phantm' (did you mean phantom?); they have phantom",
    ]


def test_a_claim_of_what_is_better_by_what_ranks_nothing_is_refused(tmp_path: Path, claim: Judged) -> None:
    text = """paper: A paper
claims:
  - {says: So, check: ahead, rows: [a], of: [b], scores: [volume]}
  - {says: So, check: gap, ahead: a, behind: b, at_most_percent: {volume: 1}}
"""
    volume = held_against(score([1.0, 3.0], ["case"]), "volume", "true_volume")
    records = [record(label, scores={"volume": volume}) for label in "ab"]
    allowed = "allowed: a score of which lower, higher or nearer to zero is better"
    assert faults(tmp_path / "claims.yaml", text, *records) == [
        f"3: claims[0].scores[0]: 'volume' ranks nothing; {allowed}",
        f"4: claims[1].at_most_percent.volume: 'volume' ranks nothing; {allowed}",
    ]
    assert claim("check: limit, rows: [a], at_most: {volume: 2}", *records).verdict == "holds"


def test_of_several_datasets_a_claim_names_its_own(claim: Judged) -> None:
    text = "check: ahead, rows: [n2n], of: [none], scores: [rmse_cbf]"
    records = [cell("none", 9), cell("n2n", 4), *(cell(c, 4, dataset="real") for c in ("none", "n2n"))]
    with pytest.raises(InputError, match=r"'dataset' is missing; the results have phantom, real"):
        claim(text, *records)
    assert claim(f"{text}, dataset: phantom", *records).verdict == HOLDS
    assert claim(f"{text}, dataset: real", *records).verdict == FAILS


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"claims\.yaml: no such file; write one, or name another with --claims"):
        load_claims(tmp_path / "claims.yaml")
