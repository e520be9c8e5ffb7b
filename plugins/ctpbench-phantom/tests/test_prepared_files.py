import shutil
import zipfile

import numpy as np
import pytest

from ctpbench import DataError
from ctpbench_phantom.prepared_files import files_by_split, read_prepared
from ctpbench_phantom.tissue import TABLE

from .slice_files import prepared_arrays


@pytest.fixture
def arrays(source):
    return prepared_arrays(source)


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


def test_one_file_is_the_test_split(path):
    assert files_by_split(path) == {"train": [], "validation": [], "test": [path]}
    assert files_by_split(path.parent) == {"train": [], "validation": [], "test": [path]}


def test_folders_are_splits(tmp_path, path):
    for split, name in (("train", "b"), ("train", "a"), ("test", "c")):
        (tmp_path / split).mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / split / f"{name}.npz")
    found = {split: [file.stem for file in files] for split, files in files_by_split(tmp_path).items()}
    assert found == {"train": ["a", "b"], "validation": [], "test": ["c"]}
    shutil.copy(path, tmp_path / "test" / "a.npz")
    with pytest.raises(DataError, match=r"got a\.npz in two splits; allowed: each name once"):
        files_by_split(tmp_path)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.npz: got no such file or folder; allowed: a \.npz file"):
        files_by_split(tmp_path / "none.npz")
    with pytest.raises(DataError, match=r"got no \.npz file; allowed: files in it, or in its folders train"):
        files_by_split(tmp_path)


def test_what_is_no_npz_is_refused(tmp_path):
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK\x03\x04 not a zip file")
    with pytest.raises(DataError, match=r"broken\.npz: cannot be read as \.npz"):
        read_prepared(broken)
    np.save(tmp_path / "array.npy", np.zeros(3))
    (tmp_path / "array.npy").rename(tmp_path / "array.npz")
    with pytest.raises(DataError, match=r"array\.npz: cannot be read as \.npz"):
        read_prepared(tmp_path / "array.npz")


def holed(array):
    copy = np.array(array, dtype=np.float64)
    copy[np.unravel_index(np.nanargmax(copy), copy.shape)] = np.nan
    return copy


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("mtt", lambda a: None, "got none; allowed: all of frames, baseline"),
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


@pytest.mark.parametrize(
    ("shape", "said"),
    [((10**6, 10**6, 10**3), "Unable to allocate"), ((200, 3000, 3000), "EOF")],
    ids=["no machine has that", "more than the file holds"],
)
def test_a_file_that_claims_more_than_it_holds_is_refused(tmp_path, arrays, shape, said):
    about = {"descr": "<f8", "fortran_order": False, "shape": shape}
    with zipfile.ZipFile(tmp_path / "head.npz", "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                if name == "frames":
                    np.lib.format.write_array_header_1_0(member, about)
                else:
                    np.lib.format.write_array(member, np.asarray(array))
    with pytest.raises(DataError, match=said):
        read_prepared(tmp_path / "head.npz")


def test_a_file_that_unpacks_to_more_than_a_slice_is_refused(path, monkeypatch):
    monkeypatch.setattr("ctpbench_phantom.prepared_files._MOST_BYTES", 1000)
    with pytest.raises(DataError, match="GiB, more than the"):
        read_prepared(path)
