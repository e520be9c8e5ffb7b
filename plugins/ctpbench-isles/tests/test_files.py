"""The datasets over a user's own files, the hook that opens a scan, and what the package offers."""

import subprocess
import sys

import numpy as np
import pytest

import ctpbench_isles
from ctpbench import DataError, Stated
from ctpbench.testing import run_checks
from ctpbench_isles.files import DicomFolders, NiftiFiles
from ctpbench_isles.isles2018 import Isles2018
from ctpbench_isles.isles2024 import Isles2024

from .conftest import head_series
from .dicom_files import write_series
from .nifti_files import write_mask, write_scan

EVERY = {"test_share": 1.0, "validation_share": 0.0}


def test_the_package_offers_its_datasets_without_loading_what_reads_them():
    assert [kind.name for kind in ctpbench_isles.ctpbench_datasets()] == ["isles2018", "isles2024", "nifti", "dicom"]
    code = (
        "import sys, ctpbench_isles; ctpbench_isles.ctpbench_datasets(); "
        "print({'nibabel', 'pydicom'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


# NIfTI


def test_one_file_or_a_folder(head, tmp_path):
    for name in ("b.nii", "a.nii.gz", ".hidden.nii", "sub/c.nii"):
        write_scan(tmp_path / name, head.frames, head.spacing_mm)
    (tmp_path / "notes.txt").write_text("", encoding="utf-8")
    assert NiftiFiles(root=tmp_path / "b.nii").cases("test") == ["scan-001"]
    assert NiftiFiles(root=tmp_path, **EVERY).cases("test") == ["scan-001", "scan-002"]
    assert NiftiFiles(root=tmp_path, pattern="**/*.nii", **EVERY).cases("test") == ["scan-001", "scan-002"]
    assert len(NiftiFiles(root=tmp_path, pattern="**/*", **EVERY).cases("test")) == 3


def test_the_frame_interval_is_the_users(head, tmp_path):
    path = write_scan(tmp_path / "scan.nii", head.frames, head.spacing_mm, interval=0.0)
    with pytest.raises(DataError, match=rf"{path}: got no time between frames .*; allowed: .*; give frame_interval_s"):
        NiftiFiles(root=path).load("scan-001", None)
    assert NiftiFiles(root=path, frame_interval_s=1.5).load("scan-001", None).observation.dt_s == 1.5


def test_the_frames_times_are_the_users(head, tmp_path):
    path = write_scan(tmp_path / "scan.nii", head.frames, head.spacing_mm, interval=0.0)
    times_s = tuple(2.5 * n for n in range(len(head.frames)))
    assert NiftiFiles(root=path, frame_times_s=times_s).load("scan-001", None).observation.dt_s == 2.5
    with pytest.raises(DataError, match=r"got 2 times for 24 frames; allowed: one a frame, rising, in s"):
        NiftiFiles(root=path, frame_times_s=(0.0, 1.0)).load("scan-001", None)
    with pytest.raises(ValueError, match="frame_interval_s, frame_times_s: got both; allowed: one of them, or neither"):
        NiftiFiles(root=path, frame_interval_s=1.0, frame_times_s=times_s)


@pytest.mark.parametrize("pattern", ["/absolute", "**.nii"])
def test_a_pattern_that_cannot_be_is_named(tmp_path, pattern):
    if pattern == "**.nii" and sys.version_info >= (3, 13):
        pytest.skip("allowed from Python 3.13 on")
    with pytest.raises(DataError, match=r"nifti: pattern: got '.*allowed: such as \*\*/\*ctp.nii.gz"):
        NiftiFiles(root=tmp_path, pattern=pattern).cases("test")


# DICOM


def write_head(folder, head):
    """Write a head with its own pixel size, which its masks and arteries are found by."""
    write_series(folder, head.frames, head.times_s, spacing_mm=head.spacing_mm)


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    """Two patients' folders, named after them, with what else lies in such folders."""
    root = tmp_path_factory.mktemp("dicom")
    for n, name in enumerate(("SMITH_JOHN", "DOE_JANE")):
        write_head(root / name, head_series(seed=n))
    (root / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    (root / ".DS_Store").write_bytes(b"")
    return root


def test_folders_of_series_are_called_by_numbers_in_order_of_their_names(patients):
    dataset = DicomFolders(root=patients, **EVERY)
    assert dataset.cases("test") == ["series-001", "series-002"]
    case = dataset.load("series-001", None)
    assert np.array_equal(case.observation.frames.values, head_series(seed=1).frames)
    assert not {"DOE", "JANE"} & set(
        repr([case.id, case.inspection, case.observation.frames]).replace("_", " ").split()
    )


def test_one_series_or_one_file_is_one_case(patients):
    assert DicomFolders(root=patients / "DOE_JANE").cases("test") == ["series-001"]
    assert DicomFolders(root=next((patients / "DOE_JANE").iterdir())).cases("test") == ["series-001"]


def test_a_folder_without_images_fails_when_loaded(patients, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: got no DICOM image; allowed: a folder of one DICOM series"):
        DicomFolders(root=tmp_path).load("series-001", None)


def test_a_changed_series_has_another_fingerprint(tmp_path):
    head = head_series(frames=3)
    write_series(tmp_path, head.frames, head.times_s)
    before = DicomFolders(root=tmp_path).fingerprint()
    assert DicomFolders(root=tmp_path).fingerprint() == before
    path = min(tmp_path.iterdir())
    path.write_bytes(path.read_bytes() + b"\0")
    assert DicomFolders(root=tmp_path).fingerprint() != before


# The hook


def test_the_hook_opens_nifti_and_dicom_and_leaves_the_rest(head, patients, tmp_path):
    path = write_scan(tmp_path / "scan.nii.gz", head.frames, head.spacing_mm)
    assert np.array_equal(ctpbench_isles.ctpbench_open_series(path, Stated()).read(slice(None)), head.frames)
    assert ctpbench_isles.ctpbench_open_series(path, Stated(frame_interval_s=2.5)).frame_times_s[1, 0] == 2.5
    assert ctpbench_isles.ctpbench_open_series(patients / "DOE_JANE", Stated()).formats == (
        "dicom",
        "nifti",
        "dicom-pm",
    )
    other = tmp_path / "table.csv"
    other.write_text("a,b\n", encoding="utf-8")
    assert ctpbench_isles.ctpbench_open_series(other, Stated()) is None
    with pytest.raises(DataError, match=rf"{tmp_path}/none.nii: no such file or folder"):
        ctpbench_isles.ctpbench_open_series(tmp_path / "none.nii", Stated())


# The conformance kit


def isles2018_folders(root):
    for n in range(1, 6):
        head = head_series(seed=n)
        folder = root / f"TRAINING/case_{n}"
        write_scan(folder / f"SMIR.Brain.XX.O.CT_4DPWI.{n}.nii", head.frames, head.spacing_mm)
        write_mask(folder / f"SMIR.Brain.XX.O.OT.{n}.nii", head.core, head.spacing_mm)
    return Isles2018(root=root)


def isles2024_folders(root):
    for n in range(1, 6):
        head = head_series(seed=n)
        name = f"sub-stroke{n:04d}/ses-01/sub-stroke{n:04d}_ses-01"
        write_scan(root / f"rawdata/{name}_ctp.nii.gz", head.frames, head.spacing_mm)
        write_mask(root / f"derivatives/{name}_space-ncct_lesion-msk.nii.gz", head.core, head.spacing_mm)
    return Isles2024(root=root)


def nifti_slabs(root):
    for n in range(5):
        head = head_series(slices=4, seed=n)
        write_scan(root / f"{n}.nii", head.frames, head.spacing_mm)
    return NiftiFiles(root=root, slab_slices=2)


def dicom_series(root):
    for n in range(2):
        write_head(root / f"{n}", head_series(seed=n))
    return DicomFolders(root=root)


@pytest.mark.parametrize(
    ("make", "noise"),
    [(isles2018_folders, (None,)), (isles2024_folders, (None,)), (nifti_slabs, (0.5, None)), (dicom_series, (None,))],
)
def test_conforms(make, noise, tmp_path):
    results = run_checks(make(tmp_path), noise=noise)
    assert [result for result in results if not result.passed] == []
    assert "same_case_same_bytes" in {result.name for result in results}


def test_of_several_series_in_time_the_users_is_taken(head, tmp_path):
    for number, frames in ((4, head.frames + 7), (5, head.frames)):
        write_series(tmp_path / f"{number}", frames, head.times_s, spacing_mm=head.spacing_mm, SeriesNumber=number)
    root = tmp_path / "study"
    root.mkdir()
    for number in (4, 5):
        (tmp_path / f"{number}").rename(root / f"{number}")
    with pytest.raises(DataError, match=r"got 2 DICOM series with frames in time; allowed: one; .*\(--series\)"):
        DicomFolders(root=tmp_path).load("series-001", None)
    case = DicomFolders(root=tmp_path, series="5").load("series-001", None)
    np.testing.assert_array_equal(case.observation.frames.values, head.frames)
