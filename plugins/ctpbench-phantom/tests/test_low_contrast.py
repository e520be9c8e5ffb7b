"""Even heads with lesions at half of their sites: where they are, what they lack, and what is seen of them."""

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from ctpbench.perfusion import Tikhonov, perfusion_maps, subtract_baseline
from ctpbench.testing import parametrize_with_checks
from ctpbench_phantom.anatomy import Tissue
from ctpbench_phantom.low_contrast import LowContrast
from ctpbench_phantom.patient import draw_patient

SMALL = {
    "size_px": 96,
    "pixel_mm": 2.2,
    "frames": 24,
    "frame_interval_s": 2.0,
    "views": 120,
    "detectors": 96,
    "slices": 2,
}
FEW = {"train_draws": 1, "validation_draws": 1, "test_draws": 2}


@parametrize_with_checks([LowContrast(**SMALL, **FEW)], noise=(None, 2e5))
def test_conforms(component, check):
    check(component)


@pytest.fixture(scope="module")
def draws():
    return LowContrast(**SMALL, **FEW)


@pytest.fixture(scope="module")
def case(draws):
    return draws.load("draw-01", None)


def sites(case, name):
    return case.truth.rois.sel(roi=name).values


def middles(mask):
    labels, count = ndimage.label(mask)
    return np.array(ndimage.center_of_mass(mask, labels, range(1, count + 1)))


def test_half_of_the_sites_hold_a_lesion_and_all_are_apart_and_of_one_size(case, draws):
    for z in range(2):
        lesion, empty = (sites(case, name)[z] for name in ("lesion_sites", "empty_sites"))
        places = [middles(lesion), middles(empty)]
        assert len(places[0]) >= 6
        assert abs(len(places[0]) - len(places[1])) <= 1
        area_mm2 = np.pi * (draws.diameter_mm / 2) ** 2
        for mask, place in ((lesion, places[0]), (empty, places[1])):
            assert mask.sum() * draws.pixel_mm**2 / len(place) == pytest.approx(
                area_mm2, rel=0.35
            )  # of 16 to 21 pixels
        every = np.concatenate(places) * draws.pixel_mm
        nearest = np.sort(np.linalg.norm(every[:, None] - every, axis=-1), axis=1)[:, 1]
        assert (nearest > 2 * draws.diameter_mm - 2 * draws.pixel_mm).all()
        depth = ndimage.distance_transform_edt(case.truth.labels[z].isin([Tissue.WHITE, Tissue.WHITE_REDUCED]))
        inside = [depth[tuple(np.rint(middle).astype(int))] for middle in np.concatenate(places)]
        assert min(inside) * draws.pixel_mm > 1.4 * draws.diameter_mm


def test_a_lesion_lacks_flow_by_less_volume_and_a_longer_transit_and_all_else_is_even(case, draws):
    lesion = sites(case, "lesion_sites")
    cbf, cbv, mtt = (case.truth.maps.sel(map=name).values for name in ("cbf", "cbv", "mtt"))
    kept = 1 - draws.flow_lost
    rest = np.isfinite(mtt) & ~lesion
    for maps, factor in ((cbf, kept), (cbv, np.sqrt(kept)), (mtt, 1 / np.sqrt(kept))):
        assert np.unique(maps[rest]).size == np.unique(maps[lesion]).size == 1
        assert maps[lesion][0] == pytest.approx(factor * maps[rest][0], rel=1e-6)
    np.testing.assert_allclose(cbv[rest], (cbf * mtt / 60)[rest], rtol=1e-6)
    np.testing.assert_array_equal(sites(case, "penumbra"), lesion)
    assert set(np.unique(case.truth.labels)) == {
        *(Tissue.AIR, Tissue.SCALP, Tissue.SKULL, Tissue.CSF, Tissue.WHITE, Tissue.WHITE_REDUCED)
    }


def test_the_noiseless_maps_show_the_lesions(case):
    frames = case.truth.frames.values
    maps = perfusion_maps(subtract_baseline(frames), case.observation.aif, 2.0, Tikhonov(0.05))
    lesion, empty = sites(case, "lesion_sites"), sites(case, "empty_sites")
    inner = ndimage.binary_erosion(lesion, np.ones((1, 3, 3))), ndimage.binary_erosion(empty, np.ones((1, 3, 3)))
    assert maps["cbf"][inner[0]].max() < maps["cbf"][inner[1]].min()
    assert maps["cbv"][inner[0]].max() < maps["cbv"][inner[1]].min()


def test_each_slice_of_each_draw_has_sites_and_a_bolus_of_its_own(draws, case):
    lesion = sites(case, "lesion_sites")
    assert (lesion[0] != lesion[1]).any()
    other = draws.load("draw-02", None)
    assert (sites(other, "lesion_sites") != lesion).any()
    assert np.abs(other.observation.aif - case.observation.aif).max() > 10
    blood = draw_patient(0, 1, 2, 5.0)
    assert case.observation.aif.max() == pytest.approx(blood.aif_hu.max(), rel=0.05)
    np.testing.assert_array_equal(sites(draws.load("draw-01", 2e5), "lesion_sites"), lesion)


def test_more_draws_leave_those_to_test_on_as_they_are_and_each_is_its_own_group():
    few, many = (
        LowContrast(test_draws=2, validation_draws=0),
        LowContrast(test_draws=2, validation_draws=3, train_draws=1),
    )
    assert few.cases("test") == many.cases("test") == ["draw-01", "draw-02"]
    assert many.cases("validation") == ["draw-03", "draw-04", "draw-05"]
    assert many.cases("train") == ["draw-06"]
    assert many.patient("draw-04") == "draw-04"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"diameter_mm": 3.0, "pixel_mm": 1.8}, r"diameter_mm: got 3; allowed: two pixels or more, 3.6 mm"),
        ({"size_px": 64, "pixel_mm": 2.0}, "field of view of 128 mm"),
        ({"slices": 16, "slice_mm": 20.0}, "allowed: 80 mm"),
        ({"frames": 20}, "after the veins' peak"),
        ({"flow_lost": 1.0}, "less than 1"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(changes, said):
    with pytest.raises(ValidationError, match=said):
        LowContrast(**changes)
