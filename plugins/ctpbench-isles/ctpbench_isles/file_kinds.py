"""Which files are NIfTI and which DICOM, without the libraries that read them."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

NIFTI_ENDINGS = (".nii", ".nii.gz")

_DICOM_ENDINGS = (".dcm", ".ima")
_PREAMBLE = 128  # bytes before a DICOM file says what it is


def has_nifti_name(path: Path) -> bool:
    """Return whether a file's name ends as a NIfTI file's."""
    return path.name.endswith(NIFTI_ENDINGS)


def is_nifti(path: Path) -> bool:
    """Return whether a NIfTI file that is not hidden is at a path, by its name."""
    return has_nifti_name(path) and not _is_hidden(path) and path.is_file()


def find_nifti(folder: Path, stem: str) -> list[Path]:
    """Return the NIfTI files in a folder and all below it, in order of their paths.

    Parameters
    ----------
    folder : Path
    stem : str
        Pattern of their names without the ending, such as ``*_ctp``.
    """
    return sorted(path for ending in NIFTI_ENDINGS for path in folder.rglob(f"{stem}{ending}") if is_nifti(path))


def may_be_dicom(path: Path) -> bool:
    """Return whether a file's name leaves it open that the file is a DICOM image.

    A DICOMDIR lists the images of other files, and hidden files are what systems leave beside images.
    """
    return path.name != "DICOMDIR" and not _is_hidden(path)


def has_dicom_name(path: Path) -> bool:
    """Return whether a file's name ends as only a DICOM image's does; most have no such ending."""
    return path.suffix.lower() in _DICOM_ENDINGS


def is_dicom(path: Path) -> bool:
    """Return whether a DICOM file that may hold an image is at a path, by its name and its first bytes.

    Raises
    ------
    OSError
        Where the file cannot be read.
    """
    if not may_be_dicom(path) or not path.is_file():
        return False
    with path.open("rb") as file:
        return starts_as_dicom(file)


def starts_as_dicom(file: BinaryIO) -> bool:
    """Return whether an open file is DICOM by its first bytes; it is left at its beginning."""
    file.seek(0)
    start = file.read(_PREAMBLE + 4)
    file.seek(0)
    return start[_PREAMBLE:] == b"DICM"


def files_at(path: Path) -> list[Path]:
    """Return a file itself, or all files in a folder and below it in order of their paths."""
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".")
