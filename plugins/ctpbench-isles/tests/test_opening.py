"""What may be named as a scan: files of either case, folders, archives; and what is said of the rest."""

import shutil
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ctpbench import DataError, Stated
from ctpbench_isles.opening import open_scan

from .dicom_files import write_series
from .nifti_files import write_scan


@pytest.fixture
def nifti(head, tmp_path):
    """A NIfTI file of the small head in a folder of its own."""
    return write_scan(tmp_path / "in" / "scan.nii.gz", head.frames, head.spacing_mm)


def frames_of(path) -> np.ndarray:
    series = open_scan(path, Stated())
    assert series is not None
    return series.read(slice(None))


@pytest.mark.parametrize("name", ["CTP.NII.GZ", "ctp (1).Nii.gz", "Müller's Studie – №1.nii.gz"])
def test_names_may_be_of_any_kind(head, nifti, name):
    path = nifti.rename(nifti.with_name(name))
    np.testing.assert_array_equal(frames_of(path), head.frames)
    np.testing.assert_array_equal(frames_of(path.parent), head.frames)


def test_the_one_scan_of_a_folder_is_taken(head, nifti, tmp_path):
    nib.Nifti1Image(np.zeros((4, 4, 2), np.int16), np.eye(4)).to_filename(nifti.parent / "mask.nii")
    (nifti.parent / "notes.txt").write_text("text")
    np.testing.assert_array_equal(frames_of(nifti.parent), head.frames)
    shutil.copy(nifti, nifti.with_name("second.nii.gz"))
    with pytest.raises(DataError, match=r"got 2 4-D NIfTI files of 3; allowed: one; name it: scan.nii.gz, second"):
        open_scan(nifti.parent, Stated())
    (tmp_path / "empty").mkdir()
    assert open_scan(tmp_path / "empty", Stated()) is None


@pytest.mark.parametrize("kind", ["zip", "gztar", "tar"])
def test_archives_are_unpacked(head, nifti, tmp_path, kind):
    write_series(tmp_path / "dicom" / "deep", head.frames, head.times_s)
    for folder in (nifti.parent, tmp_path / "dicom"):
        archive = shutil.make_archive(str(tmp_path / f"{folder.name}-packed"), kind, folder)
        path = tmp_path / archive
        np.testing.assert_array_equal(frames_of(path), head.frames)
        assert open_scan(path, Stated()).path == path
    (tmp_path / "sent").mkdir()
    shutil.move(path, tmp_path / "sent")
    np.testing.assert_array_equal(frames_of(tmp_path / "sent"), head.frames)


def test_what_is_wrong_with_a_scan_in_an_archive_is_told_by_its_name(nifti, tmp_path):
    nifti.write_bytes(nifti.read_bytes()[:200])
    path = Path(shutil.make_archive(str(tmp_path / "sent"), "zip", nifti.parent))
    with pytest.raises(DataError, match=rf"^{path}/{nifti.name}: "):
        open_scan(path, Stated())


@pytest.mark.parametrize("name", ["scan.zip", "scan.tar.gz", "scan.tgz"])
def test_a_damaged_archive_is_named(nifti, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(nifti.read_bytes()[:200])
    with pytest.raises(DataError, match=rf"{name}: cannot be unpacked"):
        open_scan(path, Stated())


def test_an_archive_writes_nothing_outside_its_folder(tmp_path):
    path = tmp_path / "scan.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../escaped.txt", "text")
    assert open_scan(path, Stated()) is None
    assert not (tmp_path.parent / "escaped.txt").exists()
    assert not (tmp_path.parent.parent / "escaped.txt").exists()


def test_an_archive_that_does_not_fit_is_refused(nifti, tmp_path, monkeypatch):
    path = tmp_path / shutil.make_archive(str(tmp_path / "packed"), "zip", nifti.parent)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=10))
    with pytest.raises(DataError, match=r"GiB unpacked; there are 0\.0 GiB in .*; set TMPDIR"):
        open_scan(path, Stated())


@pytest.mark.parametrize("name", ["scan.nrrd", "scan.MHA", "scan.npy", "scan.csv"])
def test_other_containers_are_left_to_other_plugins(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"data")
    assert open_scan(path, Stated()) is None
