"""Which files count as NIfTI and which as DICOM, by their names and first bytes."""

import io

import pytest

from ctpbench_isles.file_kinds import (
    files_at,
    find_nifti,
    has_dicom_name,
    is_dicom,
    is_nifti,
    may_be_dicom,
    starts_as_dicom,
)

DICOM = b"\0" * 128 + b"DICM" + b"\0" * 8


@pytest.fixture
def folder(tmp_path):
    """Files of all kinds, each with the first bytes of DICOM, and folders that are called like files."""
    for name in (
        *("b_ctp.nii", "a_ctp.nii.gz", "sub/c_ctp.nii", "sub/deep/d_ctp.nii.gz", ".hidden_ctp.nii"),
        *("a_ctp.NII", "a_ctp.nii.gz.part", "ctp", "other.nii", "IM0001", "IM0002.dcm", "DICOMDIR", "._IM0001.dcm"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(DICOM)
    (tmp_path / "folder_ctp.nii").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "nifti"),
    [
        ("b_ctp.nii", True),
        ("a_ctp.nii.gz", True),
        (".hidden_ctp.nii", False),
        ("a_ctp.NII", True),
        ("a_ctp.nii.gz.part", False),
        ("folder_ctp.nii", False),
        ("missing.nii", False),
    ],
)
def test_nifti_files_are_known_by_their_names(folder, name, nifti):
    assert is_nifti(folder / name) is nifti


def test_nifti_files_are_found_in_order_with_both_endings(folder):
    found = find_nifti(folder, "*_ctp")
    assert [str(path.relative_to(folder)) for path in found] == [
        "a_ctp.NII",
        "a_ctp.nii.gz",
        "b_ctp.nii",
        "sub/c_ctp.nii",
        "sub/deep/d_ctp.nii.gz",
    ]
    assert find_nifti(folder, "other") == [folder / "other.nii"]
    assert find_nifti(folder, "*c*_ctp") == [folder / "sub/c_ctp.nii"]


@pytest.mark.parametrize(
    ("name", "dicom"),
    [("IM0001", True), ("IM0002.dcm", True), ("DICOMDIR", False), ("._IM0001.dcm", False), ("folder_ctp.nii", False)],
)
def test_dicom_files_are_known_by_name_and_content(folder, name, dicom):
    assert is_dicom(folder / name) is dicom
    assert may_be_dicom(folder / name) is (name not in ("DICOMDIR", "._IM0001.dcm"))


@pytest.mark.parametrize("content", [b"", b"DICM", DICOM[:131], b"\0" + DICOM, b"\0" * 132])
def test_other_content_is_no_dicom(tmp_path, content):
    path = tmp_path / "IM0001.dcm"
    path.write_bytes(content)
    assert not is_dicom(path)
    path.write_bytes(DICOM[:132])
    assert is_dicom(path)


def test_an_open_file_is_left_at_its_beginning():
    file = io.BytesIO(DICOM)
    file.seek(7)
    assert starts_as_dicom(file)
    assert file.tell() == 0


@pytest.mark.parametrize(("name", "dicom"), [("a.dcm", True), ("a.IMA", True), ("a", False), ("a.dcm.gz", False)])
def test_names_that_only_dicom_files_have(tmp_path, name, dicom):
    assert has_dicom_name(tmp_path / name) is dicom


def test_files_at_a_path_are_the_file_itself_or_all_below_the_folder(folder):
    assert files_at(folder / "IM0001") == [folder / "IM0001"]
    assert files_at(folder / "sub") == [folder / "sub/c_ctp.nii", folder / "sub/deep/d_ctp.nii.gz"]
    assert files_at(folder / "missing") == []
