"""Curves with a delay, dispersion and mixture of each voxel's own, against a slow twin and the laws they keep."""

import numpy as np
import pytest
from scipy import stats
from scipy.signal import fftconvolve

from ctpbench.perfusion import Tikhonov, perfusion_maps
from ctpbench_phantom.aif import GRID_S, grid, phantom_aif
from ctpbench_phantom.residue import residue, tissue_curves
from ctpbench_phantom.transport import MIXTURE, Transport, response_tmax, transported_curves

STEP_S = 0.005


def drawn(voxels, seed=0, dispersed=True):
    """CBF, MTT and transport of voxels over the whole range."""
    rng = np.random.default_rng(seed)
    dispersion = rng.uniform(0.2, 4, voxels) if dispersed else np.zeros(voxels)
    transport = Transport(rng.uniform(0, 14, voxels), dispersion, rng.dirichlet([0.7] * 3, voxels).T)
    return rng.uniform(2, 70, voxels), rng.uniform(2, 14, voxels), transport


def naive_response(mtt_s, transport, voxel, end_s):
    """(h * R)(lag) of one voxel, by direct convolution on a grid 20 times finer."""
    lags = np.arange(0, end_s, STEP_S)
    mixed = sum(
        share * residue(lags, mtt_s, kind) for share, kind in zip(transport.shares[:, voxel], MIXTURE, strict=True)
    )
    mixed[0] /= 2
    spread = np.exp(-lags / transport.dispersion_s[voxel]) / transport.dispersion_s[voxel]
    spread[0] /= 2
    return lags, fftconvolve(mixed, spread)[: lags.size] * STEP_S


def test_curves_equal_the_naive_convolution():
    times_s = np.arange(0, 49.1, 3.5)
    cbf, mtt_s, transport = drawn(12)
    curves = transported_curves(phantom_aif(grid(49)), times_s, cbf, mtt_s, transport)
    for voxel in range(cbf.size):
        lags, response = naive_response(mtt_s[voxel], transport, voxel, 50)
        curve = cbf[voxel] / 6000 * fftconvolve(phantom_aif(lags), response)[: lags.size] * STEP_S
        late = np.interp(times_s - transport.delay_s[voxel], lags, curve, left=0)
        np.testing.assert_allclose(curves[:, voxel], late, atol=1e-3 * late.max())


def compact_bolus(times_s):
    return 400 * stats.gamma.pdf(np.asarray(times_s) - 5, 2, scale=1.2)


def test_the_area_is_the_volume_whatever_the_transport():
    end_s = 240.0
    cbf, mtt_s, transport = drawn(200)
    aif = compact_bolus(grid(end_s))
    curves = transported_curves(aif, grid(end_s), cbf, mtt_s, transport)
    np.testing.assert_allclose(curves.sum(axis=0) / aif.sum(), cbf * mtt_s / 6000, rtol=2e-4)  # CBV / 100


def test_without_delay_and_dispersion_deconvolution_gives_the_flow_back():
    times_s = np.arange(0, 60.1, 0.2)
    cbf, mtt_s, transport = drawn(20)
    shares = np.vstack([transport.shares[:2] / transport.shares[:2].sum(axis=0), np.zeros(20)])  # flat at their tops
    steep = Transport(transport.delay_s, transport.dispersion_s, shares).immediate()
    curves = transported_curves(compact_bolus(grid(60)), times_s, cbf, mtt_s, steep)
    found = perfusion_maps(curves[:, None, None], compact_bolus(times_s), 0.2, Tikhonov(1e-4))
    np.testing.assert_allclose(found["cbf"].ravel(), cbf, rtol=0.01)
    np.testing.assert_allclose(found["cbv"].ravel(), cbf * mtt_s / 60, rtol=0.005)


@pytest.mark.parametrize("kind", MIXTURE)
def test_one_residue_without_dispersion_is_the_plain_curve(kind):
    aif, times_s = phantom_aif(grid(49)), np.arange(50.0)
    cbf, mtt_s, delay_s = np.array([53.0, 16.0, 7.5]), np.array([3.7, 11.3, 13.61]), np.array([0.0, 4.0, 9.3])
    shares = np.array([[float(kind == each)] * 3 for each in MIXTURE])
    curves = transported_curves(aif, times_s, cbf, mtt_s, Transport(delay_s, np.zeros(3), shares))
    np.testing.assert_allclose(curves, tissue_curves(aif, times_s, cbf, mtt_s, delay_s, kind), atol=2e-4)


def test_curves_are_linear_in_flow_shift_with_delay_and_need_no_voxel():
    aif, times_s = phantom_aif(grid(60)), np.arange(60.0)
    _, mtt_s, transport = drawn(5)
    same = Transport(np.array([0, 0, 1, 7, 12.0]), np.full(5, 1.5), np.repeat(transport.shares[:, :1], 5, axis=1))
    curves = transported_curves(aif, times_s, [1, 2, 1, 1, 1], np.full(5, 4.0), same)
    np.testing.assert_allclose(curves[:, 1], 2 * curves[:, 0], rtol=1e-5)
    for voxel, delay in ((2, 1), (3, 7), (4, 12)):
        np.testing.assert_allclose(curves[delay:, voxel], curves[:-delay, 0], rtol=1e-5, atol=1e-6)
    none = transport.of(np.zeros(5, bool))
    assert transported_curves(aif, times_s, [], [], none).shape == (60, 0)
    assert response_tmax([], none).shape == (0,)
    assert (transport.immediate().dispersion_s == 0).all()
    np.testing.assert_array_equal(transport.of(np.arange(5) == 3).delay_s, transport.delay_s[3:4])
    assert mtt_s.size == 5


def test_tmax_is_where_the_naive_response_is_highest():
    _, mtt_s, transport = drawn(30, seed=2)
    found = response_tmax(mtt_s, transport)
    for voxel in range(30):
        lags, response = naive_response(mtt_s[voxel], transport, voxel, 30)
        assert found[voxel] == pytest.approx(transport.delay_s[voxel] + lags[response.argmax()], abs=1.1 * GRID_S)
    _, mtt_s, steep = drawn(30, dispersed=False)
    np.testing.assert_array_equal(response_tmax(mtt_s, steep), steep.delay_s)
