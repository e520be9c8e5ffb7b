"""A scan's file or folder, opened by the plugin that reads its format, and what may be written of it where."""

from __future__ import annotations

from pathlib import Path

from ctpbench.contract.series import Series
from ctpbench.errors import DataError, InputError
from ctpbench.plugins import Catalogue

WORK, MODEL = ".ctpbench", "model"
"""Folders of an interrupted call, and of what was trained, among the results."""


def open_series(catalogue: Catalogue, path: Path, frame_interval_s: float | None) -> Series:
    """Return the scan at a path, opened by the plugin that reads its format.

    Raises
    ------
    DataError
        Where there is nothing, nobody reads it, or it is faulty.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; name a 4-D NIfTI file or a folder of one DICOM series")
    series = catalogue.open_series(path, frame_interval_s)
    if series is None:
        raise DataError(
            f"{path}: no installed plugin reads it; allowed: a format that one reads, such as a 4-D NIfTI file or a "
            "folder of one DICOM series; `ctpbench plugins` says which are installed and which did not load"
        )
    return series


def check_new(out: Path) -> None:
    """Raise InputError where a folder holds more than an interrupted call leaves: results are not mixed or replaced."""
    held = [] if not out.exists() else [path.name for path in out.iterdir() if path.name not in (WORK, MODEL)]
    if held:
        raise InputError(f"--out {out}: holds {min(held)}; give a new folder, or empty this one")
