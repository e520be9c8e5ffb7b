"""How many patients it takes, against published sample sizes and against studies that were drawn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from ctpbench.outcome.statistics import patients_needed, smallest_difference


def power(effect: float, n: int, alpha: float = 0.05) -> float:
    """The noncentral t as what it is: a shifted normal over the root of a chi square, integrated over the latter."""
    critical, shift, df = stats.t.isf(alpha / 2, n - 1), np.sqrt(n) * effect, n - 1

    def rejected(scale: float) -> float:
        tails = stats.norm.sf(critical * scale - shift) + stats.norm.cdf(-critical * scale - shift)
        return float(tails * stats.chi.pdf(scale * np.sqrt(df), df) * np.sqrt(df))

    return integrate.quad(rejected, 0, 1 + 12 / np.sqrt(df), points=[1.0], limit=200)[0]


@pytest.mark.parametrize(("effect", "patients"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10)])
def test_sample_sizes_are_those_of_other_programs(effect, patients):
    """As G*Power 3.1 gives them for the difference of two dependent means, two-sided, 80% at 0.05."""
    assert patients_needed(2.0, 2.0 * effect) == patients_needed(2.0, -2.0 * effect) == patients


@pytest.mark.parametrize("alpha", [0.05, 0.05 / 105])
@pytest.mark.parametrize("effect", [0.3, 0.7, 1.4])
@pytest.mark.parametrize("wanted", [0.5, 0.8, 0.95])
def test_so_many_have_the_power_and_one_less_has_not(effect, wanted, alpha):
    n = patients_needed(1.0, effect, wanted, alpha)
    assert power(effect, n, alpha) >= wanted
    assert n == 6 or power(effect, n - 1, alpha) < wanted


@pytest.mark.parametrize("n", [6, 8, 24, 500])
def test_the_smallest_difference_is_seen_with_just_the_power(n):
    assert power(smallest_difference(3.0, n) / 3.0, n) == pytest.approx(0.8, abs=1e-6)
    assert patients_needed(3.0, 1.0001 * smallest_difference(3.0, n)) == n


def test_the_rule_of_thumb_is_near_where_patients_are_many():
    assert patients_needed(10.0, 1.0) == pytest.approx(8 * 10**2, rel=0.03)


def test_a_test_needs_six_whatever_the_difference():
    assert patients_needed(1.0, 1e6) == 6


def test_of_drawn_studies_so_many_see_the_difference():
    rng = np.random.default_rng(0)
    n = patients_needed(1.0, 0.9)
    found = stats.ttest_1samp(rng.normal(0.9, 1.0, size=(4000, n)), 0.0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(power(0.9, n), abs=0.02)
    assert 0.8 <= power(0.9, n) < 0.86


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: patients_needed(0.0, 1.0), r"^sd_of_differences: got 0; allowed: a finite number above 0$"),
        (lambda: patients_needed(np.nan, 1.0), r"^sd_of_differences: got nan; allowed"),
        (lambda: patients_needed(1.0, 0.0), r"^difference: got 0; allowed: any finite number but 0$"),
        (lambda: patients_needed(1.0, 1e-5), r"^difference: got 1e-05 at a deviation of 1, which takes more than 100"),
        (lambda: patients_needed(1.0, 1.0, power=80), r"^power: got 80; allowed: above 0 and below 1"),
        (lambda: patients_needed(1.0, 1.0, power=0.04), r"^power: got 0.04; allowed: above alpha, which is 0.05$"),
        (lambda: smallest_difference(1.0, 5), r"^patients: got 5; allowed: 6 or more, as a test needs$"),
    ],
)
def test_what_no_study_can_answer_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
