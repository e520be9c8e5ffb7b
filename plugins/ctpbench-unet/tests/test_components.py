"""The components of slices against those of the core, of which they are the twin on another device."""

import numpy as np
import pytest
import torch

from ctpbench import Observation
from ctpbench.perfusion import cell_smoothing, smooth_components
from ctpbench_unet import _components_kernel as kernel
from ctpbench_unet import components
from ctpbench_unet.components import components_of
from ctpbench_unet.slices import slices_of

EITHER_WAY = pytest.mark.parametrize("by", ["_by_kernels", "_by_torch"])


@EITHER_WAY
@pytest.mark.parametrize("multiple", [1, 8])
def test_they_are_those_of_the_core(multiple, by, monkeypatch):
    """Of slices whose sides are odd and even, and differ."""
    monkeypatch.setattr(components, "_by_kernels", getattr(components, by))
    rng = np.random.default_rng(0)
    times = np.arange(24.0)
    y, x = np.indices((41, 45))
    curves = [np.exp(-((times - peak) ** 2) / width) for peak, width in ((8, 10), (13, 30))]
    clean = sum(np.multiply.outer(c, 20 + 9 * np.sin(x / 5 + k) * np.cos(y / 6)) for k, c in enumerate(curves))
    values = np.repeat(clean[:, None], 3, axis=1) + 35 + rng.normal(0, 4, (24, 3, 41, 45))
    brain = np.zeros((3, 41, 45), bool)
    brain[0, 3:36, 4:39] = brain[2, 10:30, 8:33] = True
    brain[2, 15:19, 20:25] = False
    observation = Observation.of(
        np.where(brain, values, 1000).astype(np.float32),
        times_s=times,
        spacing_mm=(5, 1, 1),
        brain=brain,
        vessels=np.zeros_like(brain),
        aif=100 * curves[0],
    )
    expected = smooth_components(observation.frames.values, brain)
    found = components_of(slices_of(observation.frames, multiple=multiple), "cpu")
    np.testing.assert_allclose(found.basis[:, :2], expected.basis[:, :2], atol=1e-5)
    np.testing.assert_allclose(found.variances[:2], expected.variances[:2], rtol=1e-4)
    assert found.noise_variance == pytest.approx(expected.noise_variance, rel=1e-4)


@EITHER_WAY
@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (9, 4), (3, 40), (31, 33)])
def test_sums_of_products_are_those_of_each_pixel_and_cell(shape, by):
    """Also where a slice is smaller than the reach of the smoothing, and frames are an odd number."""
    rng = np.random.default_rng(0)
    tissue = rng.random(shape) < 0.8
    series = (tissue * rng.normal(35, 5, (7, *shape))).astype(np.float32)
    found = getattr(components, by)(torch.from_numpy(series), tissue.astype(np.float32)).double().numpy()
    down, across, scale = (each.astype(np.float64) for each in cell_smoothing(tissue))
    cells = np.zeros((7, *scale.shape))
    for y, x in np.argwhere(tissue):
        cells[:, y // 2, x // 2] += series[:, y, x]
    smooth = down @ (cells - cells.mean(axis=0)) @ across * scale
    for got, curves in zip(found, (series.astype(np.float64), smooth), strict=True):
        expected = np.einsum("tyx,syx->ts", curves, curves)
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5 * abs(expected).max())


def test_threads_change_nothing():
    curves = np.random.default_rng(0).normal(size=(11, 5000)).astype(np.float32)
    np.testing.assert_array_equal(kernel.products(curves, 1), kernel.products(curves, 2))
