"""A room on disk, in which a guest finds what it is given, leaves what it makes, and is at home.

It serves one guest after the other: to make and remove its folders takes some file systems longer than all that a short
piece of work does in them.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

GIVEN, MADE, HOME = "given", "made", "home"


class Room:
    """A new folder in another one, with folders in it for what a guest may read, for what it wrote, and for itself."""

    def __init__(self, parent: Path) -> None:
        self.path = Path(tempfile.mkdtemp(dir=parent))
        for name in (GIVEN, MADE, HOME):
            (self.path / name).mkdir()
        self._as_made = self._state()

    def is_as_made(self) -> bool:
        """Empty it, and return whether a guest would find it as the first one did; nobody may be in it.

        A guest can leave more than files: it may change who can write, or give a folder attributes.
        """
        try:
            if self._state() != self._as_made:
                return False
            self.clear()
        except OSError:
            return False
        return True

    def clear(self) -> None:
        """Remove what lies in its folders."""
        for name in (GIVEN, MADE, HOME):
            clear(self.path / name)

    def remove(self) -> None:
        """Remove it with all that lies in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _state(self) -> list[_Folder]:
        return [_folder(self.path / name) for name in ("", GIVEN, MADE, HOME)]


class _Folder(NamedTuple):
    """Which folder it is, who may do what in it, and the attributes that it has, access control lists among them."""

    inode: int
    mode: int
    attributes: dict[str, bytes]


def _folder(path: Path) -> _Folder:
    found = path.lstat()
    names = os.listxattr(path, follow_symlinks=False) if hasattr(os, "listxattr") else []
    return _Folder(found.st_ino, found.st_mode, {n: os.getxattr(path, n, follow_symlinks=False) for n in names})


def clear(folder: Path) -> None:
    """Remove what lies in a folder, whatever it is; not what lies where a link leads that was put in its place."""
    if folder.is_symlink():
        raise NotADirectoryError(errno.ENOTDIR, "a link is in its place", str(folder))
    for path in list(folder.iterdir()):
        remove(path)


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all that lies in it, as far as that can be done."""
    try:
        path.unlink()
    except (IsADirectoryError, PermissionError):  # as systems say of a folder
        shutil.rmtree(path, ignore_errors=True)
