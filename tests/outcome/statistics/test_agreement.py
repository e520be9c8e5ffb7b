"""Agreement of two measurements, against published tables and numbers worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ctpbench.outcome.statistics import bland_altman, cohens_kappa, intraclass_correlation
from tests.outcome.statistics import naive

JUDGES = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
"""Six subjects and four judges: table 2 of Shrout and Fleiss (1979)."""


# -- Bland and Altman --------------------------------------------------------------------------------------------------


def test_bland_altman_by_hand():
    """Differences -3, -1, -1, 1, 1, 3, 3, 5 about a mean of 1: squares sum to 48, t_7 is 2.365."""
    first = np.array([10.0, 12.0, 14.0, 20.0, 25.0, 31.0, 40.0, 55.0])
    found = bland_altman(first, first - [-3, -1, -1, 1, 1, 3, 3, 5])
    sd = np.sqrt(48 / 7)
    assert (found.bias.value, found.sd) == (1.0, pytest.approx(sd))
    assert found.lower.value == pytest.approx(1 - 1.96 * sd, abs=1e-3)
    assert found.upper.value == pytest.approx(1 + 1.96 * sd, abs=1e-3)
    of_bias, of_limit = 2.3646 * sd * np.sqrt(1 / 8), 2.3646 * sd * np.sqrt(1 / 8 + 1.96**2 / 14)
    for estimate, margin in ((found.bias, of_bias), (found.lower, of_limit), (found.upper, of_limit)):
        assert estimate.interval.low == pytest.approx(estimate.value - margin, abs=1e-3)
        assert estimate.interval.high == pytest.approx(estimate.value + margin, abs=1e-3)
        assert (estimate.patients, estimate.reason) == (8, "")


def test_a_patient_measured_once_is_left_out():
    first, second = np.arange(8.0), np.array([0.5, 1.0, 2.5, 2.0, 4.0, 5.5, 6.0, 9.0])
    holed = [*first, np.nan, 3.0], [*second, 4.0, np.nan]
    assert bland_altman(*map(np.array, holed)) == bland_altman(first, second)


@pytest.mark.parametrize(
    ("first", "bias", "sd", "reason"),
    [
        ([], np.nan, np.nan, "0 patients; an interval needs 6"),
        ([2.0], 2.0, np.nan, "1 patient; an interval needs 6"),
        ([1.0, 3.0], 2.0, np.sqrt(2), "2 patients; an interval needs 6"),
        ([0.1] * 7, 0.1, 0.0, "all 7 patients have the same difference"),
        ([np.inf, 1.0, 2.0, 3.0, 4.0, 5.0], np.inf, np.nan, "infinite in 1 of 6 patients"),
    ],
)
def test_without_intervals_bland_altman_says_why(first, bias, sd, reason):
    found = bland_altman(np.array(first), np.zeros(len(first)))
    assert [found.bias.value, found.sd] == pytest.approx([bias, sd], nan_ok=True)
    for estimate in (found.bias, found.lower, found.upper):
        assert (estimate.interval, estimate.reason) == (None, reason)


# -- ICC ---------------------------------------------------------------------------------------------------------------


def test_icc_of_the_published_judges():
    """0.29, and its interval as other programs give it to that table: 0.02 to 0.76."""
    found = intraclass_correlation(JUDGES)
    assert found.value == pytest.approx(0.29, abs=0.005)
    assert [found.interval.low, found.interval.high] == pytest.approx([0.02, 0.76], abs=0.005)
    assert found.patients == 6


def test_icc_is_the_share_of_the_patients_variance():
    ratings = np.random.default_rng(0).normal(size=(9, 1)) + np.random.default_rng(1).normal(size=(9, 3))
    assert intraclass_correlation(ratings).value == pytest.approx(naive.icc(ratings))
    holed = np.vstack([ratings, [[np.nan, 1.0, 2.0]]])
    assert intraclass_correlation(holed) == intraclass_correlation(ratings)


def test_a_rater_who_reads_higher_agrees_less():
    rng = np.random.default_rng(0)
    reading = rng.normal(50.0, 10.0, size=12)
    alike = np.stack([reading, reading + rng.normal(size=12)], axis=1)
    found, shifted = (intraclass_correlation(ratings) for ratings in (alike, alike + np.array([0.0, 10.0])))
    assert found.value > 0.98
    assert shifted.value < 0.75
    constant = intraclass_correlation(np.stack([reading, reading + 10.0], axis=1))
    assert constant.interval.low < constant.value < constant.interval.high


@pytest.mark.parametrize(
    ("ratings", "value", "reason"),
    [
        (np.arange(4.0).reshape(2, 2), np.nan, "2 patients; an interval needs 6"),
        (np.full((8, 2), 0.1), np.nan, "all ratings of 8 patients are the same"),
        (np.tile(np.arange(1, 9)[:, None] / 10, 3), 1.0, "the raters always agree"),
        (JUDGES[:5], naive.icc(JUDGES[:5]), "5 patients; an interval needs 6"),
        (np.where(JUDGES == 1, np.inf, JUDGES), np.nan, "infinite in 2 of 6 patients"),
    ],
)
def test_without_an_interval_icc_says_why(ratings, value, reason):
    found = intraclass_correlation(ratings)
    assert found.value == pytest.approx(value, nan_ok=True)
    assert (found.interval, found.reason) == (None, reason)


# -- kappa -------------------------------------------------------------------------------------------------------------


def decisions(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    counts = [both, first, second, neither]
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


def test_kappa_by_hand():
    """Of 50, they agree in 35, by chance in 25 (the first says yes to 25, the second to 30): 10 / 25."""
    assert cohens_kappa(*decisions(20, 5, 10, 15)).value == pytest.approx(0.4)


def test_the_error_of_kappa_is_the_slope_of_kappa_times_that_of_the_counts():
    """The delta method on the multinomial, with slopes by finite differences, about counts plus 1/2."""
    shares = np.array([20.5, 5.5, 10.5, 15.5]) / 52

    def kappa(p):
        by_chance = (p[0] + p[1]) * (p[0] + p[2]) + (p[2] + p[3]) * (p[1] + p[3])
        return (p[0] + p[3] - by_chance) / (1 - by_chance)

    slopes = np.array([(kappa(shares + step) - kappa(shares - step)) / 2e-6 for step in 1e-6 * np.eye(4)])
    error = np.sqrt(slopes @ (np.diag(shares) - np.outer(shares, shares)) @ slopes / 52)
    found = cohens_kappa(*decisions(20, 5, 10, 15)).interval
    expected = [kappa(shares) - 1.959964 * error, kappa(shares) + 1.959964 * error]
    assert [found.low, found.high] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("counts", "value"), [((12, 0, 0, 12), 1.0), ((0, 12, 12, 0), -1.0), ((9, 3, 0, 0), 0.0), ((0, 9, 0, 0), 0.0)]
)
def test_at_its_ends_kappa_has_an_interval_still(counts, value):
    found = cohens_kappa(*decisions(*counts))
    assert found.value == value
    assert -1 <= found.interval.low <= value <= found.interval.high <= 1
    assert found.interval.low < found.interval.high


@pytest.mark.parametrize("counts", [(9, 0, 0, 0), (0, 0, 0, 9)])
def test_where_all_decisions_are_the_same_there_is_no_kappa(counts):
    found = cohens_kappa(*decisions(*counts))
    assert np.isnan(found.value)
    assert (found.interval, found.reason) == (None, "all decisions about 9 patients are the same")


def test_few_decisions_have_a_kappa_without_an_interval():
    found = cohens_kappa(np.array([1.0, 0.0, 1.0, np.nan, 0.0]), np.array([1.0, 0.0, 0.0, 1.0, np.nan]))
    assert found.value == pytest.approx(0.4)
    assert (found.interval, found.reason) == (None, "3 patients; an interval needs 6")
    assert cohens_kappa(np.empty(0), np.empty(0)).reason == "0 patients; an interval needs 6"


# -- any numbers -------------------------------------------------------------------------------------------------------

NUMBERS = st.floats(-1e100, 1e100) | st.sampled_from([0.0, 1.0, np.nan, np.inf, -np.inf])


@given(arrays(float, array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=9), elements=NUMBERS))
@settings(max_examples=100, deadline=None)
def test_an_estimate_has_an_interval_or_a_reason(values):
    found = bland_altman(values[:, 0], values[:, 1])
    for estimate in (found.bias, found.lower, found.upper, intraclass_correlation(values)):
        ends = estimate.interval
        assert (ends is None) == bool(estimate.reason)
        assert ends is None or (np.isfinite([ends.low, ends.high]).all() and ends.low <= ends.high)


@pytest.mark.parametrize(
    ("statistic", "arguments", "message"),
    [
        (bland_altman, (np.zeros(3), np.zeros(4)), r"^second: got shape \(4,\) beside \(3,\); allowed: \(patient,\)"),
        (
            intraclass_correlation,
            (np.zeros((8, 1)),),
            r"^ratings: got shape \(8, 1\); allowed: \(patient, rater\) with",
        ),
        (cohens_kappa, (np.arange(3.0), np.zeros(3)), r"^decisions: got 2; allowed: True or False, 1 or 0, NaN where"),
    ],
)
def test_what_cannot_be_compared_is_refused(statistic, arguments, message):
    with pytest.raises(ValueError, match=message):
        statistic(*arguments)
