"""A scan's file or folder, opened by the plugin that reads its format, and what may be written of it where."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

from ctpbench.contract.series import Series, Stated
from ctpbench.errors import DataError, InputError
from ctpbench.plugins import Catalogue

_FOREIGN = {
    ".nrrd": "NRRD",
    ".nhdr": "NRRD",
    ".mha": "MetaImage",
    ".mhd": "MetaImage",
    ".mnc": "MINC",
    ".par": "Philips PAR/REC",
    ".rec": "Philips PAR/REC",
    ".mat": "a MATLAB file",
    ".npy": "a NumPy array, which tells neither voxel size nor times",
    ".npz": "NumPy arrays, which tell neither voxel size nor times",
    ".7z": "a 7z archive",
    ".rar": "a RAR archive",
    ".h5": "an HDF5 file",
}

WORK, MODEL = ".ctpbench", "model"
"""Folders of an interrupted call, and of what was trained, among the results."""


def open_series(catalogue: Catalogue, path: Path, stated: Stated) -> Series:
    """Return the scan at a path, opened by the plugin that reads its format.

    Raises
    ------
    DataError
        Where there is nothing, nobody reads it, or it is faulty.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; name a 4-D NIfTI file or a folder of one DICOM series")
    series = catalogue.open_series(path, stated)
    if series is None:
        kind = _FOREIGN.get(path.suffix.lower())
        if kind:
            raise DataError(
                f"{path}: got {kind}, which no installed plugin reads; allowed: NIfTI or DICOM, for example; convert "
                "it to NIfTI, with time as its last axis and the unit of time in its header"
            )
        raise DataError(
            f"{path}: no installed plugin reads it; allowed: a format that one reads, such as a 4-D NIfTI file or a "
            "folder of one DICOM series; `ctpbench plugins` says which are installed and which did not load"
        )
    return series


def stated(frame_interval_s: float | None, frame_times: Path | None, series: str | None) -> Stated:
    """Return what a user states of a scan on the command line.

    Raises
    ------
    InputError
        Where both times are given, or the file holds no rising numbers.
    """
    if frame_times is None:
        return Stated(frame_interval_s=frame_interval_s, series=series)
    if frame_interval_s is not None:
        raise InputError("got --frame-interval and --frame-times; allowed: one of them")
    try:
        words = frame_times.read_text(encoding="utf-8-sig").replace(",", " ").replace(";", " ").split()
        times_s = tuple(float(word) for word in words)
    except OSError as error:
        raise InputError(f"--frame-times {frame_times}: cannot be read ({error.strerror})") from None
    except ValueError as error:  # of a word, or of bytes that are no text
        raise InputError(f"--frame-times {frame_times}: got {error}; allowed: numbers, in s, one a frame") from None
    rising = all(math.isfinite(b) and a < b for a, b in pairwise(times_s))
    if len(times_s) < 2 or not math.isfinite(times_s[0]) or not rising:
        raise InputError(
            f"--frame-times {frame_times}: got {len(times_s)} numbers; allowed: rising times in s, one a frame"
        )
    return Stated(frame_times_s=times_s, series=series)


def check_new(out: Path) -> None:
    """Raise InputError where a folder holds more than an interrupted call leaves: results are not mixed or replaced."""
    held = [] if not out.exists() else [path.name for path in out.iterdir() if path.name not in (WORK, MODEL)]
    if held:
        raise InputError(f"--out {out}: holds {min(held)}; give a new folder, or empty this one")
