"""TIPS against its twin, and its laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctpbench_filters.tips import Tips

from . import naive


def filtered(series, mask, sigma_t_hu, *parameters):
    from ctpbench_filters._similar_kernel import similar_mean

    return similar_mean(series, mask, 1 / (2 * len(series) * sigma_t_hu**2), *parameters, threads=2)


@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 11)),
    sigma_t_hu=st.floats(0.5, 30),
    sigma_s_px=st.floats(0.3, 20),
    window_px=st.sampled_from([3, 5, 7, 11]),
    share=st.floats(0, 1),
    seed=st.integers(0, 999),
)
@settings(max_examples=40, deadline=None)
def test_equals_its_twin(shape, sigma_t_hu, sigma_s_px, window_px, share, seed):
    rng = np.random.default_rng(seed)
    series = rng.normal(40, 8, shape)
    mask = rng.random(shape[1:]) < share
    parameters = (sigma_t_hu, sigma_s_px, window_px)
    np.testing.assert_allclose(filtered(series, mask, *parameters), naive.tips(series, mask, *parameters), atol=1e-3)


@pytest.mark.parametrize("window_px", [5, 19, 35])
def test_rows_of_several_vectors_in_windows_wider_than_one(window_px):
    rng = np.random.default_rng(window_px)
    series, mask = rng.normal(40, 8, (3, 5, 37)), rng.random((5, 37)) < 0.8
    parameters = (10.0, 9.0, window_px)
    np.testing.assert_allclose(filtered(series, mask, *parameters), naive.tips(series, mask, *parameters), atol=1e-3)


def test_weights_are_exponentials_and_0_below_a_ten_millionth():
    from ctpbench_filters._similar_kernel import _exp

    exponents = np.linspace(-20, 0, 2001, dtype=np.float32)
    weights = np.array([_exp(exponent) for exponent in exponents])
    np.testing.assert_allclose(weights, np.exp(exponents), atol=1e-6)
    np.testing.assert_array_equal(weights > 0, exponents > -16)


@pytest.mark.parametrize("shape", [(3, 1, 9, 8), (8, 2, 13, 17), (9, 2, 13, 17), (10, 3, 9, 21)])
def test_filters_tissue_alone(shape, make_frames, tissue, context):
    frames = make_frames(shape)
    out = Tips(sigma_t_hu=5, sigma_s_px=2, window_px=7).denoise(frames, context)
    inside = tissue(frames)
    for z in range(shape[1]):
        expected = naive.tips(frames.values[:, z], inside[z], 5, 2, 7)
        np.testing.assert_allclose(out.values[:, z], expected, atol=1e-3)
    np.testing.assert_array_equal(out.values[:, ~inside], frames.values[:, ~inside])


def test_a_constant_stays_constant_beside_bone_and_vessels(make_frames, tissue, context):
    frames = make_frames()
    inside = tissue(frames)
    frames = frames.copy(data=np.where(inside, np.float32(35), frames.values))
    out = Tips().denoise(frames, context)
    np.testing.assert_allclose(out.values[:, inside], 35, rtol=1e-6)


def test_curves_unlike_all_others_stay_as_they_are(make_frames, context):
    frames = make_frames()
    np.testing.assert_array_equal(Tips(sigma_t_hu=0.01).denoise(frames, context), frames)


def test_without_the_likeness_it_is_a_windowed_gaussian(make_frames, tissue, context):
    """A window of 4 sigma on each side is where the Gaussian filter ends as well."""
    frames = make_frames()
    out = Tips(sigma_t_hu=1000, sigma_s_px=1.25, window_px=11).denoise(frames, context).values
    inside = tissue(frames)
    for z in range(frames.sizes["z"]):
        expected = naive.gaussian(frames.values[:, z], inside[z], 1.25)
        np.testing.assert_allclose(out[:, z], expected, atol=2e-3)


def test_an_edge_between_two_kinds_of_curves_stays_sharp():
    rng = np.random.default_rng(0)
    series = rng.normal(0, 1, (30, 16, 16))
    series[:, :, 8:] += 20
    smooth = filtered(series, np.ones((16, 16), bool), 3.0, 3.0, 11)
    assert smooth[:, :, 7].max() < 2
    assert smooth[:, :, 8].min() > 18
    assert smooth[:, :, :8].std() < 0.3


def test_the_frames_of_a_pixel_share_their_weights(make_frames, tissue, context):
    """Frames in another order give the same answer in that order."""
    frames = make_frames()
    order = np.random.default_rng(1).permutation(frames.sizes["time"])
    shuffled = frames.copy(data=frames.values[order])
    out = Tips().denoise(frames, context).values[order]
    np.testing.assert_allclose(Tips().denoise(shuffled, context).values, out, rtol=1e-5)


def test_a_shift_of_all_values_shifts_the_answer(make_frames, tissue, context):
    frames = make_frames()
    inside = tissue(frames)
    out = Tips().denoise(frames, context).values[:, inside]
    shifted = Tips().denoise(frames.copy(data=frames.values + np.float32(64)), context).values[:, inside]
    np.testing.assert_allclose(shifted, out + 64, atol=1e-3)
