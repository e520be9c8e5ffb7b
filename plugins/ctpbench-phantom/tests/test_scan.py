import numpy as np
import pytest

from ctpbench import DataError
from ctpbench_phantom.anatomy import Tissue
from ctpbench_phantom.scan import check_photons, noise_seed, table_scanner, truth_of

SPACING_MM = (5.0, 2.0, 1.0)


def truth(labels):
    frames = np.zeros((3, *labels.shape), np.float32)
    return truth_of(frames, np.zeros((5, *labels.shape), np.float32), labels, np.arange(3.0), SPACING_MM)


def test_the_scanner_is_that_of_table_one_whatever_divides_its_detector():
    fan = table_scanner(1.0, 1152, 384).fan
    assert (fan.pitch_mm, fan.source_iso_mm, fan.source_detector_mm) == (1.2858, 595.0, 1086.5)
    coarse = table_scanner(2.0, 96, 64, "ramp", 3.0)
    assert coarse.fan.pitch_mm * 64 == pytest.approx(384 * 1.2858)
    assert (coarse.pixel_mm, coarse.window, coarse.electronic_sigma, coarse.fan.views) == (2.0, "ramp", 3.0, 96)


def test_noise_seeds_are_fixed_and_all_different():
    # Golden: noise that was published must not change with a new Python or numpy.
    assert noise_seed(0, "slice-000", 2e5) == 5821162328724242683
    names = [f"slice-{index:03d}" for index in range(80)]
    seeds = {noise_seed(seed, name, noise) for seed in (0, 1) for name in names for noise in (1e5, 2e5, 1e6)}
    assert len(seeds) == 2 * 80 * 3


@pytest.mark.parametrize("noise", [0.0, -1e5, float("nan"), float("inf")])
def test_noise_must_be_photons(noise):
    with pytest.raises(DataError, match=r"^head: noise: got .*; allowed: photons per ray above 0"):
        check_photons("head", noise)


def test_photons_or_none_are_allowed():
    check_photons("head", 2e5)
    check_photons("head", None)


def test_truth_lies_on_the_voxels_in_mm():
    found = truth(np.zeros((2, 3, 4), np.int8))
    for array in (found.maps, found.frames, found.labels):
        for dim, n, step in zip("zyx", (2, 3, 4), SPACING_MM, strict=True):
            np.testing.assert_array_equal(array[dim], np.arange(n) * step)
            assert array[dim].attrs["units"] == "mm"
    np.testing.assert_array_equal(found.frames["time"], [0, 1, 2])


def test_labels_explain_themselves():
    labels = truth(np.full((1, 2, 2), Tissue.WHITE_SEVERE, np.int8)).labels
    assert labels.dtype == np.int8
    meanings = labels.attrs["flag_meanings"].split()
    assert len(meanings) == len(labels.attrs["flag_values"]) == len(Tissue)
    assert meanings[labels.attrs["flag_values"].tolist().index(Tissue.WHITE_SEVERE)] == "white_severe"


def test_core_and_penumbra_are_regions_of_interest_where_there_are_any():
    labels = np.array(
        [[[Tissue.GRAY_SEVERE, Tissue.GRAY, Tissue.WHITE_SEVERE, Tissue.WHITE_REDUCED, Tissue.OLD_INFARCT]]], np.int8
    )
    rois = truth(labels).rois
    assert rois["roi"].values.tolist() == ["core", "penumbra"]
    np.testing.assert_array_equal(rois.sel(roi="core"), [[[True, False, True, False, False]]])
    np.testing.assert_array_equal(rois.sel(roi="penumbra"), [[[False, False, False, True, False]]])
    assert truth(labels[..., 3:]).rois["roi"].values.tolist() == ["penumbra"]
    assert truth(labels[..., 4:]).rois is None
    assert truth_of(np.zeros((3, 1, 1, 1)), np.zeros((5, 1, 1, 1)), None, np.arange(3.0), SPACING_MM).rois is None


def test_what_is_resolved_is_told_where_it_is_known():
    labels = np.zeros((2, 3, 4), np.int8)
    assert truth(labels).resolved is None
    frames, maps = np.zeros((3, 2, 3, 4), np.float32), np.ones((5, 2, 3, 4), np.float32)
    resolved = truth_of(frames, maps, labels, np.arange(3.0), SPACING_MM, 2 * maps).resolved
    np.testing.assert_array_equal(resolved, 2 * maps)
    np.testing.assert_array_equal(resolved["y"], [0, 2, 4])
