"""The non-local mean of temporal components against its twin, and its laws."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ctpbench import Observation
from ctpbench_filters.lowrank_nl import LowrankNl

from . import naive


def scan(series, mask):
    """The frames of one slice, (time, y, x), HU, whose tissue is a mask: all else is vessels."""
    return Observation.of(
        np.asarray(series, np.float32)[:, None],
        times_s=np.arange(len(series), dtype=float),
        spacing_mm=(5, 1, 1),
        brain=np.ones_like(mask)[None],
        vessels=~mask[None],
        aif=np.arange(len(series), dtype=float),
    ).frames


@given(
    shape=st.tuples(st.integers(4, 14), st.integers(2, 9), st.integers(2, 9)),
    rank=st.integers(1, 3),
    h=st.floats(0.5, 6),
    sigma_s_px=st.floats(0.5, 10),
    window_px=st.sampled_from([3, 5, 11]),
    share=st.floats(0.3, 1),
    seed=st.integers(0, 999),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_equals_its_twin(context, shape, rank, h, sigma_s_px, window_px, share, seed):
    rng = np.random.default_rng(seed)
    bolus = np.exp(-((np.arange(shape[0]) - shape[0] / 2) ** 2) / 4)
    series = rng.normal(35, 3, shape) + 40 * bolus[:, None, None] * rng.random(shape[1:])
    mask = rng.random(shape[1:]) < share
    assume(mask.sum() > shape[0])  # the noise of few curves is that of rounding
    parameters = {"rank": rank, "h": h, "sigma_s_px": sigma_s_px, "window_px": window_px}
    out = LowrankNl(**parameters).denoise(scan(series, mask), context).values[:, 0]
    series = series.astype(np.float32)
    np.testing.assert_allclose(out, naive.lowrank_nl(series, mask, **parameters), atol=5e-3)


def test_filters_tissue_alone(make_frames, tissue, context):
    frames = make_frames((12, 2, 13, 17))
    inside = tissue(frames)
    out = LowrankNl(rank=2).denoise(frames, context)
    np.testing.assert_array_equal(out.values[:, ~inside], frames.values[:, ~inside])
    for z in range(2):
        expected = naive.lowrank_nl(frames.values[:, z], inside[z], 2, 3.0, 3.5, 11)
        np.testing.assert_allclose(out.values[:, z], expected, atol=5e-3)


def test_a_scan_without_tissue_passes_unchanged(context):
    series = np.random.default_rng(0).normal(35, 3, (6, 5, 5))
    frames = scan(series, np.zeros((5, 5), bool))
    np.testing.assert_array_equal(LowrankNl().denoise(frames, context), frames)


def test_noise_falls_and_an_edge_between_two_kinds_of_curves_stays_sharp(context):
    rng = np.random.default_rng(0)
    bolus = 10 * np.exp(-((np.arange(40) - 15) ** 2) / 30)
    clean = np.zeros((40, 32, 32)) + 35
    clean[:, :, :16] += bolus[:, None, None]
    clean[:, :, 16:] += 3 * np.roll(bolus, 5)[:, None, None]
    noisy = clean + rng.normal(0, 5, clean.shape)
    out = LowrankNl().denoise(scan(noisy, np.ones((32, 32), bool)), context).values[:, 0]
    error = out - clean
    assert error.std() < 0.5
    assert np.abs(error[:, :, 15:17].mean(axis=(1, 2))).max() < 1.0


@pytest.mark.parametrize("rank", [5, 50])
def test_no_more_components_than_frames(rank, make_frames, context):
    frames = make_frames((4, 1, 13, 17))
    out = LowrankNl(rank=rank).denoise(frames, context)
    np.testing.assert_array_equal(out, LowrankNl(rank=3).denoise(frames, context))


def test_a_series_without_noise_stays(context):
    bolus = np.exp(-((np.arange(20) - 8) ** 2) / 6)
    kinds = np.indices((10, 10)).sum(axis=0) % 2
    series = 35 + 20 * bolus[:, None, None] * (1 + kinds)
    out = LowrankNl().denoise(scan(series, np.ones((10, 10), bool)), context).values[:, 0]
    np.testing.assert_allclose(out, series, atol=0.02)
