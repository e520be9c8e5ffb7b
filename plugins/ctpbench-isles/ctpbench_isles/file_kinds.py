"""Which files are NIfTI and which DICOM, without the libraries that read them."""

from __future__ import annotations

import fnmatch
import os
import re
from pathlib import Path
from typing import BinaryIO, Literal

NIFTI_ENDINGS = (".nii", ".nii.gz")
_PAIR_ENDINGS = (".hdr", ".img", ".hdr.gz", ".img.gz")

_DICOM_ENDINGS = (".dcm", ".ima", ".dicom")
_INDEXES = ("dicomdir", "dirfile")  # which list the images of other files
_PREAMBLE = 128  # bytes before a DICOM file says what it is
_FIRST_GROUPS = (b"\x02\0", b"\x08\0", b"\0\x08")  # of a file without a preamble, the last in big endian


def has_nifti_name(path: Path) -> bool:
    """Return whether a file's name ends as a NIfTI file's or one of its pairs', in letters of either case."""
    return path.name.lower().endswith((*NIFTI_ENDINGS, *_PAIR_ENDINGS))


def is_nifti(path: Path) -> bool:
    """Return whether a NIfTI file that is not hidden is at a path, by its name; of a pair the header counts."""
    ending = path.name.lower().endswith((*NIFTI_ENDINGS, ".hdr", ".hdr.gz"))
    return ending and not _is_hidden(path) and path.is_file()


def find_nifti(folder: Path, stem: str) -> list[Path]:
    """Return the NIfTI files in a folder and all below it, in order of their paths.

    Parameters
    ----------
    folder : Path
    stem : str
        Pattern of their names without the ending, such as ``*_ctp``.
    """
    wanted = re.compile(fnmatch.translate(stem.lower()))
    return [path for path in files_at(folder) if is_nifti(path) and wanted.fullmatch(stem_of(path).lower())]


def stem_of(path: Path) -> str:
    """Return a NIfTI file's name without its ending."""
    name = path.name
    ending = next(
        (ending for ending in sorted(NIFTI_ENDINGS, key=len, reverse=True) if name.lower().endswith(ending)), ""
    )
    return name[: len(name) - len(ending)]


def may_be_dicom(path: Path) -> bool:
    """Return whether a file's name leaves it open that the file is a DICOM image.

    A DICOMDIR or DIRFILE lists the images of other files, and hidden files are what systems leave beside images.
    """
    return path.name.lower() not in _INDEXES and not _is_hidden(path)


def should_be_dicom(path: Path) -> bool:
    """Return whether a file's name is one that images have: the ending of DICOM, of numbers (a UID's), or none."""
    return may_be_dicom(path) and (path.suffix == "" or path.suffix[1:].isdigit() or has_dicom_name(path))


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


def starts_as_bare_dicom(file: BinaryIO) -> bool:
    """Return whether an open file begins as DICOM without its preamble does; it is left at its beginning.

    Old scanners and planning systems write such files: the first element follows at once, of group 2 or 8, with the
    two letters of its type or a short length.
    """
    file.seek(0)
    start = file.read(8)
    file.seek(0)
    if len(start) < 8 or start[:2] not in _FIRST_GROUPS:
        return False
    order: Literal["little", "big"] = "big" if start[0] == 0 else "little"
    typed = start[4:6].isalpha() and start[4:6].isupper()
    return typed or int.from_bytes(start[4:8], order) < 1 << 16


def files_at(path: Path) -> list[Path]:
    """Return a file itself, or all files in a folder and below it in order of their paths; see `walk`."""
    return walk(path)[0]


def walk(path: Path) -> tuple[list[Path], dict[Path, str]]:
    """Return the files at a path and below it, links followed, and what could not be followed.

    Parameters
    ----------
    path : Path
        A file, or a folder; each real folder is searched once, so links may run in circles.

    Returns
    -------
    files : list of Path
        In order of their paths.
    lost : dict of Path to str
        Links that lead nowhere and folders that may not be read, with the reason.
    """
    if not path.is_dir():
        return [path] if path.is_file() else [], {}
    files: list[Path] = []
    lost: dict[Path, str] = {}
    seen: set[str] = set()

    def refuse(error: OSError) -> None:
        lost[Path(error.filename)] = f"folder cannot be read ({error.strerror})"

    for folder, inside, names in os.walk(path, onerror=refuse, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            inside.clear()
            continue
        seen.add(real)
        inside[:] = sorted(inside)
        for file in (Path(folder, name) for name in names):
            if file.is_file():
                files.append(file)
            elif file.is_symlink():
                lost[file] = "a link that leads nowhere"
    return sorted(files), lost


def folders_at(path: Path) -> list[Path]:
    """Return the folders in a folder and below it, links followed, each real one once, in order of their paths."""
    found: list[Path] = []
    seen: set[str] = set()
    for folder, inside, _ in os.walk(path, followlinks=True):
        inside[:] = [name for name in sorted(inside) if not name.startswith(".")]
        real = os.path.realpath(folder)
        if real in seen:
            inside.clear()
            continue
        seen.add(real)
        found.append(Path(folder))
    return sorted(found[1:])


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".")
