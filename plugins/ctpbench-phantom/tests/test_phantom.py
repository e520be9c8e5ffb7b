import numpy as np
import pytest
from pydantic import ValidationError

from ctpbench import MAPS, DataError, check_observation
from ctpbench.testing import parametrize_with_checks
from ctpbench_phantom.aif import phantom_aif
from ctpbench_phantom.anatomy import Tissue, slice_labels
from ctpbench_phantom.head import LOWEST_MM
from ctpbench_phantom.phantom import Phantom
from ctpbench_phantom.tissue import TABLE

SMALL = {
    "size_px": 64,
    "pixel_mm": 3.2,
    "frames": 26,
    "frame_interval_s": 1.5,
    "views": 64,
    "detectors": 64,
    "train_slices": 2,
    "validation_slices": 1,
    "test_slices": 2,
    "gap_slices": 1,
}


@pytest.fixture(scope="module")
def cases():
    """One slice without noise and at two doses."""
    return {noise: Phantom(**SMALL).load("slice-001", noise) for noise in (None, 1e5, 2e5)}


@parametrize_with_checks([Phantom(**SMALL)], noise=(None, 2e5))
def test_conforms(component, check):
    check(component)


def test_the_default_is_the_papers_scan():
    phantom = Phantom()
    assert {split: len(phantom.cases(split)) for split in ("train", "validation", "test")} == {
        "train": 50,
        "validation": 5,
        "test": 15,
    }
    assert (phantom.size_px, phantom.pixel_mm, phantom.frames, phantom.frame_interval_s) == (256, 1.0, 50, 1.0)
    assert (phantom.views, phantom.detectors, phantom.window, phantom.electronic_sigma) == (1152, 384, "hann", 0.0)
    fan = phantom.scanner().fan
    assert (fan.pitch_mm, fan.source_iso_mm, fan.source_detector_mm) == (1.2858, 595.0, 1086.5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"slice_mm": 2.0}, "slices: got 158 mm from the lowest to the highest; allowed: 80 mm"),
        ({"size_px": 128}, "got a field of view of 128 mm; allowed: 200 mm"),
        ({"frames": 10}, "frames: got 10, the last at 9 s; allowed: the last at 20 s"),
        ({"views": 100}, "multiple of 8"),
        ({"window": "boxcar"}, "'hann', 'ramp', 'shepp-logan', 'cosine' or 'hamming'"),
        ({"noise": 1e5}, "Extra inputs"),
        ({"anatomy": "procedural"}, "Extra inputs"),
        ({"file": "a.npz"}, "Extra inputs"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(change, said):
    with pytest.raises(ValidationError) as caught:
        Phantom(**change)
    assert said in str(caught.value)


def test_limits_are_reached():
    assert Phantom(frames=21).frames == 21
    assert Phantom(size_px=200).size_px == 200
    assert Phantom(slice_mm=80 / 79).slice_mm == 80 / 79
    assert Phantom(frames=10, aif_file="aif.csv").frames == 10  # its own bolus may be early


def test_a_case_keeps_the_contract(cases):
    for case in cases.values():
        check_observation(case.observation)
        frames = case.observation.frames
        assert frames.shape == (26, 1, 64, 64)
        assert frames.attrs["spacing_mm"] == [1.0, 3.2, 3.2]
        assert case.id == "slice-001"
        assert case.truth.maps.dims == ("map", "z", "y", "x")
        assert list(case.truth.maps["map"].values) == list(MAPS)
        for dim in ("z", "y", "x"):
            np.testing.assert_array_equal(case.truth.maps[dim], frames[dim])
            np.testing.assert_array_equal(case.truth.labels[dim], frames[dim])
        np.testing.assert_array_equal(case.truth.frames["time"], frames["time"])
        np.testing.assert_allclose(frames["aif"], phantom_aif(frames["time"].values), rtol=1e-5)
        assert frames["vof"].values.argmax() > frames["aif"].values.argmax()


def test_the_core_is_a_region_of_interest(cases):
    for case in cases.values():
        core = case.truth.rois.sel(roi="core")
        assert core.dtype == bool
        np.testing.assert_array_equal(core, np.isin(case.truth.labels, [Tissue.GRAY_SEVERE, Tissue.WHITE_SEVERE]))
        assert core.values.any()


# A slice of version 1: pixels of each tissue class, means of the true maps, and HU of three pixels at three times, of a
# case with `delay`. What was published with this version must not change.
CLASSES = [1730, 277, 420, 232, 471, 61, 14, 717, 95, 23, 34, 22, 0]
MEANS = [27.71742, 2.005257, 5.324917, 23.557928, 1.878349]
CLEAN_HU = [29.9058838, 107.5277099, 54.7872314]
NOISY_HU = [32.6972656, 115.7736816, 57.9217529]


def test_a_slice_is_that_of_before():
    phantom = Phantom(**SMALL, delay=True)
    for noise, hu in ((None, CLEAN_HU), (2e5, NOISY_HU)):
        case = phantom.load("slice-001", noise)
        assert np.bincount(case.truth.labels.values.ravel(), minlength=len(Tissue)).tolist() == CLASSES
        np.testing.assert_allclose(np.nanmean(case.truth.maps, axis=(1, 2, 3)), MEANS, rtol=1e-5)
        np.testing.assert_allclose(case.observation.frames.values[[0, 12, 25], 0, 30, [20, 24, 40]], hu, atol=0.01)


def test_brain_and_vessels_are_found(cases):
    for case in cases.values():
        labels, frames = case.truth.labels.values, case.observation.frames
        tissue = np.isin(labels, list(TABLE))
        brain = frames["brain"].values
        assert brain[tissue].mean() > 0.85  # a pixel of 3.2 mm beside bone reads as bone
        assert brain[np.isin(labels, [Tissue.AIR, Tissue.SCALP])].sum() == 0
        assert frames["vessels"].values[labels == Tissue.ARTERY].mean() > 0.7


def test_the_truth_is_the_series_as_simulated(cases):
    ((name, source),) = Phantom(**SMALL).source("slice-001")
    assert name == "slice-001"
    for case in cases.values():
        np.testing.assert_array_equal(case.truth.maps[:, 0], source.maps)
        np.testing.assert_array_equal(case.truth.labels[0], source.labels)
        np.testing.assert_array_equal(case.observation.frames["vof"], source.vof)


def test_slices_lie_slice_mm_apart_from_the_lowest():
    case = Phantom(**SMALL, slice_mm=2.5, seed=3).load("slice-005", None)
    np.testing.assert_array_equal(case.truth.labels[0], slice_labels(LOWEST_MM + 12.5, 64, 3.2, 3))
    assert case.observation.frames.attrs["spacing_mm"] == [2.5, 3.2, 3.2]


def test_seeds_make_other_heads(cases):
    other = Phantom(**SMALL, seed=1).load("slice-001", None)
    assert (other.truth.labels.values != cases[None].truth.labels.values).mean() > 0.05


@pytest.mark.parametrize(("change", "map_name"), [({"residue": "gamma"}, None), ({"delay": True}, "tmax")])
def test_physiology_follows_its_parameters(cases, change, map_name):
    case = Phantom(**SMALL, **change).load("slice-001", None)
    np.testing.assert_array_equal(case.truth.labels, cases[None].truth.labels)
    assert np.abs(case.truth.frames.values - cases[None].truth.frames.values).max() > 0.2
    for name in ("cbf", "cbv", "mtt", "tmax"):
        same = np.array_equal(case.truth.maps.sel(map=name), cases[None].truth.maps.sel(map=name), equal_nan=True)
        assert same == (name != map_name)


def test_an_aif_of_ones_own_is_read_and_read_again_when_it_changes(tmp_path):
    path = tmp_path / "aif.csv"

    def write(scale):
        hu = scale * phantom_aif(np.arange(50.0))
        path.write_text("time_s,hu\n" + "\n".join(f"{t},{v:.6f}" for t, v in enumerate(hu)))

    write(0.5)
    phantom = Phantom(**SMALL, aif_file=path)
    first, print_first = phantom.load("slice-000", None), phantom.fingerprint()
    assert first.observation.aif.max() == pytest.approx(0.5 * 485, rel=0.02)
    write(0.25)
    assert phantom.load("slice-000", None).observation.aif.max() == pytest.approx(0.25 * 485, rel=0.02)
    assert phantom.fingerprint() != print_first
    assert Phantom().fingerprint() == ""
    path.unlink()
    with pytest.raises(DataError, match=r"aif\.csv: cannot be read"):
        phantom.load("slice-000", None)
