"""What tells that the files a dataset reads have changed since."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from ctpbench.errors import DataError

FileStamps: TypeAlias = tuple[tuple[str, int, int], ...]
"""Name, size in bytes and time of last change in ns of each file."""


def file_stamps(paths: Iterable[Path]) -> FileStamps:
    """Return what tells cheaply that a file has changed: fit for the key of a cache within a process.

    Raises
    ------
    DataError
        Where a file cannot be read; names it.
    """
    try:
        found = [(str(path), path.stat()) for path in paths]
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in found)


def files_fingerprint(paths: Iterable[Path], *, content: bool = False) -> str:
    """Return a hash over files, SHA-256 in hex, for `Dataset.fingerprint`; empty where there is no file.

    Parameters
    ----------
    paths : iterable of Path
        In an order that is the same each time.
    content : bool
        Whether the bytes themselves are hashed, with each file's name and its folder's. Otherwise names, sizes and
        times are, which is all that gigabytes allow.

    Raises
    ------
    DataError
        Where a file cannot be read; names it.
    """
    files = list(paths)
    if not files:
        return ""
    stamps = [_content_stamp(path) for path in files] if content else file_stamps(files)
    return hashlib.sha256(repr(stamps).encode()).hexdigest()


def _content_stamp(path: Path) -> tuple[str, str]:
    try:
        with path.open("rb") as file:
            return f"{path.parent.name}/{path.name}", hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
