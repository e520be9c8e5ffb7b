"""Scaling factors: least squares, pooling of cases, and regions of interest."""

from __future__ import annotations

import numpy as np
import pytest

from ctpbench.errors import DataError
from ctpbench.perfusion import pooled_factor, roi_factor, scale_factor, scale_sums
from tests import golden, naive


def test_factor_is_the_least_squares_solution(rng):
    x = rng.uniform(0, 50, (3, 4, 5)).astype(np.float32)
    y = 1.3 * x + rng.normal(0, 5, x.shape)
    factor = scale_factor(x, y)
    assert factor == pytest.approx(naive.scale_factor(x, y), rel=1e-6)
    costs = [np.square(f * x - y).sum() for f in (0.999 * factor, factor, 1.001 * factor)]
    assert costs[1] == min(costs)


def test_an_exact_multiple_is_found_and_the_mask_decides_what_counts(rng):
    x = rng.uniform(1, 50, (6, 7))
    mask = rng.uniform(size=x.shape) < 0.5
    y = np.where(mask, 2.5 * x, -7)
    assert scale_factor(x, y, mask) == pytest.approx(2.5)
    assert scale_factor(x, y) != pytest.approx(2.5, rel=0.1)


def test_unknown_truth_is_left_out(rng):
    x = rng.uniform(1, 50, (6, 7))
    y = 0.8 * x
    y[:3] = np.nan
    assert scale_factor(x, y) == pytest.approx(0.8)
    assert scale_factor(x, y, np.ones(x.shape, bool)) == pytest.approx(0.8)


def test_cases_are_pooled_by_their_sums(rng):
    xs = [rng.uniform(1, 50, (3, n)) for n in (4, 5, 9)]
    ys = [f * x + rng.normal(size=x.shape) for f, x in zip((0.5, 1, 2), xs, strict=True)]
    masks = [rng.uniform(size=x.shape) < 0.7 for x in xs]
    pooled = scale_factor(xs, ys, masks)
    at_once = [np.concatenate([a[m] for a, m in zip(arrays, masks, strict=True)]) for arrays in (xs, ys)]
    assert pooled == pytest.approx(naive.scale_factor(*at_once))
    assert pooled_factor([scale_sums(*case) for case in zip(xs, ys, masks, strict=True)]) == pooled


def test_float32_maps_are_summed_in_float64():
    x = np.full((300, 300), 0.1, np.float32)
    assert scale_factor(x, 3 * x.astype(float)) == pytest.approx(3, rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones(3), np.ones(4)), "got an estimate of shape"),
        ((np.zeros(3), np.ones(3)), "got an estimate of zeros"),
        ((np.ones(3), np.ones(3), np.zeros(3, bool)), "got an estimate of zeros"),
        ((np.array([1, np.nan]), np.ones(2)), "got NaN or infinity"),
        (([np.ones(3)], [np.ones(3), np.ones(3)]), "got 1 estimates, 2 references and 1 masks"),
        ((np.ones(3), np.ones(3), np.ones(4, bool)), "mask: got bool of shape"),
        ((np.ones(3), np.ones(3), np.ones(3)), "mask: got float64"),
    ],
)
def test_what_cannot_be_scaled_is_named(arguments, message):
    with pytest.raises(DataError, match=message):
        scale_factor(*arguments)


def test_roi_is_brought_to_its_target(rng):
    cbf = rng.uniform(5, 60, (4, 8, 8)).astype(np.float32)
    roi = np.zeros(cbf.shape, bool)
    roi[1:3, 2:5, 2:5] = True
    target = golden.expected("white_matter.cbf")
    factor = roi_factor(cbf, roi, target.value)
    assert (factor * cbf)[roi].mean() == target.approx()


@pytest.mark.parametrize("values", [np.zeros((2, 2)), -np.ones((2, 2)), np.full((2, 2), np.nan)])
def test_roi_without_a_positive_mean_is_refused(values):
    with pytest.raises(DataError, match=r"^roi: got a mean of .* over 4 pixels"):
        roi_factor(values, np.ones((2, 2), bool), 22.0)


def test_empty_roi_is_refused():
    with pytest.raises(DataError, match="over 0 pixels"):
        roi_factor(np.ones((2, 2)), np.zeros((2, 2), bool), 22.0)
