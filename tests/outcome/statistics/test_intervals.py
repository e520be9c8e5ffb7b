"""A mean over patients has the interval that its spread gives it, and none where nothing can be said."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import stats

from ctpbench.outcome.statistics import Interval, mean_interval, patient_means
from tests.outcome.statistics import naive

SKEWED = np.array([0.2, 0.5, 0.7, 1.1, 1.9, 6.0])


# -- patients ----------------------------------------------------------------------------------------------------------


def test_a_patient_counts_once_however_many_slices_it_has():
    means = patient_means(np.array([1.0, 2.0, 3.0, 10.0]), ["b", "b", "b", "a"])
    assert means.tolist() == [2.0, 10.0]
    assert mean_interval(means).value == 6.0


def test_patients_come_in_the_order_of_their_first_case_and_rows_and_seeds_stay():
    rng = np.random.default_rng(0)
    scores, groups = rng.normal(size=(3, 2, 7)), ["q", "a", "q", "c", "a", "q", "a"]
    scores[0, 1, [0, 3]] = np.nan  # one of q's three, all of c's
    means = patient_means(scores, groups)
    assert means.shape == (3, 2, 3)
    for row, seed in np.ndindex(3, 2):
        for place, group in enumerate("qac"):
            cases = [score for score, of in zip(scores[row, seed], groups, strict=True) if of == group]
            known = [score for score in cases if not np.isnan(score)]
            expected = sum(known) / len(known) if known else np.nan
            assert means[row, seed, place] == pytest.approx(expected, nan_ok=True)
    assert np.isnan(means).sum() == 1


def test_each_case_is_of_one_patient():
    with pytest.raises(ValueError, match=r"^groups: got 2 for scores of shape \(1, 3\); allowed: one for each case$"):
        patient_means(np.zeros((1, 3)), ["a", "b"])


# -- intervals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_interval_is_that_of_all_resamples(confidence):
    scores = np.array([0.2, 0.5, 0.7, 1.1, 1.6, 2.6])
    low, high = naive.exact_bca(scores, confidence)
    found = mean_interval(scores, confidence, resamples=20000)
    assert found.value == pytest.approx(scores.mean())
    assert found.interval.low == pytest.approx(low, abs=0.02)
    assert found.interval.high == pytest.approx(high, abs=0.1)
    assert high - scores.mean() > 1.4 * (scores.mean() - low)


def test_seeds_widen_by_the_ratio_of_two_intervals_of_students():
    """Two seeds 0.6 apart in every patient: their means have a variance of 0.18."""
    patients = np.array([-1.5, -1.0, -0.5, 0.0, 0.0, 0.5, 1.0, 1.5])
    alone = mean_interval(patients).interval
    both = mean_interval(patients + np.array([[-0.3], [0.3]])).interval
    of_patients, of_seeds = patients.var(ddof=1) / 8, 0.18 / 2
    df = (of_patients + of_seeds) ** 2 / (of_patients**2 / 7 + of_seeds**2 / 1)
    margin, margin_alone = stats.t.ppf(0.975, [df, 7]) * np.sqrt([of_patients + of_seeds, of_patients])
    ratio = margin / margin_alone
    assert both.low == pytest.approx(ratio * alone.low)
    assert both.high == pytest.approx(ratio * alone.high)
    assert ratio > 1.4


def test_seeds_that_are_equal_change_nothing():
    several, one = mean_interval(np.stack([SKEWED] * 3)).interval, mean_interval(SKEWED).interval
    assert [several.low, several.high] == pytest.approx([one.low, one.high])


def test_a_seed_without_any_score_is_left_out_and_then_a_patient_that_lacks_one():
    rng = np.random.default_rng(1)
    whole = rng.normal(size=(3, 9))
    holed = np.vstack([whole, np.full(9, np.nan)])
    holed[1, 4] = np.nan
    assert mean_interval(holed) == mean_interval(np.delete(whole, 4, axis=1))


def test_the_same_seed_gives_the_same_interval_and_another_one_another():
    assert mean_interval(SKEWED, seed=3) == mean_interval(SKEWED, seed=3) != mean_interval(SKEWED, seed=4)


@pytest.mark.parametrize("factor", [-1.0, 1e-120, 1e120])
def test_units_do_not_matter(factor):
    plain, scaled = mean_interval(SKEWED).interval, mean_interval(factor * SKEWED).interval
    ends = sorted((factor * plain.low, factor * plain.high))
    assert [scaled.low, scaled.high] == pytest.approx(ends, rel=0.02 if factor < 0 else 1e-9)


@pytest.mark.parametrize(
    ("scores", "value", "patients", "reason"),
    [
        ([1.0, 2.0, 3.0], 2.0, 3, "3 patients; an interval needs 6"),
        ([np.nan] * 5 + [4.0], 4.0, 1, "1 patient; an interval needs 6"),
        ([np.nan] * 8, np.nan, 0, "0 patients; an interval needs 6"),
        ([], np.nan, 0, "0 patients; an interval needs 6"),
        ([0.1] * 7, 0.1, 7, "all 7 patients have the same score"),
        ([0.3, 0.1 + 0.2] * 4, 0.3, 8, "all 8 patients have the same score"),
        ([0.0] * 6, 0.0, 6, "all 6 patients have the same score"),
        ([1.0, 2.0, 3.0, 4.0, 5.0, np.inf], np.inf, 6, "infinite in 1 of 6 patients"),
        ([-np.inf, 2.0, 3.0, 4.0, 5.0, np.inf], np.nan, 6, "infinite in 2 of 6 patients"),
    ],
)
def test_where_there_is_no_interval_it_says_why(scores, value, patients, reason):
    found = mean_interval(np.array(scores))
    assert found.value == pytest.approx(value, nan_ok=True)
    assert (found.interval, found.patients, found.reason) == (None, patients, reason)


SCORES = st.floats(-1e100, 1e100) | st.sampled_from([0.0, 1.0, np.nan, np.inf, -np.inf])


@given(scores=arrays(float, array_shapes(max_dims=2, max_side=9), elements=SCORES))
@settings(max_examples=60, deadline=None)
def test_an_interval_is_two_numbers_about_the_mean_or_a_reason(scores):
    found = mean_interval(scores, resamples=100)
    assert (found.interval is None) == bool(found.reason)
    if isinstance(found.interval, Interval):
        assert np.isfinite([found.interval.low, found.interval.high]).all()
        assert found.interval.low <= found.value <= found.interval.high


@pytest.mark.parametrize(
    ("scores", "options", "message"),
    [
        (SKEWED, {"confidence": 95.0}, r"^confidence: got 95; allowed: above 0 and below 1, such as 0.95$"),
        (np.zeros((2, 2, 2)), {}, r"^per_group: got 3 dimensions; allowed: \(group,\) or \(seed, group\)$"),
    ],
)
def test_what_is_no_study_is_refused(scores, options, message):
    with pytest.raises(ValueError, match=message):
        mean_interval(scores, **options)


def test_nothing_is_imported_from_scipy_before_it_is_needed():
    code = "import sys, ctpbench.outcome.statistics; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
