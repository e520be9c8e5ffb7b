"""Temporal components: an orthonormal basis that gives curves back, and the noise that is left."""

import numpy as np
import pytest

from ctpbench_filters._components import temporal_components


@pytest.fixture
def curves():
    """Curves of two components and a mean, of noise of 3 HU, (time, pixel)."""
    rng = np.random.default_rng(0)
    time = np.linspace(0, 1, 40)
    shapes = np.stack([np.sin(2 * np.pi * time), np.cos(2 * np.pi * time), np.ones(40)])
    return shapes.T @ (rng.normal(size=(3, 5000)) * [[30], [8], [20]]) + rng.normal(0, 3, (40, 5000))


def test_all_components_give_the_curves_back(curves):
    found = temporal_components(curves)
    np.testing.assert_allclose(found.basis.T @ found.basis, np.eye(39), atol=1e-10)
    np.testing.assert_allclose(found.basis.sum(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(found.frames(found.features(curves, 39)), curves, atol=1e-3)


def test_the_first_hold_what_varies_and_the_rest_says_how_noisy_it_is(curves):
    found = temporal_components(curves)
    assert (np.diff(found.variances) <= 0).all()
    np.testing.assert_allclose(found.variances[:2], [20 * 900, 20 * 64], rtol=0.05)
    assert found.noise_variance == pytest.approx(9, rel=0.1)
    kept = found.frames(found.features(curves, 2))
    assert np.abs(kept - curves).std() == pytest.approx(3 * np.sqrt(37 / 40), rel=0.4)


def test_features_have_the_noise_of_a_pixel_and_keep_their_place():
    rng = np.random.default_rng(1)
    noise = rng.normal(35, 4, (30, 6, 7))
    found = temporal_components(noise.reshape(30, -1))
    features = found.features(noise, 3)
    assert features.shape == (4, 6, 7)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features[3], np.sqrt(30) * noise.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(features[:, 2, 3], found.features(noise[:, 2, 3], 3), rtol=1e-5)


def test_fewer_pixels_than_frames_will_do():
    found = temporal_components(np.arange(12.0).reshape(12, 1))
    np.testing.assert_allclose(
        found.frames(found.features(np.arange(12.0)[:, None], 1)).ravel(), np.arange(12), atol=1e-5
    )
    assert found.noise_variance == 0
