"""Temporal components: an orthonormal basis that gives curves back, and the noise that is left."""

import numpy as np
import pytest

from ctpbench.errors import DataError
from ctpbench.perfusion import temporal_components


@pytest.fixture
def curves():
    """Curves of two components and a mean, of noise of 3 HU, (time, pixel)."""
    rng = np.random.default_rng(0)
    time = np.linspace(0, 1, 40)
    shapes = np.stack([np.sin(2 * np.pi * time), np.cos(2 * np.pi * time), np.ones(40)])
    return shapes.T @ (rng.normal(size=(3, 5000)) * [[30], [8], [20]]) + rng.normal(0, 3, (40, 5000))


def test_all_components_give_the_curves_back(curves):
    basis = temporal_components(curves).with_mean(39)
    np.testing.assert_allclose(basis.T @ basis, np.eye(40), atol=1e-10)
    np.testing.assert_allclose(basis @ (basis.T @ curves), curves, atol=1e-9)


def test_each_has_mean_zero_and_its_largest_value_is_positive(curves):
    basis = temporal_components(curves).basis
    assert basis.shape == (40, 39)
    np.testing.assert_allclose(basis.sum(axis=0), 0, atol=1e-10)
    assert (basis.max(axis=0) >= -basis.min(axis=0)).all()


def test_the_first_hold_what_varies_and_the_rest_says_how_noisy_it_is(curves):
    found = temporal_components(curves)
    assert (np.diff(found.variances) <= 0).all()
    np.testing.assert_allclose(found.variances[:2], [20 * 900, 20 * 64], rtol=0.05)
    assert found.noise_variance == pytest.approx(9, rel=0.1)
    basis = found.with_mean(2)
    lost = curves - basis @ (basis.T @ curves)
    assert lost.std() == pytest.approx(3 * np.sqrt(37 / 40), rel=0.01)


def test_they_are_those_of_a_singular_value_decomposition(curves):
    _, singular, components = np.linalg.svd((curves - curves.mean(axis=0)).T, full_matrices=False)
    found = temporal_components(curves)
    np.testing.assert_allclose(found.variances, singular[:39] ** 2 / curves.shape[1], rtol=1e-9)
    np.testing.assert_allclose(np.abs(np.sum(found.basis[:, :2] * components[:2].T, axis=0)), 1, atol=1e-9)


def test_coefficients_have_the_noise_of_a_pixel():
    noise = np.random.default_rng(1).normal(35, 4, (30, 20000))
    coefficients = temporal_components(noise).with_mean(2).T @ noise
    np.testing.assert_allclose(coefficients.std(axis=1), 4, rtol=0.1)


def test_fewer_pixels_than_frames_will_do():
    curve = np.arange(12.0)[:, None]
    found = temporal_components(curve)
    basis = found.with_mean(1)
    np.testing.assert_allclose(basis @ (basis.T @ curve), curve, atol=1e-9)
    assert found.noise_variance == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("shape", [(1, 5), (8, 0), (8,)])
def test_too_little_is_refused(shape):
    with pytest.raises(DataError, match=r"curves: got shape .*allowed: "):
        temporal_components(np.zeros(shape))
