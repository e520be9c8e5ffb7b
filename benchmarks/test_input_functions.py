"""Whose AIF is found, in a few of the 93 scans of `input_functions`: with motion, late tissue, thin arteries."""

from __future__ import annotations

import numpy as np
import pytest

from .heads_with_curves import PAIRS, draw_pair, head_of
from .input_functions import verdict


@pytest.mark.parametrize(
    ("seed", "number"), [(1, 3), (1, 10), (1, 13), (1, 20), (1, 60), (1, 61), (4, 17), (4, 78), (4, 82)]
)
def test_the_aif_is_an_arterys(seed, number):
    pair = draw_pair(seed, number)
    found = verdict(pair, head_of(pair))
    assert found.kind == "arterial", found.told
    assert found.correlation > 0.9


def test_pairs_have_the_statistics_of_scans():
    pairs = [draw_pair(1, number) for number in range(PAIRS)]
    peaks = np.array([[pair.aif_peak_hu, pair.vof_hu.max()] for pair in pairs])
    assert np.median(peaks, axis=0) == pytest.approx([40, 148], rel=0.15)
    assert peaks.min(axis=0) == pytest.approx([14, 50], rel=0.25)
    assert peaks.max(axis=0) == pytest.approx([417, 520], rel=0.25)
    lags_s = [0.1 * (pair.vof_hu.argmax() - pair.aif_hu.argmax()) for pair in pairs]
    assert np.median(lags_s) == pytest.approx(6, abs=0.5)
    assert 10 < sum(pair.late for pair in pairs) < 30
