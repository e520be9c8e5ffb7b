"""The joint bilateral filter against its twin, and its laws."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ctpbench_filters.bilateral import Bilateral
from ctpbench_filters.gaussian import Gaussian

from . import naive
from .test_component_filters import scan


@given(
    shape=st.tuples(st.integers(4, 9), st.integers(2, 9), st.integers(2, 11)),
    sigma_r_hu=st.floats(0.5, 30),
    sigma_s_px=st.floats(0.3, 20),
    window_px=st.sampled_from([3, 5, 7, 11]),
    share=st.floats(0, 1),
    seed=st.integers(0, 999),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_equals_its_twin(context, shape, sigma_r_hu, sigma_s_px, window_px, share, seed):
    rng = np.random.default_rng(seed)
    series = rng.normal(40, 8, shape).astype(np.float32)
    mask = rng.random(shape[1:]) < share
    assume(mask.any())
    parameters = {"sigma_r_hu": sigma_r_hu, "sigma_s_px": sigma_s_px, "window_px": window_px}
    out = Bilateral(**parameters).denoise(scan(series, mask), context).values[:, 0]
    np.testing.assert_allclose(out, naive.bilateral(series, mask, **parameters), atol=1e-3)


@pytest.mark.parametrize("shape", [(3, 1, 9, 8), (8, 2, 13, 17)])
def test_filters_the_tissue_of_every_slice_alone(shape, make_frames, tissue, context):
    frames = make_frames(shape)
    out = Bilateral(sigma_r_hu=5, sigma_s_px=2, window_px=7).denoise(frames, context)
    inside = tissue(frames)
    for z in range(shape[1]):
        expected = naive.bilateral(frames.values[:, z], inside[z], 5, 2, 7)
        np.testing.assert_allclose(out.values[:, z], expected, atol=1e-3)
    np.testing.assert_array_equal(out.values[:, ~inside], frames.values[:, ~inside])


def test_without_the_likeness_it_is_a_windowed_gaussian(make_frames, tissue, context):
    frames = make_frames()
    out = Bilateral(sigma_r_hu=1000, sigma_s_px=1.25, window_px=11).denoise(frames, context)
    expected = Gaussian(sigma_px=1.25).denoise(frames, context)
    np.testing.assert_allclose(out, expected, atol=5e-3)


def test_an_edge_of_the_mean_over_time_stays_sharp_in_every_frame(context):
    """8 HU that drown in one frame's noise and stand out of the mean of forty."""
    rng = np.random.default_rng(0)
    series = rng.normal(30, 8, (40, 16, 16))
    series[:, :, 8:] += 8
    smooth = Bilateral(sigma_r_hu=2, sigma_s_px=3).denoise(scan(series, np.ones((16, 16), bool)), context).values[:, 0]
    step = smooth[:, :, 8].mean() - smooth[:, :, 7].mean()
    assert step > 6.5
    assert smooth[:, :, :8].std() < 2
