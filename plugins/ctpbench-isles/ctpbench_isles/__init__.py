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
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.is_file() and path.name.endswith((".nii", ".nii.gz")):
        from ctpbench_isles.nifti import NiftiSeries

        return NiftiSeries(path, frame_interval_s)
    from ctpbench_isles.dicom import open_dicom

    return open_dicom(path, frame_interval_s)
