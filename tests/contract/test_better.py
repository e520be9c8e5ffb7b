"""What is to be made small, of scores of every kind."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from ctpbench.contract.better import cost

SCORES = [-3.0, 0.5, 2.0]
BEST = {"lower": -3.0, "higher": 2.0, "zero": 0.5}


@pytest.mark.parametrize("better", BEST)
def test_the_best_score_costs_least(better):
    assert min(SCORES, key=lambda score: cost(score, better)) == BEST[better]


@pytest.mark.parametrize("better", BEST)
def test_arrays_cost_what_their_numbers_cost(better):
    expected = [cost(score, better) for score in SCORES]
    for kind in (np.array, pd.Series, xr.DataArray):
        found = cost(kind(SCORES), better)
        assert type(found) is type(kind(SCORES))
        assert list(np.asarray(found)) == expected


def test_labels_stay():
    scores = xr.DataArray(SCORES, dims="map", coords={"map": ["cbf", "cbv", "mtt"]})
    xr.testing.assert_identical(cost(scores, "zero"), abs(scores))


@pytest.mark.parametrize("better", BEST)
def test_an_unknown_score_has_no_cost(better):
    assert np.isnan(cost(np.array([np.nan, 1.0]), better)).tolist() == [True, False]


def test_given_scores_stay_as_they_are():
    scores = np.array(SCORES)
    cost(scores, "zero")
    assert scores.tolist() == SCORES


@pytest.mark.parametrize("word", ["highest", "none"])
def test_another_word_is_refused_and_so_is_what_ranks_nothing(word):
    with pytest.raises(ValueError, match=rf"^better: got '{word}'; allowed: lower, higher, zero$"):
        cost(1.0, word)
