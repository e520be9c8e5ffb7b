"""Rows are compared patient by patient, and only what is more than chance counts as a difference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import stats

from ctpbench.outcome.statistics import (
    Estimate,
    Pair,
    equals_of_leader,
    holm,
    mean_interval,
    pair_of,
    paired_differences,
)
from tests.outcome.statistics import naive

RNG = np.random.default_rng(0)
BOARD = RNG.normal(10.0, 3.0, size=12) + np.array([[0.0], [0.4], [2.0], [2.1]]) + 0.3 * RNG.normal(size=(4, 12))
COSTS = {"lower": lambda x: x, "higher": lambda x: -x, "zero": abs}


@pytest.mark.parametrize("better", COSTS)
def test_a_difference_is_how_much_more_the_second_costs(better):
    scores = BOARD - 11.0
    pairs = paired_differences(scores, better)
    assert [(pair.first, pair.second) for pair in pairs] == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    for pair in pairs:
        costs = [[COSTS[better](score) for score in scores[row]] for row in (pair.first, pair.second)]
        expected = mean_interval(np.subtract(costs[1], costs[0]))
        found = pair.difference
        assert found.value == pytest.approx(expected.value)
        assert found.interval.low == pytest.approx(expected.interval.low)
        assert found.interval.high == pytest.approx(expected.interval.high)
        assert pair.p == pytest.approx(stats.ttest_rel(*costs).pvalue)


def test_p_values_are_adjusted_over_all_pairs_of_the_board():
    pairs = paired_differences(BOARD, "lower")
    assert [pair.p_holm for pair in pairs] == pytest.approx(naive.holm([pair.p for pair in pairs]))
    assert any(pair.p < pair.p_holm < 1 for pair in pairs)


@given(arrays(float, st.integers(0, 12), elements=st.floats(0, 1) | st.sampled_from([0.01, 0.5, np.nan])))
def test_holm_equals_its_twin(p_values):
    found = holm(p_values)
    assert found.tolist() == pytest.approx(naive.holm(p_values.tolist()), nan_ok=True)
    known = ~np.isnan(p_values)
    assert (found[known] >= p_values[known]).all()


def test_two_rows_are_compared_over_the_patients_that_both_have():
    scores = BOARD.copy()
    scores[0, 3] = scores[1, 5] = scores[3, :7] = np.nan
    pairs = paired_differences(scores, "lower")
    shared = np.delete(BOARD, [3, 5], axis=1)
    alone = paired_differences(shared[:2], "lower")[0]
    assert pair_of(pairs, 0, 1).p == pytest.approx(alone.p)
    assert pair_of(pairs, 0, 1).difference == alone.difference
    assert pair_of(pairs, 0, 3).difference.reason == "5 patients; an interval needs 6"
    tested = [pair.p for pair in pairs if 3 not in (pair.first, pair.second)]
    assert [pair.p_holm for pair in pairs if pair.p is not None] == pytest.approx(naive.holm(tested))


def test_seeds_that_differ_alike_in_every_patient_are_two_samples_of_welch():
    first, second = np.array([0.1, 0.5, 0.2, 0.4]), np.array([0.6, 0.9, 1.4])
    table = np.full((2, 4, 9), np.nan)
    table[0] = first[:, None] + np.arange(9.0)
    table[1, :3] = second[:, None] + np.arange(9.0)
    (pair,) = paired_differences(table, "lower")
    assert pair.p == pytest.approx(stats.ttest_ind(first, second, equal_var=False).pvalue)
    assert pair.difference.value == pytest.approx(second.mean() - first.mean())


def test_a_difference_between_models_is_less_sure_between_methods():
    rng = np.random.default_rng(3)
    table = BOARD[:2, None] + 0.5 * rng.normal(size=(2, 3, 1)) + 0.1 * rng.normal(size=(2, 3, 12))
    (methods,), (models,) = paired_differences(table, "lower"), paired_differences(table.mean(axis=1), "lower")
    assert methods.difference.value == pytest.approx(models.difference.value)
    assert methods.p > models.p
    assert methods.difference.interval.low < models.difference.interval.low
    assert methods.difference.interval.high > models.difference.interval.high


def test_of_a_score_best_near_zero_each_patients_distance_counts():
    even, odd = np.tile([-3.0, 3.0], 4), np.linspace(0.9, 1.1, 8)
    (pair,) = paired_differences(np.stack([odd, even]), "zero")
    assert pair.difference.value == pytest.approx(2.0)
    assert abs(even.mean()) < odd.mean()


@pytest.mark.parametrize(
    ("scores", "p", "value", "reason"),
    [
        ([np.arange(8.0), np.arange(8.0)], 1.0, 0.0, "all 8 patients have the same difference"),
        ([np.arange(8.0) / 10, np.arange(8.0) / 10 + 0.3], 2.0**-7, 0.3, "all 8 patients have the same difference"),
        ([np.zeros(8), np.full(8, np.inf)], None, np.inf, "infinite in 8 of 8 patients"),
        ([np.full(8, np.inf), np.full(8, np.inf)], None, np.nan, "infinite in 8 of 8 patients"),
        ([np.zeros(8), np.full(8, np.nan)], None, np.nan, "0 patients; an interval needs 6"),
        ([np.zeros(5), np.arange(5.0)], None, 2.0, "5 patients; an interval needs 6"),
    ],
)
def test_where_there_is_no_interval_it_says_why(scores, p, value, reason):
    (pair,) = paired_differences(np.array(scores), "lower")
    assert (pair.p, pair.p_holm) == (pytest.approx(p), pytest.approx(p))
    assert pair.difference.value == pytest.approx(value, nan_ok=True)
    assert (pair.difference.interval, pair.difference.reason) == (None, reason)


def test_a_pair_can_be_seen_from_either_row():
    pairs = paired_differences(BOARD, "lower")
    there, back = pair_of(pairs, 1, 2), pair_of(pairs, 2, 1)
    assert (back.first, back.second, back.p, back.p_holm) == (2, 1, there.p, there.p_holm)
    assert back.difference.value == -there.difference.value
    assert back.difference.interval.low == -there.difference.interval.high
    assert back.difference.interval.high == -there.difference.interval.low
    assert back.turned() == there
    with pytest.raises(ValueError, match=r"^pairs: got none of rows 2 and 2; allowed: two different rows that were"):
        pair_of(pairs, 2, 2)


def test_equals_of_the_leader_are_those_that_are_not_told_apart_after_holm():
    assert equals_of_leader(paired_differences(BOARD, "lower"), leader=2) == (3,)
    pair = Pair(0, 1, Estimate(0.0, None, 9), 0.01, 0.05)
    pairs = [pair, replace(pair, second=2, p_holm=0.051), replace(pair, first=3, second=0, p_holm=1.0)]
    pairs += [replace(pair, second=4, p=None, p_holm=None), replace(pair, first=1, second=2, p_holm=1.0)]
    assert equals_of_leader(pairs, leader=0) == (2, 3)
    assert equals_of_leader(pairs, leader=0, alpha=0.01) == (1, 2, 3)


def test_rows_are_resampled_alike_whatever_else_is_on_the_board():
    (alone,) = paired_differences(BOARD[:2], "lower")
    among = pair_of(paired_differences(BOARD, "lower"), 0, 1)
    assert among.difference == alone.difference
    assert among.p == alone.p


SCORES = st.floats(-1e100, 1e100) | st.sampled_from([0.0, 1.0, np.nan, np.inf, -np.inf])


@given(
    scores=arrays(float, array_shapes(min_dims=2, max_dims=3, max_side=8), elements=SCORES),
    better=st.sampled_from(list(COSTS)),
)
@settings(max_examples=60, deadline=None)
def test_every_pair_has_a_number_or_a_reason(scores, better):
    pairs = paired_differences(scores, better, resamples=50)
    rows = len(scores)
    assert len(pairs) == rows * (rows - 1) // 2
    for pair in pairs:
        ends = pair.difference.interval
        assert (ends is None) == bool(pair.difference.reason)
        assert ends is None or np.isfinite([ends.low, ends.high]).all()
        assert (pair.p is None) == (pair.p_holm is None)
        assert pair.p is None or 0 <= pair.p <= pair.p_holm <= 1


@pytest.mark.parametrize(
    ("scores", "better", "message"),
    [
        (np.zeros(8), "lower", r"^per_group: got 1 dimensions; allowed: \(row, group\) or \(row, seed, group\)$"),
        (np.zeros((2, 8)), "best", r"^better: got 'best'; allowed: lower, higher, zero$"),
    ],
)
def test_what_is_no_board_is_refused(scores, better, message):
    with pytest.raises(ValueError, match=message):
        paired_differences(scores, better)
