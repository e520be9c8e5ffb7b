"""A lead in percent is a ratio of means over patients, and its interval goes by how the percent vary."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from ctpbench.outcome.statistics import mean_interval, patient_differences, relative_lead
from tests.outcome.statistics import coverage

RNG = np.random.default_rng(0)
OTHERS = RNG.uniform(4.0, 9.0, size=12)
ROWS = np.array([OTHERS * RNG.normal(0.9, 0.05, size=12), OTHERS])


@pytest.mark.parametrize(
    ("better", "sign", "percent"), [("lower", 1, 100), ("zero", -1, 100), ("higher", 1, -100), ("higher", -1, 100)]
)
def test_it_equals_its_twin_patient_by_patient(better, sign, percent):
    found = relative_lead(sign * ROWS, better)
    ratio = sum(other - one for one, other in ROWS.T) / sum(other for _, other in ROWS.T)
    assert found.value == pytest.approx(percent * ratio)
    linear = mean_interval([(other - one - ratio * other) / OTHERS.mean() for one, other in ROWS.T]).interval
    ends = sorted(percent * (ratio + end) for end in (linear.low, linear.high))
    assert [found.interval.low, found.interval.high] == pytest.approx(ends, rel=0.02)  # of another direction: resampled


def test_the_same_percent_in_every_patient_have_no_spread_however_far_scores_spread():
    found = relative_lead(np.array([0.75 * OTHERS, OTHERS]), "lower")
    assert found.value == pytest.approx(25)
    assert (found.interval, found.reason) == (None, "all 12 patients have the same difference")


def test_units_and_patients_of_one_row_alone_change_nothing():
    lacking = np.full((2, 14), np.nan)
    lacking[:, :12], lacking[0, 12], lacking[1, 13] = 1000 * ROWS, 5.0, 7.0
    ours, theirs = relative_lead(ROWS, "lower"), relative_lead(lacking, "lower")
    assert theirs.patients == 12
    assert [theirs.value, theirs.interval.low, theirs.interval.high] == pytest.approx(
        [ours.value, ours.interval.low, ours.interval.high]
    )


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (np.array([[1.0, 2.0], [2.0, 4.0]]), "2 patients; an interval needs 6"),
        (np.array([[1.0, np.nan], [np.nan, 4.0]]), "0 patients; an interval needs 6"),
        (np.array([[1.0, 2.0], [0.0, 0.0]]), "a score of 0, of which there are no percent"),
        (np.array([[1.0, np.inf], [2.0, 4.0]]), "infinite in 1 of 2 patients"),
    ],
)
def test_where_there_is_no_interval_it_says_why(rows, reason):
    found = relative_lead(rows, "lower")
    assert (found.interval, found.reason) == (None, reason)
    assert np.isnan(found.value) == (not reason.startswith("2 patients"))


def test_the_spread_of_trainings_widens_it():
    alone = relative_lead(ROWS, "lower").interval
    seeds = ROWS[:, None, :] + np.array([[[-0.5], [0.5]], [[0.0], [0.0]]])
    trained = relative_lead(seeds, "lower").interval
    assert trained.high - trained.low > 3 * (alone.high - alone.low)


@pytest.mark.parametrize("n", [8, 24])
def test_the_percent_are_held(n):
    found = coverage.covered(coverage.PERCENT, partial(coverage.percent, n=n), 300)
    assert 0.88 <= found.share <= 0.985


def test_rows_other_than_two_are_refused():
    with pytest.raises(ValueError, match="got 3 rows; allowed: two"):
        patient_differences(np.zeros((3, 8)), "lower")


def test_differences_are_by_patient_means_over_seeds_and_nan_where_a_row_lacks_one():
    table = np.array([[[1.0, 2.0, np.nan], [3.0, 2.0, 1.0]], [[5.0, 1.0, 4.0], [np.nan, np.nan, np.nan]]])
    np.testing.assert_allclose(patient_differences(table, "lower"), [3.0, -1.0, np.nan])
    np.testing.assert_allclose(patient_differences(-table, "zero"), [3.0, -1.0, np.nan])
