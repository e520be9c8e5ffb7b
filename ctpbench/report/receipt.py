"""What the end of a run wrote, and from what: where nothing has changed since, nothing is written again.

Told by what all of it is made from: the checksum of each cell's record, the files that are described, which maps are
still cached, the installed methods, this package's files and the libraries that write. Of what was written it trusts
size and time: a file that is gone or was edited since is written again, with all others.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from ctpbench.atomic import write_text
from ctpbench.code import CORE, digest
from ctpbench.distributions import versions
from ctpbench.outcome.files import RESULTS, described_files
from ctpbench.running.record import Plain
from ctpbench.running.seals import file_checksum
from ctpbench.running.store import Store
from ctpbench.running.work import Stage

FILE_NAME = "receipt.json"
_LIBRARIES = (
    "h5netcdf",
    "h5py",
    "itables",
    "jinja2",
    "matplotlib",
    "numpy",
    "pandas",
    "plotly",
    "rich",
    "scipy",
    "xarray",
)
_SHOWN: tuple[Stage, ...] = ("data", "reference", "prediction")
"""Stages whose entries pictures are drawn from."""

About = tuple[int, int]
"""The size of a file in bytes, and when it was changed, in nanoseconds since 1970."""


class _Said(Plain):
    """What lies in the file.

    `key` stands for all that was made use of, `pages` says whether the pages for a browser were written as well,
    `boards` holds the leaderboard as it was printed, by the screen.
    """

    format: Literal[1] = 1
    key: str
    finished: str
    pages: bool
    files: dict[str, About]
    boards: dict[str, str]


class Receipt:
    """The receipt of a run's folder, as its records are now.

    Parameters
    ----------
    store : Store
    kinds : mapping
        What kind each installed denoiser is of: see `ctpbench.report.site.kinds.kinds_of`.
    """

    def __init__(self, store: Store, kinds: Mapping[str, str]) -> None:
        self._folder = store.folder
        self._said = _read(store.folder / FILE_NAME)
        self._key = digest(_program(), dict(kinds), _given(store.folder), _records(store), _cached(store))

    def stands(self, *, pages: bool) -> bool:
        """Whether all that would be written is there, pages too where they are asked for, and would be the same."""
        said = self._said
        if said is None or said.key != self._key or (pages and not said.pages):
            return False
        return all(_about(self._folder / name) == about for name, about in said.files.items())

    @property
    def since(self) -> str:
        """When what stands was written, by the clock of the place, as people read it."""
        return self._said.finished.replace("T", " ")[:16] if self._said else ""

    def board(self, screen: str) -> str | None:
        """Return the leaderboard as it was printed on a screen; None where it was on none such."""
        return None if self._said is None else self._said.boards.get(screen)

    def add_board(self, screen: str, board: str) -> None:
        """Note the leaderboard as another screen shows it."""
        if self._said is not None:
            self._write(self._said.model_copy(update={"boards": {**self._said.boards, screen: board}}))

    def sign(self, written: Iterable[Path], screen: str, board: str, *, pages: bool) -> None:
        """Note what was written just now, files in the run's folder, and the leaderboard as it was printed."""
        files = {path.relative_to(self._folder).as_posix(): about for path in written if (about := _about(path))}
        finished = datetime.now().astimezone().isoformat(timespec="seconds")
        self._write(_Said(key=self._key, finished=finished, pages=pages, files=files, boards={screen: board}))

    def _write(self, said: _Said) -> None:
        self._said = said
        write_text(self._folder / FILE_NAME, said.model_dump_json())


def _read(path: Path) -> _Said | None:
    try:
        return _Said.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _about(path: Path) -> About | None:
    """Return what tells whether a file was changed, None where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def _program() -> list[Any]:
    """Return what writes: Python, libraries, and each file of this package, whose templates and scripts are no code."""
    found = []
    for folder, inner, names in os.walk(CORE):
        inner[:] = sorted(name for name in inner if name != "__pycache__")
        found += [(os.path.join(folder, name), _about(Path(folder, name))) for name in sorted(names)]
    return [platform.python_version(), versions(_LIBRARIES), found]


def _given(folder: Path) -> dict[str, str]:
    """Return the checksums of the files that are described and not made from records: plan, suite, claims and more."""
    return {name: file_checksum(folder / name) for name in described_files(folder) if name not in RESULTS}


def _records(store: Store) -> str:
    """Return what changes with any of the records."""
    found = hashlib.sha256()
    for check in store.checks([cell.key for cell in store.index().cells]):
        found.update((check or "-").encode())
    return found.hexdigest()


def _cached(store: Store) -> str:
    """Return what changes with which maps are still there to be shown."""
    found = hashlib.sha256()
    for key in (key for stage in _SHOWN for key in sorted(store.cache.keys(stage))):
        found.update(key.encode())
    return found.hexdigest()
