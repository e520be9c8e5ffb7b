"""The Gaussian filter against its twin, and its laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctpbench_filters.gaussian import Gaussian
from ctpbench_filters.gaussian_st import GaussianSt

from . import naive


def filtered(images, mask, sigma_px):
    from ctpbench_filters._gaussian_kernel import masked_gaussian

    return masked_gaussian(images, mask, sigma_px, threads=2)


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 11)),
    sigma_px=st.floats(0.05, 6),
    share=st.floats(0, 1),
    seed=st.integers(0, 999),
)
@settings(max_examples=40, deadline=None)
def test_equals_its_twin(shape, sigma_px, share, seed):
    rng = np.random.default_rng(seed)
    images = rng.normal(40, 30, shape)
    mask = rng.random(shape[1:]) < share
    np.testing.assert_allclose(filtered(images, mask, sigma_px), naive.gaussian(images, mask, sigma_px), atol=2e-4)


@pytest.mark.parametrize("shape", [(3, 1, 9, 8), (8, 2, 13, 17), (9, 2, 13, 17), (10, 3, 9, 21)])
def test_filters_tissue_alone(shape, make_frames, tissue, context):
    frames = make_frames(shape)
    out = Gaussian(sigma_px=1.5).denoise(frames, context)
    inside = tissue(frames)
    for z in range(shape[1]):
        expected = naive.gaussian(frames.values[:, z], inside[z], 1.5)
        np.testing.assert_allclose(out.values[:, z], expected, atol=2e-4)
    np.testing.assert_array_equal(out.values[:, ~inside], frames.values[:, ~inside])


def test_a_constant_stays_constant_beside_bone_and_vessels(make_frames, tissue, context):
    frames = make_frames()
    inside = tissue(frames)
    frames = frames.copy(data=np.where(inside, np.float32(35), frames.values))
    out = Gaussian(sigma_px=3).denoise(frames, context)
    np.testing.assert_allclose(out.values[:, inside], 35, rtol=1e-6)


def test_a_narrow_filter_is_the_identity(make_frames, context):
    frames = make_frames()
    np.testing.assert_array_equal(Gaussian(sigma_px=0.05).denoise(frames, context), frames)


def test_an_impulse_spreads_with_the_chosen_sigma():
    image = np.zeros((1, 61, 61))
    image[0, 30, 30] = 1
    spread = filtered(image, np.ones((61, 61), bool), 3.0)[0].astype(np.float64)
    offset = np.arange(61) - 30
    assert spread.sum() == pytest.approx(1, abs=1e-5)
    for axis in (0, 1):
        variance = (offset**2) @ spread.sum(axis=1 - axis)
        assert np.sqrt(variance) == pytest.approx(3.0, abs=0.01)  # cut at 4 sigma: 0.1% of the variance is lost


def test_noise_falls_as_theory_says():
    """White noise of 1 under a Gaussian of sigma px has standard deviation 1 / (2 sqrt(pi) sigma)."""
    noise = np.random.default_rng(0).normal(size=(4, 128, 128))
    smooth = filtered(noise, np.ones((128, 128), bool), 2.0)[:, 10:-10, 10:-10]
    assert smooth.std() == pytest.approx(1 / (2 * np.sqrt(np.pi) * 2), rel=0.05)


def test_in_space_and_time_it_equals_its_twin(make_frames, tissue, context):
    frames = make_frames((9, 2, 13, 17))
    out = GaussianSt(sigma_px=1.2, sigma_t_s=2.0).denoise(frames, context).values
    for z in range(2):
        inside = tissue(frames)[z]
        expected = naive.gaussian_st(frames.values[:, z], inside, frames["time"].values, 1.2, 2.0)
        np.testing.assert_allclose(out[:, z], expected, atol=5e-4)


def test_hardly_any_width_in_time_leaves_the_gaussian_in_space(make_frames, context):
    frames = make_frames()
    out = GaussianSt(sigma_px=1.5, sigma_t_s=0.05).denoise(frames, context)
    np.testing.assert_allclose(out, Gaussian(sigma_px=1.5).denoise(frames, context), atol=1e-4)


def test_what_does_not_vary_over_time_does_not_after_it(make_frames, tissue, context):
    frames = make_frames()
    still = frames.copy(data=np.broadcast_to(frames.values[:1], frames.shape).copy())
    out = GaussianSt(sigma_px=1.0, sigma_t_s=3.0).denoise(still, context).values[:, tissue(frames)]
    np.testing.assert_allclose(out, np.broadcast_to(out[:1], out.shape), atol=1e-4)
