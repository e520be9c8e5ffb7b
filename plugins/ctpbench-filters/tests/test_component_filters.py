"""The filters of temporal components against their twins, and their laws."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ctpbench import Observation
from ctpbench_filters.lowrank import Lowrank
from ctpbench_filters.lowrank_nl import LowrankNl
from ctpbench_filters.tips_pca import TipsPca

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


EACH = pytest.mark.parametrize("method", [Lowrank, LowrankNl, TipsPca], ids=lambda method: method.name)


@pytest.mark.parametrize(
    ("method", "twin", "width"),
    [(LowrankNl, naive.lowrank_nl, "h"), (TipsPca, naive.tips_pca, "sigma_c_hu")],
    ids=["lowrank_nl", "tips_pca"],
)
@given(
    shape=st.tuples(st.integers(4, 14), st.integers(2, 9), st.integers(2, 9)),
    rank=st.integers(1, 3),
    strength=st.floats(0.5, 6),
    sigma_s_px=st.floats(0.5, 10),
    window_px=st.sampled_from([3, 5, 11]),
    share=st.floats(0.3, 1),
    seed=st.integers(0, 999),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_equals_its_twin(context, method, twin, width, shape, rank, strength, sigma_s_px, window_px, share, seed):
    rng = np.random.default_rng(seed)
    bolus = np.exp(-((np.arange(shape[0]) - shape[0] / 2) ** 2) / 4)
    series = rng.normal(35, 3, shape) + 40 * bolus[:, None, None] * rng.random(shape[1:])
    mask = rng.random(shape[1:]) < share
    assume(mask.sum() > shape[0])  # the noise of few curves is that of rounding
    parameters = {"rank": rank, width: strength, "sigma_s_px": sigma_s_px, "window_px": window_px}
    out = method(**parameters).denoise(scan(series, mask), context).values[:, 0]
    np.testing.assert_allclose(out, twin(series.astype(np.float32), mask, **parameters), atol=5e-3)


@pytest.mark.parametrize("rank", [None, 0, 1, 4])
def test_truncation_equals_its_twin(context, rank):
    rng = np.random.default_rng(3)
    bolus = np.exp(-((np.arange(20) - 8) ** 2) / 9)
    series = rng.normal(35, 3, (20, 15, 16)) + 60 * bolus[:, None, None] * rng.random((15, 16))
    mask = rng.random((15, 16)) < 0.8
    out = Lowrank(rank=rank).denoise(scan(series, mask), context).values[:, 0]
    np.testing.assert_allclose(out, naive.lowrank(series.astype(np.float32), mask, rank), atol=1e-3)


@pytest.mark.parametrize("signals", [0, 1, 2, 4])
def test_the_noise_tells_how_many_components_there_are(context, signals):
    rng = np.random.default_rng(signals)
    shapes = np.linalg.qr(rng.normal(size=(30, 5)))[0][:, :signals]
    heights = rng.normal(0, 12, (signals, 40, 40))
    clean = 35 + np.tensordot(shapes - shapes.mean(axis=0), heights, axes=1)
    out = Lowrank().denoise(scan(clean + rng.normal(0, 4, clean.shape), np.ones((40, 40), bool)), context).values[:, 0]
    found = np.linalg.matrix_rank((out - out.mean(axis=0)).reshape(30, -1), tol=1.0)
    assert signals <= found <= signals + 1  # the largest of noise's own lies near the edge
    assert (out - clean).std() < 4 * np.sqrt((found + 1.5) / 30)


@EACH
def test_each_slice_is_filtered_alone_and_one_without_tissue_passes(method, make_frames, context):
    frames = make_frames((12, 3, 13, 17))
    frames = frames.assign_coords(vessels=frames["vessels"] | (frames["z"] == frames["z"][1]))
    out = method().denoise(frames, context)
    np.testing.assert_array_equal(out[:, 1], frames[:, 1])
    for z in (0, 2):
        np.testing.assert_allclose(out[:, z], method().denoise(frames[:, [z]], context)[:, 0], rtol=1e-5)


@EACH
def test_filters_tissue_alone(method, make_frames, tissue, context):
    frames = make_frames((12, 2, 13, 17))
    inside = tissue(frames)
    out = method().denoise(frames, context)
    np.testing.assert_array_equal(out.values[:, ~inside], frames.values[:, ~inside])
    assert (out.values[:, inside] != frames.values[:, inside]).mean() > 0.99


@EACH
def test_a_scan_without_tissue_passes_unchanged(method, context):
    series = np.random.default_rng(0).normal(35, 3, (6, 5, 5))
    frames = scan(series, np.zeros((5, 5), bool))
    np.testing.assert_array_equal(method().denoise(frames, context), frames)


@pytest.mark.parametrize("method", [LowrankNl, TipsPca], ids=lambda method: method.name)
def test_noise_falls_and_an_edge_between_two_kinds_of_curves_stays_sharp(method, context):
    rng = np.random.default_rng(0)
    bolus = 10 * np.exp(-((np.arange(40) - 15) ** 2) / 30)
    clean = np.zeros((40, 32, 32)) + 35
    clean[:, :, :16] += bolus[:, None, None]
    clean[:, :, 16:] += 3 * np.roll(bolus, 5)[:, None, None]
    noisy = clean + rng.normal(0, 5, clean.shape)
    out = method().denoise(scan(noisy, np.ones((32, 32), bool)), context).values[:, 0]
    error = out - clean
    assert error.std() < 0.5
    assert np.abs(error[:, :, 15:17].mean(axis=(1, 2))).max() < 1.0


@EACH
@pytest.mark.parametrize("rank", [5, 50])
def test_no_more_components_than_frames(method, rank, make_frames, context):
    frames = make_frames((4, 1, 13, 17))
    out = method(rank=rank).denoise(frames, context)
    np.testing.assert_array_equal(out, method(rank=3).denoise(frames, context))


@pytest.mark.parametrize("method", [Lowrank, LowrankNl], ids=lambda method: method.name)
def test_a_series_without_noise_stays(method, context):
    bolus = np.exp(-((np.arange(20) - 8) ** 2) / 6)
    kinds = np.indices((10, 10)).sum(axis=0) % 2
    series = 35 + 20 * bolus[:, None, None] * (1 + kinds)
    out = method().denoise(scan(series, np.ones((10, 10), bool)), context).values[:, 0]
    np.testing.assert_allclose(out, series, atol=0.02)
