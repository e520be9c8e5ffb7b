"""What is far from the rest is marked, and nothing is where there is no rest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ctpbench.outcome.statistics import outlying

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=30)


def test_by_hand():
    """Median 10, deviations 0 1 1 2 2 3 x: their median is 2, three of 1.4826 times that are 8.9."""
    for value, far in ((18.8, False), (19.0, True), (1.2, False), (1.0, True)):
        marked = outlying(np.array([10.0, 9.0, 11.0, 8.0, 12.0, 13.0 if value < 10 else 7.0, value]))
        assert marked.tolist() == [False] * 6 + [far]


@given(NUMBERS)
def test_it_is_the_distance_in_robust_standard_deviations(numbers):
    values = np.array(numbers)
    spread = stats.median_abs_deviation(values, scale="normal")
    away = np.abs(values - np.median(values))
    clear = np.abs(away - 3 * spread) > 1e-3 * (1 + spread)  # its scale has more digits
    expected = away > 3 * spread if spread > 0 else np.zeros(values.size, bool)
    assert outlying(values)[clear].tolist() == expected[clear].tolist()


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 1.1, 0.9, 1.0, 50.0], [0.0] * 9 + [5.0], [np.nan] * 8])
def test_of_few_values_and_of_values_most_of_which_are_one_nothing_is_marked(values):
    assert outlying(np.array(values)).tolist() == [False] * len(values)


def test_what_is_not_known_does_not_count():
    values = np.array([10.0, 9.0, 11.0, 8.0, 12.0, 7.0, 40.0])
    holed = np.insert(values, [0, 3, 7], np.nan)
    assert outlying(holed)[~np.isnan(holed)].tolist() == outlying(values).tolist()
    assert not outlying(holed)[np.isnan(holed)].any()
