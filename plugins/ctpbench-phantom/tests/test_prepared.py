import shutil

import numpy as np
import pytest

from ctpbench import DataError, check_observation
from ctpbench_phantom.aif import grid, phantom_aif
from ctpbench_phantom.dataset import Phantom
from ctpbench_phantom.prepared import content_hash, prepared_files, read_prepared
from ctpbench_phantom.series import Head, simulate
from ctpbench_phantom.tissue import TABLE

SCAN = {"anatomy": "file", "pixel_mm": 3.2, "views": 64, "detectors": 64}


@pytest.fixture(scope="module")
def source():
    times_s = np.arange(26) * 1.5
    return simulate(Head(64, 3.2, 0, "plateau", False), 2.0, times_s, phantom_aif(grid(times_s[-1])))


@pytest.fixture
def arrays(source):
    cbf, cbv, mtt = source.maps[:3]
    brain = np.isfinite(cbf)
    baseline = source.series[0]
    return {
        "frames": source.series - baseline, "baseline": baseline, "brain": brain, "aif": source.aif,
        "cbf": cbf, "cbv": cbv, "mtt": mtt, "times": source.times_s,
    }  # fmt: skip


@pytest.fixture
def path(tmp_path, arrays):
    np.savez(tmp_path / "head.npz", **arrays)
    return tmp_path / "head.npz"


def test_a_file_gives_back_the_slice(path, source):
    found = read_prepared(path)
    np.testing.assert_allclose(found.series, source.series, atol=1e-3)
    tissue = np.isin(source.labels, list(TABLE))
    np.testing.assert_array_equal(found.maps[:4, tissue], source.maps[:4, tissue])
    assert np.isnan(found.maps[4]).all()
    assert np.isnan(found.maps[:, ~found.brain]).all()
    assert (found.vof, found.labels) == (None, None)


def test_a_file_runs_through_the_same_scanner(path, arrays):
    phantom = Phantom(**SCAN, file=path)
    assert [list(phantom.cases(split)) for split in ("train", "validation", "test")] == [[], [], ["head"]]
    clean, noisy = phantom.load("head", None), phantom.load("head", 1e6)
    check_observation(noisy.observation)
    np.testing.assert_array_equal(noisy.observation.frames["brain"].values[0], arrays["brain"])
    np.testing.assert_array_equal(noisy.truth.frames, clean.observation.frames)
    procedural = Phantom(
        size_px=64, pixel_mm=3.2, frames=26, frame_interval_s=1.5, views=64, detectors=64, slice_mm=4.0,
        train_slices=0, validation_slices=0, test_slices=4,
    ).load("slice-003", None)  # fmt: skip
    np.testing.assert_allclose(clean.truth.frames.values, procedural.truth.frames.values, atol=0.05)


def test_a_changed_file_is_read_again(path, arrays):
    phantom = Phantom(**SCAN, file=path)
    before, print_before = phantom.load("head", None), phantom.fingerprint()
    assert phantom.fingerprint() == print_before
    np.savez_compressed(path, **{**arrays, "baseline": arrays["baseline"] + 5})
    after = phantom.load("head", None)
    middle = np.s_[0, 0, 30:34, 20:24]
    difference = after.observation.frames.values[middle] - before.observation.frames.values[middle]
    assert difference.mean() == pytest.approx(5, abs=0.5)
    assert phantom.fingerprint() != print_before


def test_a_hash_follows_names_and_bytes_but_not_time(path, tmp_path):
    (tmp_path / "other").mkdir()
    copy = shutil.copy(path, tmp_path / "other" / "head.npz")
    assert content_hash([path]) == content_hash([path])
    assert content_hash([copy]) != content_hash([path])
    with pytest.raises(DataError, match=r"none\.npz: cannot be read"):
        content_hash([tmp_path / "none.npz"])
    assert Phantom().fingerprint() == ""


def test_folders_are_splits(tmp_path, path):
    assert [file.stem for file in prepared_files(tmp_path)["test"]] == ["head"]
    for split, name in (("train", "b"), ("train", "a"), ("test", "c")):
        (tmp_path / "set" / split).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "set" / split / f"{name}.npz")
    phantom = Phantom(**SCAN, file=tmp_path / "set")
    assert [list(phantom.cases(split)) for split in ("train", "validation", "test")] == [["a", "b"], [], ["c"]]
    shutil.copy(path, tmp_path / "set" / "test" / "a.npz")
    with pytest.raises(DataError, match=r"a\.npz is in two splits"):
        phantom.cases("train")


def test_missing_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.npz: no such file or folder"):
        Phantom(**SCAN, file=tmp_path / "none.npz").cases("test")
    with pytest.raises(DataError, match=r"holds no \.npz file"):
        Phantom(**SCAN, file=tmp_path).load("a", None)
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK\x03\x04 not a zip file")
    with pytest.raises(DataError, match=r"broken\.npz: cannot be read as \.npz"):
        Phantom(**SCAN, file=broken).load("broken", None)
    np.save(tmp_path / "array.npy", np.zeros(3))
    (tmp_path / "array.npy").rename(tmp_path / "array.npz")
    with pytest.raises(DataError, match=r"array\.npz: cannot be read as \.npz"):
        read_prepared(tmp_path / "array.npz")
    with pytest.raises(DataError, match=r"no case 'a'; allowed: broken"):
        Phantom(**SCAN, file=broken).load("a", None)


def holed(array):
    copy = np.array(array, dtype=np.float64)
    copy[np.unravel_index(np.nanargmax(copy), copy.shape)] = np.nan
    return copy


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("mtt", lambda a: None, "is missing; allowed: frames, baseline"),
        ("frames", lambda a: a[:, :-1], r"got shape \(26, 63, 64\)"),
        ("frames", lambda a: a[0], r"got shape \(64, 64\)"),
        ("frames", lambda a: a[:2], "got 2 frames"),
        ("frames", holed, "1 values that are NaN or infinite"),
        ("frames", lambda a: a.astype(str), "got dtype <U"),
        ("baseline", lambda a: a[:-1], r"got shape \(63, 64\); allowed: \(64, 64\): \(y, x\), HU"),
        ("baseline", holed, "1 values that are NaN"),
        ("brain", lambda a: a.astype(float), "got dtype float64; allowed: bool"),
        ("brain", np.zeros_like, "an empty mask"),
        ("aif", lambda a: a[:-1], r"got shape \(25,\); allowed: \(26,\)"),
        ("aif", np.zeros_like, "no value above 0"),
        ("aif", lambda a: holed(a), "NaN"),
        ("cbf", holed, "finite values inside the brain"),
        ("cbv", holed, "finite values inside the brain"),
        ("mtt", holed, "inside the brain where cbf is not 0"),
        ("times", lambda a: a[::-1], "do not increase"),
        ("times", lambda a: a[:5], r"got shape \(5,\)"),
    ],
)
def test_faults_name_file_and_array(tmp_path, arrays, name, change, said):
    changed = change(arrays[name])
    arrays = {key: value for key, value in {**arrays, name: changed}.items() if value is not None}
    np.savez(tmp_path / "head.npz", **arrays)
    with pytest.raises(DataError, match=said) as caught:
        read_prepared(tmp_path / "head.npz")
    assert "head.npz" in str(caught.value)
    assert f"'{name}'" in str(caught.value) or "shape (26, 63, 64)" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pickled_objects_are_refused(tmp_path, arrays):
    np.savez(tmp_path / "head.npz", **{**arrays, "aif": np.array([{}] * 26, dtype=object)})
    with pytest.raises(DataError, match="cannot be read"):
        read_prepared(tmp_path / "head.npz")
