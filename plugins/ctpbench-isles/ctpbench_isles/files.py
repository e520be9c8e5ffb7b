"""Datasets of a user's own scans: `nifti`, 4-D files, and `dicom`, folders of a series each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from ctpbench import DataError, Series, Stated
from ctpbench_isles.file_kinds import files_at, is_dicom, is_nifti
from ctpbench_isles.scans import RecordedScans, ScanFiles


class OwnScans(RecordedScans):
    """A user's own scans, called by a number: their files' names may tell who the patient is."""

    frame_interval_s: Annotated[
        float | None, Field(gt=0, description="time between frames, s, where the files have none or a wrong one")
    ] = None
    frame_times_s: Annotated[
        tuple[float, ...],
        Field(description="when each frame was taken, s, rising, of every scan; instead of an interval"),
    ] = ()

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        if self.frame_times_s and self.frame_interval_s is not None:
            raise ValueError("frame_interval_s, frame_times_s: got both; allowed: one of them, or neither")
        return self

    @property
    def _stated(self) -> Stated:
        return Stated(self.frame_interval_s, self.frame_times_s or None)


class NiftiFiles(OwnScans):
    """CT-perfusion scans in NIfTI files, 4-D (x, y, z, time), in HU with the skull. Each file is one patient.

    Cases are called scan-001, scan-002, ... in the order of the files' names.
    """

    name, version = "nifti", "1"
    about_root: ClassVar = "a .nii or .nii.gz file, or a folder of them"

    pattern: Annotated[str, Field(min_length=1, description="which files of the folder, such as **/*ctp.nii.gz")] = "*"

    def _scans(self) -> dict[str, ScanFiles]:
        root = self._root
        try:
            paths = [root] if root.is_file() else sorted(p for p in root.glob(self.pattern) if is_nifti(p))
        except (ValueError, NotImplementedError) as error:  # from pathlib, of a pattern it does not take
            raise DataError(
                f"{self.name}: pattern: got {self.pattern!r} ({error}); allowed: such as **/*ctp.nii.gz"
            ) from None
        return {f"scan-{n:03d}": ScanFiles(path, str(path), (path,)) for n, path in enumerate(paths, start=1)}

    def _open(self, scan: ScanFiles) -> Series:
        from ctpbench_isles.nifti import NiftiSeries

        return NiftiSeries(scan.path, self._stated)


class DicomFolders(OwnScans):
    """CT-perfusion scans as DICOM: a folder of one series, or a folder with one sub-folder a series and patient.

    Cases are called series-001, series-002, ... in the order of the folders' names.
    """

    name, version = "dicom", "1"
    about_root: ClassVar = "a folder of one DICOM series, or with one sub-folder a series"

    series: Annotated[
        str | None,
        Field(description="which series of each folder, by its number or the end of its UID; default: the one in time"),
    ] = None

    def _scans(self) -> dict[str, ScanFiles]:
        root = self._root
        inside = [] if root.is_file() else sorted(p for p in root.iterdir() if not p.name.startswith("."))
        folders = [] if any(map(_is_image, inside)) else [path for path in inside if path.is_dir()]
        found = enumerate(folders or [root], start=1)
        return {f"series-{n:03d}": ScanFiles(path, str(path), tuple(files_at(path))) for n, path in found}

    def _open(self, scan: ScanFiles) -> Series:
        from ctpbench_isles.dicom import open_dicom

        series = open_dicom(scan.path, replace(self._stated, series=self.series))
        if series is None:
            raise DataError(f"{scan.path}: got no DICOM image; allowed: {self.about_root}")
        return series


def _is_image(path: Path) -> bool:
    """Return whether a file is DICOM; one that cannot be read is reported when its scan is loaded."""
    try:
        return is_dicom(path)
    except OSError:
        return False
