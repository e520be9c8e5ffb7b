"""Temporal components: an orthonormal basis that gives curves back, and the noise that is left."""

import numpy as np
import pytest

from ctpbench.errors import DataError
from ctpbench.perfusion import smooth_components, temporal_components
from tests import naive


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


@pytest.mark.parametrize("frames", [7, 8, 9, 10])
def test_noise_is_the_median_of_the_smaller_half_of_variances(curves, frames):
    found = temporal_components(curves[:frames])
    assert found.noise_variance == pytest.approx(np.median(found.variances[(frames - 1) // 2 :]), rel=1e-12)


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


@pytest.fixture
def scan():
    """Two slices of two boluses that vary slowly over the slice, noise of 6 HU, and the curves without noise."""
    rng = np.random.default_rng(2)
    time, (y, x) = np.arange(24.0), np.indices((21, 26))
    early, late = (np.exp(-((time - peak) ** 2) / 10)[:, None, None] for peak in (8, 12))
    clean = 35 + early * (15 + 5 * np.sin(x / 5)) + late * (4 + 4 * np.cos(y / 6))
    clean = np.repeat(clean[:, None], 2, axis=1)
    tissue = np.zeros((2, 21, 26), bool)
    tissue[0, 3:20, 2:25] = tissue[1, 5:14, 6:21] = True
    tissue[0, 10, 10:14] = False
    return (clean + rng.normal(0, 6, clean.shape)).astype(np.float32), tissue, clean


def test_smooth_components_are_those_of_their_twins_curves(scan):
    frames, tissue, _ = scan
    curves = np.concatenate([naive.smooth_curves(frames[:, z], tissue[z], 1.25) for z in range(2)], axis=1)
    found, expected = smooth_components(frames, tissue), temporal_components(curves)
    np.testing.assert_allclose(found.basis[:, :3], expected.basis[:, :3], atol=1e-3)


def test_their_variances_and_noise_are_those_of_the_curves_as_they_are(scan):
    frames, tissue, _ = scan
    found, own = smooth_components(frames, tissue), temporal_components(frames[:, tissue])
    varying = frames[:, tissue] - frames[:, tissue].mean(axis=0)
    np.testing.assert_allclose(found.variances, np.mean((found.basis.T @ varying) ** 2, axis=1), rtol=1e-4)
    assert found.noise_variance == pytest.approx(own.noise_variance, rel=1e-3)


def test_they_hold_more_of_the_signal_than_those_of_the_noisy_curves(scan):
    frames, tissue, clean = scan
    smooth, own = smooth_components(frames, tissue).with_mean(2), temporal_components(frames[:, tissue]).with_mean(2)
    lost = [np.std(clean[:, tissue] - basis @ (basis.T @ clean[:, tissue])) for basis in (smooth, own)]
    assert lost[0] < 0.7 * lost[1]


def test_they_look_at_tissue_alone(scan):
    frames, tissue, _ = scan
    changed = np.where(tissue, frames, np.float32(3000))
    np.testing.assert_array_equal(smooth_components(changed, tissue).basis, smooth_components(frames, tissue).basis)


@pytest.mark.parametrize(
    ("frames", "tissue"),
    [((8, 4, 4), (4, 4)), ((8, 1, 4, 4), (1, 4, 5)), ((1, 1, 4, 4), (1, 4, 4)), ((8, 1, 4, 4), None)],
)
def test_scans_without_components_are_refused(frames, tissue):
    mask = np.zeros((1, 4, 4), bool) if tissue is None else np.ones(tissue, bool)
    with pytest.raises(DataError, match=r"^frames and tissue: got shapes .*; allowed: \(time, z, y, x\) and"):
        smooth_components(np.zeros(frames), mask)
