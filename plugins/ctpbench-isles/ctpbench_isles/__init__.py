"""Recorded CT-perfusion scans for ctpbench: ISLES 2018 and 2024, NIfTI files, DICOM folders."""

from __future__ import annotations

from pathlib import Path

from ctpbench import DataError, Dataset, Series, hookimpl


@hookimpl
def ctpbench_datasets() -> list[type[Dataset]]:
    """Offer the datasets `isles2018`, `isles2024`, `nifti` and `dicom`."""
    from ctpbench_isles.files import DicomFolders, NiftiFiles
    from ctpbench_isles.isles2018 import Isles2018
    from ctpbench_isles.isles2024 import Isles2024

    return [Isles2018, Isles2024, NiftiFiles, DicomFolders]


@hookimpl
def ctpbench_open_series(path: Path, frame_interval_s: float | None) -> Series | None:
    """Open a NIfTI file, a DICOM folder or an enhanced DICOM file."""
    from ctpbench_isles.file_kinds import has_nifti_name

    if not path.exists():
        raise DataError(f"{path}: no such file or folder; name a 4-D NIfTI file or a folder of one DICOM series")
    if path.is_file() and has_nifti_name(path):
        from ctpbench_isles.nifti import NiftiSeries

        return NiftiSeries(path, frame_interval_s)
    from ctpbench_isles.dicom import open_dicom

    return open_dicom(path, frame_interval_s)
