"""Locks that runners hold on names: files that the kernel unlocks when whoever holds them ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Lock:
    """A lock that this process holds; no other process, and nobody else in this one, has it meanwhile."""

    path: Path
    file: int

    def release(self) -> None:
        """Let it go, and remove its file: whoever opened that meanwhile sees that it is gone, and opens another."""
        with suppress(OSError):
            self.path.unlink()
        os.close(self.file)


def take(path: Path) -> Lock | None:
    """Take the lock of a file, which is made where it is missing; None where somebody holds it.

    Raises
    ------
    OSError
        Where the file cannot be made, or the file system knows no locks.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(file, path):
                return Lock(path, file)
        except BlockingIOError:
            os.close(file)
            return None
        except OSError:
            os.close(file)
            raise
        os.close(file)  # who held it before removed it


def _is_at(file: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file), path.stat())
    return False
