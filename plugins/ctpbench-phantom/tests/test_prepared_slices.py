import shutil

import numpy as np
import pytest
from pydantic import ValidationError

from ctpbench import DataError, check_observation
from ctpbench.testing import checks_for
from ctpbench_phantom.phantom import Phantom
from ctpbench_phantom.prepared_slices import PreparedSlices

from .slice_files import prepared_arrays

SCAN = {"pixel_mm": 3.2, "views": 64, "detectors": 64}
SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def arrays(source):
    return prepared_arrays(source)


@pytest.fixture
def path(tmp_path, arrays):
    np.savez(tmp_path / "head.npz", **arrays)
    return tmp_path / "head.npz"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, arrays):
    root = tmp_path_factory.mktemp("prepared")
    for split in SPLITS:
        (root / split).mkdir()
        np.savez(root / split / f"{split}-head.npz", **arrays)
    return PreparedSlices(**SCAN, file=root)


@pytest.mark.parametrize(
    "check", checks_for(PreparedSlices(file="a.npz"), noise=(None, 2e5)), ids=lambda check: check.name
)
def test_conforms(check, prepared):
    check(prepared)


def test_a_file_is_required():
    with pytest.raises(ValidationError, match="Field required"):
        PreparedSlices()


def test_a_file_runs_through_the_same_scanner(path, arrays):
    prepared = PreparedSlices(**SCAN, slice_mm=4.0, file=path)
    assert [list(prepared.cases(split)) for split in SPLITS] == [[], [], ["head"]]
    clean, noisy = prepared.load("head", None), prepared.load("head", 1e6)
    check_observation(noisy.observation)
    assert noisy.observation.frames.attrs["spacing_mm"] == [4.0, 3.2, 3.2]
    np.testing.assert_array_equal(noisy.observation.frames["brain"].values[0], arrays["brain"])
    np.testing.assert_array_equal(noisy.observation.aif, arrays["aif"])
    assert "vof" not in noisy.observation.frames.coords
    assert (noisy.truth.labels, noisy.truth.rois) == (None, None)
    np.testing.assert_array_equal(noisy.truth.frames, clean.observation.frames)
    assert not np.array_equal(noisy.observation.frames, clean.observation.frames)
    procedural = Phantom(
        size_px=64,
        pixel_mm=3.2,
        frames=26,
        frame_interval_s=1.5,
        views=64,
        detectors=64,
        slice_mm=4.0,
        train_slices=0,
        validation_slices=0,
        test_slices=4,
    ).load("slice-003", None)
    np.testing.assert_allclose(clean.truth.frames.values, procedural.truth.frames.values, atol=0.05)


def test_what_a_caller_changes_does_not_come_back(path, arrays):
    prepared = PreparedSlices(**SCAN, file=path)
    observed = prepared.load("head", None).observation.frames
    observed["brain"].values[...] = False
    observed["aif"].values[...] = 0
    again = prepared.load("head", None).observation
    np.testing.assert_array_equal(again.frames["brain"].values[0], arrays["brain"])
    np.testing.assert_array_equal(again.aif, arrays["aif"])


def test_a_changed_file_is_read_again(path, arrays):
    prepared = PreparedSlices(**SCAN, file=path)
    before, print_before = prepared.load("head", None), prepared.fingerprint()
    assert prepared.fingerprint() == print_before
    np.savez_compressed(path, **{**arrays, "baseline": arrays["baseline"] + 5})
    after = prepared.load("head", None)
    middle = np.s_[0, 0, 30:34, 20:24]
    difference = after.observation.frames.values[middle] - before.observation.frames.values[middle]
    assert difference.mean() == pytest.approx(5, abs=0.5)
    assert prepared.fingerprint() != print_before


def test_a_fingerprint_follows_names_and_bytes_but_not_time(path, tmp_path):
    copies = {}
    for name in ("first/set", "second/set", "third/other"):
        (tmp_path / name).mkdir(parents=True)
        copies[name] = PreparedSlices(**SCAN, file=shutil.copy(path, tmp_path / name / "head.npz"))
    prints = [dataset.fingerprint() for dataset in copies.values()]
    assert prints[0] == prints[1] != prints[2]
    renamed = shutil.copy(path, tmp_path / "first/set/tail.npz")
    assert PreparedSlices(**SCAN, file=renamed).fingerprint() != prints[0]


def test_folders_are_splits(tmp_path, path):
    for split, name in (("train", "b"), ("train", "a"), ("test", "c")):
        (tmp_path / "set" / split).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "set" / split / f"{name}.npz")
    prepared = PreparedSlices(**SCAN, file=tmp_path / "set")
    assert [list(prepared.cases(split)) for split in SPLITS] == [["a", "b"], [], ["c"]]


def test_a_case_is_the_file_of_its_name(tmp_path, arrays):
    for name, shift in (("low", 0), ("high", 40)):
        np.savez(tmp_path / f"{name}.npz", **{**arrays, "baseline": arrays["baseline"] + shift})
    prepared = PreparedSlices(**SCAN, file=tmp_path)
    low, high = (prepared.load(name, None).truth.frames.values[0, 0, 30:34, 20:24].mean() for name in ("low", "high"))
    assert high - low == pytest.approx(40, abs=4)


def test_missing_files_and_cases_are_named(tmp_path, path):
    with pytest.raises(DataError, match=r"none\.npz: got no such file or folder"):
        PreparedSlices(**SCAN, file=tmp_path / "none.npz").cases("test")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"got no \.npz file"):
        PreparedSlices(**SCAN, file=tmp_path / "empty").load("a", None)
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK\x03\x04 not a zip file")
    with pytest.raises(DataError, match=r"broken\.npz: cannot be read as \.npz"):
        PreparedSlices(**SCAN, file=broken).load("broken", None)
    with pytest.raises(DataError, match=r"^prepared_slices: case: got 'a'; allowed: head$"):
        PreparedSlices(**SCAN, file=path).load("a", None)
