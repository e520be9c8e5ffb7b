"""Files that lie in two places at once: hard links where the file system has them, copies elsewhere."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

_MOST = 2**30  # bytes that are asked of the kernel at once


def place_tree(source: Path, place: Path) -> int:
    """Put the files of a folder into an empty one as well, and return their bytes.

    They are made read-only: as a link, what is written to one is written to both. What is neither file nor folder is
    left out.
    """
    size = 0
    for folder, _, names in os.walk(source):
        into = place / os.path.relpath(folder, source)
        into.mkdir(exist_ok=True)
        for name in names:
            file = Path(folder, name)
            about = file.lstat()
            if stat.S_ISREG(about.st_mode):
                _place(file, into / name)
                with suppress(PermissionError):  # a link to another's file, which nobody else can change either
                    (into / name).chmod(stat.S_IMODE(about.st_mode) & ~0o222)
                size += about.st_size
    return size


def _place(source: Path, place: Path) -> None:
    try:
        os.link(source, place, follow_symlinks=False)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, one without links, too many of them, or another's file
        _copy(source, place)


def _copy(source: Path, place: Path) -> None:
    """Copy a file; where the file system can, the two share their blocks until one is written to."""
    with source.open("rb") as read, place.open("wb") as write:
        with suppress(OSError, AttributeError):
            while os.copy_file_range(read.fileno(), write.fileno(), _MOST):
                pass
            return
        read.seek(0)
        write.truncate(0)
        write.seek(0)
        shutil.copyfileobj(read, write, 2**20)
