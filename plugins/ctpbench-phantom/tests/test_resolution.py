import numpy as np
import pytest
from scipy import ndimage

from ctpbench import MAPS
from ctpbench_phantom.phantom import Phantom
from ctpbench_phantom.resolution import point_spread, resolved_maps
from ctpbench_phantom.scan import table_scanner
from ctpbench_phantom.scanner.backprojector import fbp
from ctpbench_phantom.scanner.projector import project

from .test_phantom import SMALL
from .test_real_like import SMALL as SMALL_PATIENTS

CBF, CBV, MTT, TTP, TMAX = range(5)


@pytest.fixture(scope="module")
def scanner():
    return table_scanner(2.0, 576, 192)


@pytest.fixture(scope="module")
def maps():
    """Maps of a slice, (map, 1, y, x)."""
    (_, source), *_ = Phantom(size_px=104, pixel_mm=2.0, test_slices=1).source("slice-004")
    return source.maps[:, None]


def gaussian(sigma_px, side=9):
    impulse = np.zeros((side, side))
    impulse[side // 2, side // 2] = 1
    return ndimage.gaussian_filter(impulse, sigma_px)


def test_the_point_spread_is_even_and_of_sum_one_and_about_a_gaussian_of_seven_tenths_of_a_millimetre():
    # The width: that of the Gaussian which brings true maps nearest to noiseless ones.
    spread = point_spread(table_scanner(1.0, 576, 384))
    assert spread.sum() == pytest.approx(1)
    for other in (spread.T, spread[::-1], spread[:, ::-1]):
        np.testing.assert_allclose(spread, other)
    misfit = {sigma: np.abs(gaussian(sigma) - spread).max() for sigma in np.arange(0.5, 1.01, 0.05)}
    best = min(misfit, key=misfit.get)
    assert best == pytest.approx(0.7, abs=0.051)
    assert misfit[best] < 0.03
    assert not spread.flags.writeable


def test_a_coarser_detector_or_a_softer_window_spreads_a_point_further(scanner):
    sharp, coarse = (point_spread(table_scanner(2.0, 576, n, w)).max() for n, w in ((192, "ramp"), (128, "hann")))
    assert sharp > point_spread(scanner).max() > coarse


def scanned(image, scanner):
    return fbp(project(image[None], scanner.fan, scanner.pixel_mm), scanner, image.shape)[0]


def test_resolved_flow_and_volume_are_what_the_scanner_makes_of_the_maps(maps, scanner):
    found = resolved_maps(maps, point_spread(scanner))[:, 0]
    resolved = np.isfinite(found[CBF])
    slow = {}
    for name in (CBF, CBV):
        slow[name] = scanned(np.where(np.isfinite(maps[name, 0]), maps[name, 0], 0.0), scanner)[resolved]
        apart, blur = found[name][resolved] - slow[name], maps[name, 0][resolved] - slow[name]
        assert np.sqrt(np.mean(apart**2)) < 0.05 * np.sqrt(np.mean(blur**2))
    tissue = np.isfinite(found[MTT])
    np.testing.assert_allclose(found[MTT][tissue], (60 * found[CBV] / found[CBF])[tissue], rtol=1e-5)


def test_times_stay_and_all_is_undefined_where_the_true_maps_are_or_the_scanner_mixes_in_what_is_not(maps, scanner):
    found = resolved_maps(maps, point_spread(scanner))
    assert found.dtype == np.float32
    mixed_in = scanned((~np.isfinite(maps[CBF, 0])).astype(float), scanner)
    resolved = np.isfinite(found[CBF, 0])
    # The scanner's streaks reach further than its point spread: a pixel near the limit may fall on either side of it.
    assert resolved[np.isfinite(maps[CBF, 0]) & (mixed_in < 0.002)].mean() > 0.99
    assert not resolved[mixed_in > 0.03].any()
    lost = np.isfinite(maps[CBF, 0]) & ~resolved
    assert 0.02 < lost.sum() / resolved.sum() < 0.3
    for name in range(len(MAPS)):
        np.testing.assert_array_equal(np.isnan(found[name, 0]), np.isnan(maps[name, 0]) | lost)
    for name in (TTP, TMAX):
        np.testing.assert_array_equal(found[name, 0][resolved], maps[name, 0][resolved])


def test_a_vessel_takes_the_pixels_with_it_that_hold_a_hundredth_of_it(scanner):
    maps = np.ones((5, 1, 21, 21), np.float32)
    maps[:, 0, 10, 10] = np.nan
    spread = point_spread(scanner)
    lost = np.isnan(resolved_maps(maps, spread)[CBF, 0])
    expected = np.zeros((21, 21), bool)
    expected[6:15, 6:15] = spread > 0.01
    np.testing.assert_array_equal(lost, expected)
    assert 5 <= lost.sum() <= 13


def test_beside_vessels_the_noiseless_maps_of_a_patient_are_far_from_the_true_ones_and_elsewhere_not():
    """What the rule is for: one weight for all tissue must not be ruled by the vessels that blur into it."""
    from ctpbench.perfusion import Tikhonov, perfusion_maps, scale_factor, subtract_baseline
    from ctpbench_phantom.real_like import RealLike

    patients = RealLike(**SMALL_PATIENTS, input_functions="true")
    case = patients.load("patient-02", None)
    frames, aif = case.truth.frames.values, case.observation.aif
    cbf = perfusion_maps(subtract_baseline(frames), aif, 1.0, Tikhonov(0.1))["cbf"]
    true, resolved = (maps.sel(map="cbf").values for maps in (case.truth.maps, case.truth.resolved))
    inside = case.observation.tissue & np.isfinite(resolved)
    beside = case.observation.tissue & np.isfinite(true) & ~np.isfinite(resolved)
    factor = scale_factor(cbf, resolved, inside)
    error = {name: np.abs(factor * cbf - true)[where].mean() for name, where in (("in", inside), ("by", beside))}
    assert error["by"] > 2 * error["in"]


def test_even_maps_stay_and_an_edge_to_csf_is_blurred_but_not_one_to_the_unknown(scanner):
    maps = np.full((5, 1, 21, 21), np.nan, np.float32)
    maps[:, 0, :, 4:] = np.array([30, 2, 4, 20, 1])[:, None, None]
    spread = point_spread(scanner)
    expected = maps.copy()
    expected[..., 4] = np.nan  # mixed with what is beside it
    even = resolved_maps(maps, spread)
    np.testing.assert_allclose(even, expected, rtol=1e-5)  # nothing comes in from where the maps are not defined
    maps[:2, 0, :, 12:], maps[2:, 0, :, 12:] = 0, np.nan
    edge = resolved_maps(maps, spread)[:, 0, 10]
    assert 0 < edge[CBF, 12] < 15 < edge[CBF, 11] < 30
    assert edge[CBF, 5] == pytest.approx(30, rel=1e-3)
    assert edge[MTT, 11] == pytest.approx(4, rel=1e-5)
    assert np.isnan(edge[MTT, 12])
    maps[:2] = 0
    assert np.isnan(resolved_maps(maps, spread)[MTT]).all()


@pytest.mark.parametrize(
    ("dataset", "case_id"), [("phantom", "slice-001"), ("real_like", "patient-02")], ids=["phantom", "real_like"]
)
def test_every_simulated_case_tells_what_is_resolved(dataset, case_id):
    from ctpbench_phantom.real_like import RealLike

    made = Phantom(**SMALL) if dataset == "phantom" else RealLike(**SMALL_PATIENTS, input_functions="true")
    truth = made.load(case_id, None).truth
    expected = resolved_maps(truth.maps.values, point_spread(made.scanner()))
    np.testing.assert_array_equal(truth.resolved, expected)
    for dim in ("map", "z", "y", "x"):
        np.testing.assert_array_equal(truth.resolved[dim], truth.maps[dim])
    kept = truth.resolved.values.copy()
    truth.resolved.values[...] = 0
    np.testing.assert_array_equal(made.load(case_id, None).truth.resolved, kept)
