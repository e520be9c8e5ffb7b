"""What a path holds: a NIfTI file, DICOM, an archive, or a folder with one of these."""

from __future__ import annotations

from pathlib import Path

from ctpbench import DataError, Series, Stated
from ctpbench_isles.archives import is_archive, unpacked
from ctpbench_isles.file_kinds import files_at, has_nifti_name, is_nifti


def open_scan(path: Path, stated: Stated) -> Series | None:
    """Open the scan at a path, or return None where nothing there is of a kind that this package knows.

    Raises
    ------
    DataError
        Where there is nothing, or what is there cannot be read; names it.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; name a 4-D NIfTI file or a folder of one DICOM series")
    if path.is_file():
        if has_nifti_name(path):
            from ctpbench_isles.nifti import NiftiSeries

            return NiftiSeries(path, stated)
        if is_archive(path):
            return _in_archive(path, stated)
    from ctpbench_isles.dicom import open_dicom

    series = open_dicom(path, stated)
    return series if series is not None or path.is_file() else _only_nifti(path, stated)


def _in_archive(path: Path, stated: Stated) -> Series | None:
    """Open the scan in an archive: it goes by the archive's name, for the folder has another one each time."""
    folder = unpacked(path)
    try:
        series = open_scan(folder, stated)
    except DataError as error:
        raise DataError(str(error).replace(str(folder), str(path))) from None
    if series is not None:
        series.path = path
    return series


def _only_nifti(folder: Path, stated: Stated) -> Series | None:
    """Open the one 4-D NIfTI file in a folder without DICOM."""
    from ctpbench_isles.nifti import NiftiSeries
    from ctpbench_isles.nifti_image import NiftiImage

    files = [path for path in files_at(folder) if is_nifti(path)]
    if not files:
        archives = [path for path in files_at(folder) if is_archive(path)]
        if len(archives) == 1:
            return open_scan(archives[0], stated)
        return None
    in_time = []
    for path in files:
        try:
            if NiftiImage(path).time_axis is not None:
                in_time.append(path)
        except DataError:
            if len(files) == 1:
                raise
    if len(in_time) == 1:
        return NiftiSeries(in_time[0], stated)
    shown = ", ".join(str(path.relative_to(folder)) for path in (in_time or files)[:10])
    raise DataError(f"{folder}: got {len(in_time)} 4-D NIfTI files of {len(files)}; allowed: one; name it: {shown}")
