"""Of enough patients the whole interval decides: a claim holds, fails, or is undecided where it covers an end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctpbench.outcome.claims import Finding, judge, load_claims
from ctpbench.outcome.claims.checks import Ahead
from ctpbench.outcome.claims.claim import judged
from ctpbench.outcome.claims.level import levels
from ctpbench.outcome.results import build
from ctpbench.outcome.scores import interval_text
from ctpbench.outcome.statistics import Estimate, Interval, mean_interval, relative_lead
from ctpbench.running.record import Record
from tests.outcome.records import changed, record, score
from tests.outcome.test_leaderboard import patient_values, ward

A, B, C = ward("a", 5.0), ward("b", 5.02, spread=1.2), ward("c", 9.0, spread=1.3)

Judged = Callable[..., Finding]


@pytest.fixture
def finding(tmp_path: Path) -> Judged:
    """Judge one claim over the records of one level."""

    def found(text: str, *records: Record) -> Finding:
        (tmp_path / "claims.yaml").write_text(f"paper: A paper\nclaims:\n  - {{says: It is so, {text}}}\n")
        (one,) = judge(load_claims(tmp_path / "claims.yaml"), build(records, {}))
        (at_level,) = one.findings
        return at_level

    return found


def ahead(rows: str, of: str, scores: str = "rmse_cbf") -> str:
    return f"check: ahead, rows: [{rows}], of: [{of}], scores: [{scores}]"


def ends(estimate: Estimate) -> tuple[float, float]:
    assert estimate.interval is not None
    return estimate.interval.low, estimate.interval.high


def few(made: Record, patients: int) -> Record:
    """The record of the first so many patients alone."""
    kept = [place for place, whose in enumerate(made.patients) if int(whose[1:]) < patients]
    scores = {n: t.model_copy(update={"values": [t.values[i] for i in kept]}) for n, t in made.scores.items()}
    return changed(made, cases=[made.cases[i] for i in kept], patients=[made.patients[i] for i in kept], scores=scores)


# -- ahead ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "verdict", "ours"),
    [
        (ahead("a", "c"), "holds", "1 of 1 comparisons hold; closest rmse_cbf: a 5.14 vs c 9.16 (by 4.02 [3."),
        (ahead("c", "a"), "fails", "0 of 1 comparisons hold; not rmse_cbf: c 9.16 vs a 5.14 (by -4.02 [-4."),
        (ahead("a", "b"), "undecided", "0 of 1 comparisons hold; undecided rmse_cbf: a 5.14 vs b 5.18 (by 0.03 [-0."),
        (ahead("a", "b, c"), "undecided", "1 of 2 comparisons hold; undecided rmse_cbf: a 5.14 vs b 5.18"),
        (ahead("a, c", "b"), "fails", "0 of 2 comparisons hold; not rmse_cbf: c 9.16 vs b 5.18"),
    ],
)
def test_ahead_is_held_against_the_interval_of_the_paired_difference(
    text: str, verdict: str, ours: str, finding: Judged
) -> None:
    found = finding(text, A, B, C)
    assert (found.verdict, found.reason, found.text) == (verdict, "", verdict)
    assert found.ours.startswith(ours)


def test_a_row_that_is_ahead_in_its_mean_alone_is_undecided(finding: Judged) -> None:
    by_values = finding(ahead("a", "b"), *(few(made, 5) for made in (A, B)))
    assert (by_values.verdict, finding(ahead("a", "b"), A, B).verdict) == ("holds", "undecided")


@settings(max_examples=15, deadline=None)
@example([0] * 7 + [-1])  # whose interval ends at 0
@example([1] * 8)
@given(st.lists(st.integers(-20, 60), min_size=8, max_size=8))
def test_ahead_equals_its_naive_twin(leads: list[int]) -> None:
    theirs = np.linspace(5.0, 8.0, 8)
    rows = {"ours": theirs - np.array(leads) / 100, "theirs": theirs}
    cases = [f"p{i}" for i in range(8)]
    made = [
        record(name, cases=cases, patients=cases, timings={}, scores={"m": score(values, ["case"], "HU")})
        for name, values in rows.items()
    ]
    (level,) = levels(build(made, {}))
    answer = Ahead(check="ahead", says="So", rows=["ours"], of=["theirs"], scores=["m"]).answer(level)
    expected = mean_interval(rows["theirs"] - rows["ours"])
    if expected.interval is None:
        assert answer.reason == "all 8 patients have the same difference"
        assert answer.verdict == ("holds" if leads[0] > 0 else "fails")
    else:
        low, high = expected.interval.low, expected.interval.high
        rounding = 1e-12
        verdict = "holds" if low > rounding else "fails" if high < -rounding else "undecided"
        assert (answer.verdict, answer.reason) == (verdict, "")


# -- patients who are too few, or not known ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda made: few(made, 1), "1 patient"),
        (lambda made: few(made, 5), "5 patients"),
        (lambda made: changed(made, patients=[]), "patients unknown"),
    ],
)
@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (ahead("a", "c"), "holds"),
        (ahead("c", "a"), "fails"),
        ("check: gap, ahead: a, behind: c, at_most_percent: {rmse_cbf: 60}", "holds"),
        ("check: gap, ahead: a, behind: c, at_most_percent: {rmse_cbf: 10}", "fails"),
        ("check: limit, rows: [a], at_most: {rmse_cbf: 7}", "holds"),
        ("check: limit, rows: [a], at_most: {rmse_cbf: 4}", "fails"),
    ],
)
def test_without_an_interval_the_values_decide_and_the_verdict_says_why(
    text: str, verdict: str, change: Callable[[Record], Record], reason: str, finding: Judged
) -> None:
    found = finding(text, *map(change, (A, C)))
    assert found.text == f"{verdict} (no interval: {reason})"
    assert "[" not in found.ours
    six = finding(text, *(few(made, 6) for made in (A, C)))
    assert (six.verdict, six.reason) == (verdict, "")


def test_rows_without_a_patient_in_common_are_undecided(finding: Judged) -> None:
    whose = [f"q{place}" for place in range(len(C.cases))]
    other = changed(C, cases=[f"{case} again" for case in C.cases], patients=whose)
    for text in (ahead("a", "c"), "check: gap, ahead: a, behind: c, at_most_percent: {rmse_cbf: 10}"):
        found = finding(text, A, other)
        assert found.verdict == "undecided"
        assert found.ours.endswith("a, c: no patient with rmse_cbf of both")


# -- the other checks -------------------------------------------------------------------------------------------------


def decided(low: float, high: float, limit: float) -> str:
    return "holds" if high <= limit else "fails" if low > limit else "undecided"


@pytest.mark.parametrize("place", [-0.2, 0.5, 1.2])
def test_a_gap_is_held_against_the_interval_of_the_percent(place: float, finding: Judged) -> None:
    behind = changed(B, config="c", scores={"rmse": scaled(B, 1 / 0.9)})
    expected = relative_lead(np.array([patient_values(A), patient_values(B) / 0.9]), "lower")
    low, high = ends(expected)
    limit = low + place * (high - low)
    found = finding(f"check: gap, ahead: a, behind: c, at_most_percent: {{rmse_cbf: {limit}}}", A, behind)
    assert (found.verdict, found.reason) == (decided(low, high, limit), "")
    assert found.ours == f"{expected.value:.1f}% [{low:.1f}, {high:.1f}] rmse_cbf: a 5.14 vs c 5.75"


def scaled(made: Record, factor: float) -> Any:
    table = made.scores["rmse"]
    return table.model_copy(update={"values": (factor * np.array(table.values, dtype=float)).tolist()})


@pytest.mark.parametrize(("limit", "verdict"), [(6.5, "holds"), (5.2, "undecided"), (4.2, "fails")])
def test_a_limit_is_held_against_the_interval_of_the_mean(limit: float, verdict: str, finding: Judged) -> None:
    low, high = ends(mean_interval(patient_values(A)))
    assert decided(low, high, limit) == verdict
    found = finding(f"check: limit, rows: [a], at_most: {{rmse_cbf: {limit}}}", A)
    assert (found.verdict, found.reason) == (verdict, "")
    assert found.ours == f"a {np.mean(patient_values(A)):.2f} [{low:.2f}, {high:.2f}] rmse_cbf"


@pytest.mark.parametrize(
    ("mean", "limit", "verdict"),
    [
        (-3.0, 4.5, "holds"),
        (-3.0, 3.0, "undecided"),
        (-3.0, 1.0, "fails"),
        (3.0, 1.0, "fails"),
        (0.0, 0.2, "undecided"),
    ],
)
def test_of_a_score_best_near_zero_the_size_counts_either_side(
    mean: float, limit: float, verdict: str, finding: Judged
) -> None:
    values = mean + np.sin(7.0 * np.arange(8))
    cases = [f"p{i}" for i in range(8)]
    biased = record(
        "a", cases=cases, patients=cases, timings={}, scores={"bias": score(values, ["case"], "HU", "zero")}
    )
    assert finding(f"check: limit, rows: [a], at_most: {{bias: {limit}}}", biased).verdict == verdict


def curves(peaks_s: Sequence[float], patients: Sequence[str]) -> Record:
    times_s = [17.0, 19.0, 21.0, 23.0, 25.0]
    table = [[2.0 if time == peak else 1.0 for time in times_s] for peak in peaks_s]
    scores = {"frame_rmse": score(table, ["case", "time"], "HU", time=times_s)}
    cases = [f"case {place}" for place in range(len(peaks_s))]
    return record("a", cases=cases, patients=list(patients), timings={}, scores=scores)


PEAK = "check: peak, rows: [a], score: frame_rmse, near_s: 19, within_s: 2"
EIGHT = [f"p{patient}" for patient in range(8)]


@pytest.mark.parametrize(
    ("peaks_s", "verdict"),
    [
        ([17, 19, 19, 19, 19, 19, 21, 19], "holds"),
        ([19, 19, 21, 23, 21, 19, 23, 21], "undecided"),
        ([23, 23, 25, 25, 23, 23, 25, 23], "fails"),
    ],
)
def test_a_peak_is_the_mean_of_the_patients_peaks(peaks_s: list[float], verdict: str, finding: Judged) -> None:
    found = finding(PEAK, curves(peaks_s, EIGHT))
    low, high = ends(mean_interval(np.array(peaks_s, dtype=float)))
    assert (found.verdict, found.reason) == (verdict, "")
    assert found.ours == f"a {interval_text(float(np.mean(peaks_s)), low, high)} s"


def test_a_patients_curve_is_the_mean_over_its_cases(finding: Judged) -> None:
    peaks_s = [17.0, 17.0, 23.0, *[19.0] * 7]  # the first three of one patient, whose curve is largest at 17 s
    alone = finding(PEAK, curves([17.0, *[19.0] * 7], EIGHT))
    assert finding(PEAK, curves(peaks_s, ["p0", "p0", *EIGHT])) == alone


def test_patients_of_one_peak_need_no_interval_and_the_verdict_says_so(finding: Judged) -> None:
    found = finding(PEAK, curves([21.0] * 8, EIGHT))
    assert (found.text, found.ours) == ("holds (no interval: all 8 patients have the same score)", "a 21 s")


def test_a_row_that_lacks_the_score_over_time_is_undecided(finding: Judged) -> None:
    lacking = curves([19.0, 19.0], ["p0", "p1"])
    table = lacking.scores["frame_rmse"].model_copy(update={"values": [[None] * 5, [None] * 5]})
    other = changed(curves([19.0, 19.0], ["p0", "p1"]), config="b", key="b")
    found = finding(PEAK, changed(lacking, scores={"frame_rmse": table}), other)
    assert (found.verdict, found.ours) == ("undecided", "a: no frame_rmse")


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ((1.0, 2.0), "holds"),
        ((0.5, 2.0), "undecided"),
        ((-1.0, 0.5), "fails"),
        ((3.5, 4.0), "fails"),
        ((0, 9), "undecided"),
    ],
)
def test_an_interval_covers_an_end_or_lies_within_or_elsewhere(interval: tuple[float, float], expected: str) -> None:
    assert judged(Estimate(1.5, Interval(*interval), 8), at_least=1.0, at_most=3.0) == (expected, "")
    assert judged(Estimate(1.5, None, 2, "2 patients; an interval needs 6"), 1.0, 3.0) == ("holds", "2 patients")
