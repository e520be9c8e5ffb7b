"""Perfusion maps: laws, the voxel-by-voxel twin, and where they are computed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ctpbench.errors import DataError
from ctpbench.perfusion import Osvd, Tikhonov, Tsvd, circulant_matrix, deconvolve, maps_from_residues, perfusion_maps
from ctpbench.perfusion.voxels import PIXEL_BLOCK, peak
from tests import golden, naive

NAMES = ("cbf", "cbv", "mtt", "ttp", "tmax")


@pytest.fixture
def curves(tissue, rng):
    """Concentrations (time, 5, 4) of many flows, transit times and delays, with noise."""
    cells = [
        tissue(cbf, mtt, delay) for cbf in (5, 16, 25, 53) for mtt, delay in ((3, 0), (4, 1), (6, 4), (9, 2), (11, 9))
    ]
    clean = np.stack(cells, axis=1).reshape(50, 5, 4)
    return (clean + rng.normal(0, 0.5, clean.shape)).astype(np.float32)


@pytest.mark.parametrize(
    ("deconvolution", "solved", "parameter"),
    [(Tikhonov(), naive.tikhonov, 0.3), (Tsvd(), naive.tsvd, 0.15), (Osvd(), naive.osvd, 0.095)],
)
def test_maps_equal_the_twin_voxel_by_voxel(curves, aif, deconvolution, solved, parameter):
    maps = perfusion_maps(curves, aif, 1.0, deconvolution, kappa=0.73, rho=1.05)
    flat = curves.reshape(50, 20).astype(float)
    residues = solved(aif, 1.0, flat, parameter)
    assert tuple(maps) == NAMES
    for voxel in range(20):
        twin = naive.maps_of_voxel(flat[:, voxel], residues[:, voxel], 1.0, 0.73, 1.05)
        np.testing.assert_allclose([maps[name].flat[voxel] for name in NAMES], twin, rtol=2e-5, atol=1e-5)
    assert all(values.dtype == np.float32 and values.shape == (5, 4) for values in maps.values())


def test_an_impulse_as_aif_gives_maps_by_hand():
    curve = np.array([0.0, 1.09, 3.27, 2.18, 0.0, 0.0])
    maps = perfusion_maps(curve, np.array([2.0, 0, 0, 0, 0, 0]), 0.5)
    assert all(values.shape == () for values in maps.values())
    assert {name: float(value) for name, value in maps.items()} == golden.expected("impulse.maps").approx()


def test_known_flow_comes_back_with_little_regularisation(tissue, aif):
    classes = [0, 1, 3]  # gray matter, penumbra, white matter
    flow = np.array(golden.expected("phantom.tissue.cbf").value)[classes]
    transit_s = np.array(golden.expected("phantom.tissue.mtt").value)[classes]
    volume = np.array(golden.expected("phantom.tissue.cbv").value)[classes]
    curves = np.stack([tissue(*row) for row in zip(flow, transit_s, [0.0, 4.0, 1.0], strict=True)], axis=1)
    maps = perfusion_maps(curves, aif, 1.0, Tikhonov(0.01))
    np.testing.assert_allclose(maps["cbf"], flow, rtol=0.12)
    np.testing.assert_allclose(maps["cbv"], volume, rtol=0.03)
    np.testing.assert_allclose(maps["tmax"][1], 4.0, atol=2)


def test_kappa_and_rho_scale_flow_and_volume_alone(curves, aif):
    kappa, rho = golden.expected("real_data.kappa").value, golden.expected("real_data.rho").value
    plain, scaled = perfusion_maps(curves, aif, 1.0), perfusion_maps(curves, aif, 1.0, kappa=kappa, rho=rho)
    residues = deconvolve(curves, aif, 1.0)
    by_residues = maps_from_residues(residues, aif, 1.0, frames=50, kappa=kappa, rho=rho)
    for maps in (scaled, by_residues):
        for name in ("cbf", "cbv"):
            np.testing.assert_allclose(maps[name], plain[name] * (kappa / rho), rtol=1e-6)
        np.testing.assert_allclose(maps["mtt"], plain["mtt"], rtol=1e-6)
        np.testing.assert_array_equal(maps["tmax"], plain["tmax"])


@settings(max_examples=25, deadline=None)
@given(st.floats(0.1, 50))
def test_scaling_a_curve_scales_cbf_and_cbv_alone(factor):
    rng = np.random.default_rng(3)
    aif, curves = rng.uniform(0, 100, 12), rng.normal(2, 3, (12, 7)).astype(np.float32)
    plain, scaled = perfusion_maps(curves, aif, 1.5), perfusion_maps(np.float32(factor) * curves, aif, 1.5)
    for name in ("cbf", "cbv"):
        np.testing.assert_allclose(scaled[name], factor * plain[name], rtol=1e-4, atol=1e-4)
    for name in ("ttp", "tmax"):
        np.testing.assert_array_equal(scaled[name], plain[name])


def test_mtt_is_volume_over_flow_and_zero_without_flow(curves, aif):
    maps = perfusion_maps(np.concatenate([curves, np.zeros_like(curves)], axis=1), aif, 1.0)
    np.testing.assert_allclose(maps["mtt"][:5], 60 * maps["cbv"][:5] / maps["cbf"][:5], rtol=1e-6)
    assert not any(values[5:].any() for values in maps.values())


def test_a_curve_without_positive_residue_has_no_mtt():
    # With an impulse as AIF the residue is the curve, of which every padded lag is zero: its maximum is 0.
    maps = perfusion_maps(np.array([-1.0, -2.0, -1.0]), np.array([1.0, 0, 0]), 1.0, Tikhonov(0))
    assert float(maps["cbf"]) == pytest.approx(0, abs=1e-3)
    assert float(maps["cbv"]) == pytest.approx(-400)
    residues = -np.ones((6, 2))
    assert not maps_from_residues(residues, [1.0, 0, 0], 1.0, frames=3)["mtt"].any()


@pytest.mark.parametrize("shift", [-3, -1, 0, 2, 9])
def test_a_shift_in_time_shifts_tmax_and_ttp(shift):
    dt_s, frames = 1.5, 40
    aif, residue = np.zeros(frames), np.zeros(2 * frames)
    aif[10:16] = [20, 80, 100, 60, 30, 10]
    residue[:4] = [0.01, 0.009, 0.004, 0.001]
    moved = np.stack([residue, np.roll(residue, shift)], axis=1)
    maps = perfusion_maps((circulant_matrix(aif, dt_s) @ moved)[:frames], aif, dt_s)
    for name in ("ttp", "tmax"):
        assert maps[name][1] - maps[name][0] == pytest.approx(shift * dt_s, abs=1e-5)
    for name in ("cbf", "cbv", "mtt"):
        assert maps[name][0] == pytest.approx(maps[name][1], rel=1e-4)
    assert maps["tmax"][1] == pytest.approx(shift * dt_s, abs=1.01 * dt_s)  # the filter may smear one frame


def test_the_lag_of_half_the_circle_counts_as_positive():
    residues = np.zeros((8, 3))
    residues[[4, 5, 7], [0, 1, 2]] = 1
    maps = maps_from_residues(residues, [1.0, 0, 0, 0], 2.0, frames=4)
    np.testing.assert_array_equal(maps["tmax"], [8, -6, -2])


def test_the_scans_lags_are_the_first_half_of_the_circle():
    residues = np.zeros((8, 3))
    residues[[3, 1, 5], [0, 1, 1]] = [1, 2, 3]
    residues[6, 2] = 4
    maps = maps_from_residues(residues, [1.0, 0, 0, 0], 2.0, frames=4, peak_lags="scan")
    np.testing.assert_array_equal(maps["cbf"], [6000, 12000, 0])
    np.testing.assert_array_equal(maps["tmax"], [6, 2, 0])
    np.testing.assert_array_equal(maps["cbv"], [200, 1000, 800])
    np.testing.assert_allclose(maps["mtt"], [2, 5, 0])


@pytest.mark.parametrize("deconvolution", [Tikhonov(0.05), Tsvd(), Osvd()])
def test_at_the_scans_lags_only_flow_and_delay_are_others(curves, aif, deconvolution):
    circle = perfusion_maps(curves, aif, 1.0, deconvolution)
    scan = perfusion_maps(curves, aif, 1.0, deconvolution, peak_lags="scan")
    residues = deconvolve(curves, aif, 1.0, deconvolution)
    np.testing.assert_array_equal(scan["cbf"], 6000 * residues[:50].max(axis=0))
    np.testing.assert_array_equal(scan["tmax"], residues[:50].argmax(axis=0))
    for name in ("cbv", "ttp"):
        np.testing.assert_array_equal(scan[name], circle[name])
    forward = circle["tmax"] >= 0
    assert forward.sum() > 0
    for name in NAMES:
        np.testing.assert_array_equal(scan[name][forward], circle[name][forward])
    assert (scan["cbf"][~forward] <= circle["cbf"][~forward]).all()


def test_tissue_before_its_artery_has_its_peak_at_lag_zero_of_the_scan(aif, tissue):
    early = np.roll(tissue(40, 4), -4)
    maps = {lags: perfusion_maps(early, aif, 1.0, Tikhonov(0.03), peak_lags=lags) for lags in ("circle", "scan")}
    assert maps["circle"]["tmax"] == pytest.approx(-4, abs=2.5)
    assert maps["scan"]["tmax"] == 0
    assert 0 < maps["scan"]["cbf"] < maps["circle"]["cbf"]


def test_lags_of_another_name_are_refused():
    message = r"^peak_lags: got 'first'; allowed: circle or scan$"
    with pytest.raises(ValueError, match=message):
        perfusion_maps(np.zeros((3, 2)), [0, 1, 0], 1.0, peak_lags="first")
    with pytest.raises(ValueError, match=message):
        maps_from_residues(np.zeros((6, 2)), [0, 1, 0], 1.0, frames=3, peak_lags="first")


@pytest.mark.parametrize("lags", ["circle", "scan"])
def test_both_ways_agree_for_tikhonov(curves, aif, lags):
    direct = perfusion_maps(curves, aif, 1.0, kappa=0.73, rho=1.05, peak_lags=lags)
    residues = deconvolve(curves, aif, 1.0)
    by_residues = maps_from_residues(residues, aif, 1.0, frames=50, kappa=0.73, rho=1.05, peak_lags=lags)
    for name in ("cbf", "cbv", "mtt", "tmax"):
        np.testing.assert_array_equal(by_residues[name], direct[name])


def test_ttp_of_residues_is_that_of_the_curve_they_stand_for(tissue, aif):
    curves = np.stack([tissue(53, 3.74), tissue(16, 11.25, 4.0), tissue(25, 4.56, 1.0)], axis=1)
    residues = deconvolve(curves, aif, 1.0, Tikhonov(0.01))
    expected = np.argmax(circulant_matrix(aif, 1.0)[:50] @ residues, axis=0)
    ttp = maps_from_residues(residues, aif, 1.0, frames=50)["ttp"]
    np.testing.assert_array_equal(ttp, expected)
    np.testing.assert_array_equal(ttp, perfusion_maps(curves, aif, 1.0)["ttp"])


@pytest.mark.parametrize("kind", ["scattered", "run", "empty", "full"])
def test_only_the_mask_is_computed(rng, kind):
    shape = (2, 90, 70)
    assert np.prod(shape) > PIXEL_BLOCK  # more than one block
    mask = {
        "scattered": rng.uniform(size=shape) < 0.4,
        "run": np.arange(np.prod(shape)).reshape(shape) // 500 == 7,
        "empty": np.zeros(shape, bool),
        "full": np.ones(shape, bool),
    }[kind]
    aif = rng.uniform(0, 100, 6)
    series = rng.normal(3, 5, (6, *shape)).astype(np.float32)
    everywhere = perfusion_maps(series, aif, 1.0)
    series[:, ~mask] = np.nan  # would show in the maps, were it read
    series.flags.writeable = False
    maps = perfusion_maps(series, aif, 1.0, mask=mask)
    for name in NAMES:
        np.testing.assert_allclose(maps[name], np.where(mask, everywhere[name], 0), rtol=1e-4, atol=1e-3)


@settings(max_examples=60, deadline=None)
@given(
    npst.arrays(
        np.float32,
        npst.array_shapes(min_dims=2, max_dims=2, max_side=20),
        elements=st.sampled_from([-1.0, 0.0, 1.0, 2.0, np.inf]),
    )
)
def test_peak_is_the_first_maximum(rows):
    height, index = peak(rows)
    np.testing.assert_array_equal(height, rows.max(axis=0))
    np.testing.assert_array_equal(index, rows.argmax(axis=0))


def test_peak_of_more_rows_than_a_byte_counts(rng):
    rows = rng.permuted(np.tile(np.arange(700, dtype=np.float32)[:, np.newaxis], 40), axis=0)
    np.testing.assert_array_equal(peak(rows)[1], rows.argmax(axis=0))


@pytest.mark.parametrize("mask", [np.ones((2, 3), bool), np.ones((3, 2)), np.ones(6, bool)])
def test_a_mask_must_fit(mask):
    with pytest.raises(DataError, match=r"^mask: got .*; allowed: bool of shape \(3, 2\)"):
        perfusion_maps(np.zeros((4, 3, 2)), [0, 1, 2, 0], 1.0, mask=mask)


def test_residues_must_fit_the_frames():
    with pytest.raises(DataError, match=r"^residues: got shape \(7, 2\); allowed: 8 lags for 4 frames"):
        maps_from_residues(np.zeros((7, 2)), [0, 1, 2, 0], 1.0, frames=4)
    with pytest.raises(DataError, match=r"^aif: got shape \(3,\); allowed: \(4,\)"):
        maps_from_residues(np.zeros((8, 2)), [0, 1, 2], 1.0, frames=4)
