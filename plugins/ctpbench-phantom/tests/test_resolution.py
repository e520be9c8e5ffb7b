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
    defined = np.isfinite(maps[CBF, 0])
    weight = scanned(defined.astype(float), scanner)[defined]
    slow = {}
    for name in (CBF, CBV):
        slow[name] = scanned(np.where(defined, maps[name, 0], 0.0), scanner)[defined] / weight
        apart, blur = found[name][defined] - slow[name], maps[name, 0][defined] - slow[name]
        assert np.sqrt(np.mean(apart**2)) < 0.05 * np.sqrt(np.mean(blur**2))
    tissue = np.isfinite(maps[MTT, 0])
    np.testing.assert_allclose(found[MTT][tissue], (60 * found[CBV] / found[CBF])[tissue], rtol=1e-5)


def test_maps_are_undefined_where_the_true_ones_are_and_times_stay(maps, scanner):
    found = resolved_maps(maps, point_spread(scanner))
    assert found.dtype == np.float32
    for name in range(len(MAPS)):
        np.testing.assert_array_equal(np.isnan(found[name]), np.isnan(maps[name]))
    np.testing.assert_array_equal(found[[TTP, TMAX]], maps[[TTP, TMAX]])


def test_even_maps_stay_and_an_edge_to_csf_is_blurred_but_not_one_to_the_unknown(scanner):
    maps = np.full((5, 1, 21, 21), np.nan, np.float32)
    maps[:, 0, :, 4:] = np.array([30, 2, 4, 20, 1])[:, None, None]
    spread = point_spread(scanner)
    even = resolved_maps(maps, spread)
    np.testing.assert_allclose(even, maps, rtol=1e-5)  # nothing comes in from where the maps are not defined
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
