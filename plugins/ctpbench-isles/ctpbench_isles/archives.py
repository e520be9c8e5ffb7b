"""Scans in archives, as they are sent: unpacked to a temporary folder that goes with the process."""

from __future__ import annotations

import atexit
import shutil
import tarfile
import zipfile
from pathlib import Path
from tempfile import gettempdir, mkdtemp

from ctpbench import DataError

_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def is_archive(path: Path) -> bool:
    """Return whether a file's name ends as an archive's that can be unpacked here."""
    return path.name.lower().endswith(_ENDINGS)


def unpacked(path: Path) -> Path:
    """Unpack an archive and return the folder, which is gone when the process ends.

    Raises
    ------
    DataError
        Where it is damaged, locked, or larger than what is free; names it.
    """
    try:
        with _opened(path) as archive:
            size = _size(archive)
            free = shutil.disk_usage(gettempdir()).free
            if size > free:
                raise DataError(
                    f"{path}: takes {size / 2**30:.1f} GiB unpacked; there are {free / 2**30:.1f} GiB in "
                    f"{gettempdir()}; set TMPDIR to a folder with more room"
                )
            folder = Path(mkdtemp(prefix="ctpbench-"))
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            if isinstance(archive, tarfile.TarFile):
                archive.extractall(folder, filter="data")
            else:
                archive.extractall(folder)  # which drops what would lead out of the folder
    except (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, tarfile.TarError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{path}: cannot be unpacked ({type(error).__name__}); damaged or locked; unpack it, or copy it again"
        ) from None
    return folder


def _opened(path: Path) -> zipfile.ZipFile | tarfile.TarFile:
    return zipfile.ZipFile(path) if path.name.lower().endswith(".zip") else tarfile.open(path)


def _size(archive: zipfile.ZipFile | tarfile.TarFile) -> int:
    if isinstance(archive, tarfile.TarFile):
        return sum(member.size for member in archive.getmembers())
    return sum(member.file_size for member in archive.infolist())
