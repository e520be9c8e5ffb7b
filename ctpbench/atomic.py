"""Files that are written whole or not at all, and the folders that they go into."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ctpbench.errors import InputError


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it once it is written: a whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(folder: Path, option: str) -> Iterator[Path]:
    """Yield a temporary folder beside `folder` and rename it once it is filled: a whole folder or none.

    Raises
    ------
    InputError
        As of `check_new_folder`.
    """
    check_new_folder(folder, option)
    make_folder(folder.absolute().parent, option)
    temporary = Path(tempfile.mkdtemp(dir=folder.absolute().parent, prefix=f".{folder.name}."))
    try:
        yield temporary
        temporary.chmod(0o755)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_new_folder(folder: Path, option: str) -> None:
    """Look whether a folder can be made; one that is there and empty is taken.

    Raises
    ------
    InputError
        Where something is there already, or none can be made there.
    """
    check_folder(folder, option)
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{option} {folder}: is there already; give a new folder")


def make_folder(folder: Path, option: str) -> None:
    """Make a folder that an option names, with those above it, unless it is there.

    Raises
    ------
    InputError
        Where it is no folder, or cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{option} {folder}: is, or lies in, a file; give a folder, which may be new") from None
    except OSError as error:
        raise InputError(f"{option} {folder}: cannot be written to ({error.strerror}); give another folder") from None


def check_folder(folder: Path, option: str) -> None:
    """Raise what `make_folder` would, as far as that can be told without making anything."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise InputError(f"{option} {folder}: is, or lies in, a file; give a folder, which may be new")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(f"{option} {folder}: cannot be written to (Permission denied); give another folder")
