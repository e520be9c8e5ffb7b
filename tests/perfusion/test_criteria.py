"""The weight of Tikhonov that a scan's noise decides: explicit matrices, and how good the choice is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctpbench.errors import DataError
from ctpbench.perfusion import (
    Gcv,
    LCurve,
    Tikhonov,
    circulant_matrix,
    deconvolve,
    inverse_kernel,
    perfusion_maps,
    regularisation_weight,
)
from ctpbench.perfusion.circulant import Spectrum
from ctpbench.perfusion.criteria import _Fits
from ctpbench.perfusion.voxels import PIXEL_BLOCK, gram
from tests import naive


@pytest.fixture
def clean(tissue):
    """Noiseless curves (time, 60)."""
    rows = [(cbf, mtt, delay) for cbf in (6, 16, 25, 53) for mtt in (3, 4, 5, 8, 12) for delay in (0, 1, 4)]
    return np.stack([tissue(*row) for row in rows], axis=1)


def noisy(clean, sigma, seed=0, copies=5):
    curves = np.tile(clean, copies)
    return curves + sigma * np.random.default_rng(seed).normal(size=curves.shape)


def tried(criterion):
    """The grid of weights: neighbours 5 percent apart or less."""
    least, most = criterion.lambda_rel_min, criterion.lambda_rel_max
    return np.geomspace(least, most, int(np.ceil(np.log(most / least) / np.log(1.05))) + 1)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 300, width=32), min_size=3, max_size=14).filter(lambda a: max(a) > 1), st.floats(0.3, 3))
def test_sums_over_voxels_equal_those_of_explicit_matrices(aif, dt_s):
    curves = np.random.default_rng(len(aif)).normal(0, 5, (len(aif), 7)).astype(np.float32)
    weights = np.array([0.02, 0.3, 1.0])
    fits = _Fits.of(gram(curves), Spectrum.of(aif, dt_s), weights)
    expected = [naive.tikhonov_fits(aif, dt_s, curves.astype(float), weight) for weight in weights]
    got = np.stack([fits.residual, fits.size, fits.freedom], axis=1)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("sigma", [0.3, 1, 3])
def test_gcv_is_least_at_the_weight_on_explicit_matrices(clean, aif, sigma):
    curves, artery, grid = noisy(clean, sigma)[::3], aif[::3], tried(Gcv())
    scores = []
    for weight in grid:
        residual, _, freedom = naive.tikhonov_fits(artery, 3.0, naive.capped(curves), weight)
        scores.append(residual / freedom**2)
    assert grid[0] < grid[np.argmin(scores)] < grid[-1]
    assert regularisation_weight(curves, artery, 3.0, Gcv()) == pytest.approx(grid[np.argmin(scores)], rel=0.051)


@pytest.mark.parametrize("sigma", [0.3, 3])
def test_the_corner_is_where_a_circle_through_neighbours_is_smallest(clean, aif, sigma):
    curves, artery, grid = noisy(clean, sigma)[::3], aif[::3], tried(LCurve())
    points = [np.log(naive.tikhonov_fits(artery, 3.0, naive.capped(curves), weight)[:2]) for weight in grid]
    bends = [naive.bend(*points[k - 1 : k + 2]) for k in range(1, len(points) - 1)]
    corner = grid[1 + np.argmax(bends)]
    assert regularisation_weight(curves, artery, 3.0, LCurve()) == pytest.approx(corner, rel=0.11)


@pytest.mark.parametrize("sigma", [0.5, 3, 10])
def test_gcv_fits_the_noiseless_curves_nearly_as_well_as_the_best_weight(clean, aif, sigma):
    curves = noisy(clean, sigma)
    forward = circulant_matrix(aif, 1.0)[:50]

    def error(weight):
        return np.square(forward @ inverse_kernel(aif, 1.0, Tikhonov(weight)) @ curves - np.tile(clean, 5)).sum()

    best = min(error(weight) for weight in tried(Gcv()))
    assert error(regularisation_weight(curves, aif, 1.0, Gcv())) < 1.1 * best


@pytest.mark.parametrize("criterion", [Gcv(), LCurve()])
def test_more_noise_is_more_weight(clean, aif, criterion):
    weights = [regularisation_weight(noisy(clean, sigma), aif, 1.0, criterion) for sigma in (0.1, 0.5, 2, 7)]
    assert weights == sorted(weights)
    assert weights[-1] > 3 * weights[0]


@pytest.mark.parametrize("criterion", [Gcv(), LCurve()])
def test_a_few_vessels_decide_nothing(clean, aif, criterion):
    curves = noisy(clean, 5)
    vessels = np.tile(aif[:, np.newaxis], 9) + np.random.default_rng(1).normal(0, 5, (50, 9))
    alone, beside = (
        regularisation_weight(c, aif, 1.0, criterion) for c in (curves, np.concatenate([curves, vessels], axis=1))
    )
    assert beside == pytest.approx(alone, rel=0.2)
    assert regularisation_weight(vessels, aif, 1.0, criterion) < 0.6 * alone  # alone they would


@pytest.mark.parametrize("criterion", [Gcv(), LCurve(), Gcv(0.2, 0.5)])
def test_laws_of_the_weight(clean, aif, criterion, rng):
    curves = noisy(clean, 4)
    weight = regularisation_weight(curves, aif, 1.0, criterion)
    assert criterion.lambda_rel_min <= weight <= criterion.lambda_rel_max
    for same in (curves.astype(np.float32), 7 * curves, curves[:, rng.permutation(curves.shape[1])]):
        assert regularisation_weight(same, aif, 1.0, criterion) == weight
    assert regularisation_weight(curves, 3 * aif, 1.0, criterion) == weight
    assert regularisation_weight(curves, aif, 2.0, criterion) == weight


@pytest.mark.parametrize("criterion", [Gcv(), LCurve()])
def test_maps_and_residues_are_tikhonovs_with_one_weight_for_the_mask(rng, aif, tissue, criterion):
    shape = (3, 60, 60)
    assert np.prod(shape) > PIXEL_BLOCK  # more than one block
    curves = (tissue(40, 4)[:, None, None, None] + rng.normal(0, 3, (50, *shape))).astype(np.float32)
    mask = rng.uniform(size=shape) < 0.8
    curves[:, ~mask] = np.nan  # would show, were it read
    weight = regularisation_weight(curves, aif, 1.0, criterion, mask=mask)
    maps = perfusion_maps(curves, aif, 1.0, criterion, mask=mask)
    for name, values in perfusion_maps(curves, aif, 1.0, Tikhonov(weight), mask=mask).items():
        np.testing.assert_array_equal(maps[name], values)
    inside = curves[:, mask]
    expected = deconvolve(inside, aif, 1.0, Tikhonov(weight))
    np.testing.assert_array_equal(deconvolve(inside, aif, 1.0, criterion), expected)


@pytest.mark.parametrize("criterion", [Gcv(), LCurve(0.01, 0.7)])
@pytest.mark.parametrize(("curves", "mask"), [(np.zeros((50, 4)), None), (np.ones((50, 4)), np.zeros(4, bool))])
def test_nothing_to_choose_by_is_the_upper_bound(aif, criterion, curves, mask):
    assert regularisation_weight(curves, aif, 1.0, criterion, mask=mask) == criterion.lambda_rel_max
    assert not any(values.any() for values in perfusion_maps(curves, aif, 1.0, criterion, mask=mask).values())


def test_what_cannot_be_used_is_named(aif):
    curves = np.ones((50, 3))
    with pytest.raises(DataError, match=r"^aif: got shape \(50,\); allowed: .* above 0 HU"):
        regularisation_weight(curves, np.zeros(50), 1.0, Gcv())
    with pytest.raises(DataError, match=r"^mask: got bool of shape \(2,\)"):
        regularisation_weight(curves, aif, 1.0, Gcv(), mask=np.ones(2, bool))
    curves[7, 1] = np.nan
    with pytest.raises(DataError, match=r"^concentration: got NaN or infinity in the mask; allowed: finite curves"):
        regularisation_weight(curves, aif, 1.0, Gcv())


@pytest.mark.parametrize("make", [Gcv, LCurve])
@pytest.mark.parametrize("bounds", [(0, 1), (-1, 1), (0.3, 0.3), (0.5, 0.1), (0.1, np.inf), (np.nan, 1)])
def test_bounds_out_of_order_are_refused_at_once(make, bounds):
    with pytest.raises(ValueError, match=r"^lambda_rel_min, lambda_rel_max: got .*; allowed: above 0, the first below"):
        make(*bounds)
