"""Recorded CT-perfusion scans for ctpbench: ISLES 2018 and 2024, NIfTI files, DICOM folders."""

from __future__ import annotations

from pathlib import Path

from ctpbench import Dataset, Series, Stated, hookimpl


@hookimpl
def ctpbench_datasets() -> list[type[Dataset]]:
    """Offer the datasets `isles2018`, `isles2024`, `nifti` and `dicom`."""
    from ctpbench_isles.files import DicomFolders, NiftiFiles
    from ctpbench_isles.isles2018 import Isles2018
    from ctpbench_isles.isles2024 import Isles2024

    return [Isles2018, Isles2024, NiftiFiles, DicomFolders]


@hookimpl
def ctpbench_open_series(path: Path, stated: Stated) -> Series | None:
    """Open a NIfTI file, a DICOM folder or file, an archive of either, or a folder with one such scan."""
    from ctpbench_isles.opening import open_scan

    return open_scan(path, stated)
