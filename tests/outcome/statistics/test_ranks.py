"""A rank interval says which ranks a row would have had with other patients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ctpbench.outcome.statistics import Rank, rank_intervals, rank_text
from tests.outcome.statistics import naive

RNG = np.random.default_rng(0)
BOARD = 2 * RNG.normal(size=10) + np.array([[1.0], [0.9], [0.0], [3.0], [0.95]]) + 0.3 * RNG.normal(size=(5, 10))


@pytest.mark.parametrize("confidence", [0.5, 0.95])
@pytest.mark.parametrize("better", ["lower", "higher", "zero"])
def test_rank_intervals_equal_those_of_a_naive_twin(better, confidence):
    costs = {"lower": BOARD, "higher": -BOARD, "zero": abs(BOARD)}[better]
    patients = np.random.default_rng(5).integers(10, size=(300, 10))
    expected = naive.rank_intervals(costs.tolist(), patients.tolist(), confidence)
    ranking = rank_intervals(BOARD, better, confidence, seed=5, resamples=300)
    order = [1 + sum(other < mean for other in costs.mean(axis=1)) for mean in costs.mean(axis=1)]
    assert [rank.rank for rank in ranking.rows] == order
    for rank, (low, high) in zip(ranking.rows, expected, strict=True):
        assert (rank.low, rank.high) == (min(low, rank.rank), max(high, rank.rank))
    assert (ranking.patients, ranking.reason) == (10, "")


def test_rows_far_apart_keep_their_ranks_and_rows_alike_change_places():
    ranking = rank_intervals(BOARD, "lower")
    assert [rank_text(rank) for rank in ranking.rows] == ["2–4", "2–4", "1", "5", "2–4"]


def test_rows_that_tie_share_the_better_rank_in_every_resample():
    ranking = rank_intervals(BOARD[[2, 3, 3, 2, 2]], "lower")
    assert ranking.rows == (Rank(1, 1, 1), Rank(4, 4, 4), Rank(4, 4, 4), Rank(1, 1, 1), Rank(1, 1, 1))


def test_a_row_without_a_value_has_no_rank_and_the_others_go_by_the_patients_that_all_have():
    holed = np.vstack([BOARD, np.full(10, np.nan)])
    holed[1, 4] = np.nan
    ranking, shared = rank_intervals(holed, "lower"), rank_intervals(np.delete(BOARD, 4, axis=1), "lower")
    assert ranking.rows == (*shared.rows, None)
    assert ranking.patients == 9


def test_seeds_that_differ_make_ranks_less_sure():
    rows = np.array([[0.0], [1.0]]) + 0.1 * RNG.normal(size=(2, 8))
    seeds = np.array([-1.5, 0.0, 1.5])[:, None]
    table = np.full((2, 3, 8), np.nan)
    table[0, 0], table[1] = rows[0], rows[1] + seeds
    assert [rank_text(rank) for rank in rank_intervals(rows, "lower").rows] == ["1", "2"]
    assert [rank_text(rank) for rank in rank_intervals(table, "lower").rows] == ["1–2", "1–2"]


def test_seeds_that_are_equal_change_nothing():
    assert rank_intervals(np.stack([BOARD] * 3, axis=1), "lower") == rank_intervals(BOARD, "lower")


def test_few_patients_give_ranks_without_intervals():
    ranking = rank_intervals(BOARD[:, :5], "lower")
    assert (ranking.patients, ranking.reason) == (5, "5 patients; an interval needs 6")
    assert sorted(rank.rank for rank in ranking.rows) == [1, 2, 3, 4, 5]
    assert {(rank.low, rank.high) for rank in ranking.rows} == {(None, None)}


def test_without_a_shared_patient_there_are_no_ranks():
    ranking = rank_intervals(np.array([[1.0, np.nan], [np.nan, 1.0]]), "lower")
    assert ranking.rows == (None, None)
    assert ranking.reason == "0 patients; an interval needs 6"


def test_an_infinite_score_is_the_best_or_the_worst():
    scores = BOARD.copy()
    scores[3, 0], scores[2, 0] = np.inf, -np.inf
    ranks = [rank.rank for rank in rank_intervals(scores, "higher").rows]
    assert (ranks[3], ranks[2]) == (1, 5)


def test_the_same_seed_gives_the_same_ranks():
    found = [rank_intervals(BOARD, "lower", seed=seed, resamples=3) for seed in (0, 0, 1, 2, 3)]
    assert found[0] == found[1]
    assert any(other != found[0] for other in found[2:])


SCORES = st.floats(-1e100, 1e100) | st.sampled_from([0.0, 1.0, np.nan, np.inf, -np.inf])


@given(scores=arrays(float, array_shapes(min_dims=2, max_dims=3, max_side=8), elements=SCORES))
@settings(max_examples=60, deadline=None)
def test_every_interval_holds_the_rank(scores):
    ranking = rank_intervals(scores, "lower", resamples=20)
    assert len(ranking.rows) == len(scores)
    for rank in filter(None, ranking.rows):
        assert (rank.low is None) == (rank.high is None) == bool(ranking.reason)
        assert rank.low is None or 1 <= rank.low <= rank.rank <= rank.high <= len(scores)
