import os
import shutil

import numpy as np
import pytest
from pydantic import ValidationError

from ctpbench import DataError, check_observation
from ctpbench.testing import checks_for
from ctpbench_phantom.fau_phantom import FauPhantom

from .slice_files import write_volumes

SCAN = {
    "pixel_mm": 3.2,
    "views": 64,
    "detectors": 64,
    "frame_interval_s": 1.5,
    "train_slices": 2,
    "validation_slices": 1,
    "test_slices": 1,
    "gap_slices": 1,
}


@pytest.fixture(scope="module")
def volumes(tmp_path_factory, source):
    return write_volumes(tmp_path_factory.mktemp("volumes"), source)


@pytest.fixture(scope="module")
def phantom(volumes):
    return FauPhantom(**SCAN, folder=volumes)


@pytest.fixture
def folder(tmp_path, volumes):
    """A copy of the volumes that a test may change."""
    return shutil.copytree(volumes, tmp_path / "volumes")


@pytest.mark.parametrize(
    "check", checks_for(FauPhantom(folder="volumes"), noise=(None, 2e5)), ids=lambda check: check.name
)
def test_conforms(check, phantom):
    check(phantom)


def test_a_folder_is_required_and_what_the_volumes_decide_is_refused():
    with pytest.raises(ValidationError, match="Field required"):
        FauPhantom()
    with pytest.raises(ValidationError, match="Extra inputs"):
        FauPhantom(folder="volumes", residue="gamma")


def test_volumes_run_through_the_same_scanner_in_splits_with_gaps(phantom, source):
    found = {split: list(phantom.cases(split)) for split in ("test", "validation", "train")}
    assert found == {"test": ["slice-020"], "validation": ["slice-022"], "train": ["slice-024", "slice-025"]}
    case = phantom.load("slice-020", 1e6)
    check_observation(case.observation)
    np.testing.assert_array_equal(case.observation.times_s, source.times_s)
    np.testing.assert_allclose(case.observation.aif, source.aif)
    assert np.nanmax(case.truth.maps.sel(map="cbf")) > 20
    assert (case.truth.labels, case.truth.rois) == (None, None)
    assert "vof" not in case.observation.frames.coords


def test_another_slice_is_another_slice(folder):
    values = np.fromfile(folder / "baseline", "<f4").reshape(64, 64, 64)
    values[24] += 40 * (values[24] != 0)
    values.tofile(folder / "baseline")
    for k in range(26):
        frame = np.fromfile(folder / str(k + 1), "<f4").reshape(64, 64, 64)
        frame[24] += 40 * (frame[24] != 0)
        frame.tofile(folder / str(k + 1))
    phantom = FauPhantom(**SCAN, folder=folder)
    low, high = (
        phantom.load(name, None).truth.frames.values[0, 0, 30:34, 20:24].mean() for name in ("slice-020", "slice-024")
    )
    assert high - low == pytest.approx(40, abs=4)


def test_a_changed_file_is_read_again(folder):
    phantom = FauPhantom(**SCAN, folder=folder)
    before, print_before = phantom.load("slice-020", None), phantom.fingerprint()
    assert FauPhantom(**SCAN, folder=folder).fingerprint() == print_before
    (2 * np.fromfile(folder / "mtt", "<f4")).tofile(folder / "mtt")
    os.utime(folder / "mtt", ns=(0, 0))  # a clock may be too coarse to tell
    after = phantom.load("slice-020", None)
    ratio = after.truth.maps.sel(map="mtt") / before.truth.maps.sel(map="mtt")
    np.testing.assert_allclose(ratio.values[np.isfinite(ratio.values)], 2, rtol=1e-6)
    assert phantom.fingerprint() != print_before


def test_too_many_slices_are_refused(volumes, phantom):
    with pytest.raises(DataError, match=r"got 6 slices that hold brain; allowed: 15 or more; lower train_slices"):
        FauPhantom(**{**SCAN, "train_slices": 11}, folder=volumes).cases("test")
    assert len(phantom.cases("train")) == 2  # six are enough


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "7").unlink(), r"got 25 frames; allowed: files 1, 2, 3"),
        (lambda f: (f / "cbv").unlink(), r"cbv: cannot be read"),
        (lambda f: (f / "cbf").unlink(), r"cbf: cannot be read"),
        (lambda f: (f / "mtt").write_bytes(b"12345"), r"mtt: got 5 bytes; allowed: n x n x n"),
        (lambda f: np.full(64**3, np.nan, "<f4").tofile(f / "3"), r"3: slice 20: got NaN"),
        (lambda f: np.zeros(64**3, "<f4").tofile(f / "cbf"), r"cbf: got no slice with brain"),
        (shutil.rmtree, r"volumes/cbf: cannot be read"),
    ],
)
def test_a_faulty_file_is_named(folder, spoil, message):
    phantom = FauPhantom(**SCAN, folder=folder)
    spoil(folder)
    with pytest.raises(DataError, match=message) as caught:
        [phantom.load(case, None) for case in phantom.cases("test")]
    assert "\n" not in str(caught.value)
