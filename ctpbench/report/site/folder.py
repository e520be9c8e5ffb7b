"""The folder that a site is written into: known by a marker file, and never anybody else's."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from ctpbench.atomic import make_folder, replacing, write_text
from ctpbench.errors import InputError
from ctpbench.running.record import Plain

MARKER = "ctpbench-report.json"


class _Marker(Plain):
    """What lies in the marker file: the names of the site's files, and whether it was written to its end."""

    format: Literal[1] = 1
    complete: bool
    files: list[str]


class SiteFolder:
    """A folder that holds a site, or will.

    Files that another build left and this one does not write again are removed by `finish`; others are never touched.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._before = _marker(folder)
        self._written: dict[str, None] = {}
        make_folder(folder, "--out")
        self._mark(complete=False, files=[*self._before.files] if self._before else [])

    def keep(self, name: str) -> bool:
        """Whether an earlier build wrote a file that is still there; if so it stays as it is."""
        kept = self._before is not None and name in self._before.files and (self.folder / name).is_file()
        if kept:
            self._written[name] = None
        return kept

    def size(self, name: str) -> int:
        """Return how many bytes a file has."""
        return (self.folder / name).stat().st_size

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file, whole or not at all; one that is the same already is left alone.

        Raises
        ------
        InputError
            Where another's file has that name.
        """
        path = self.folder / name
        data = content.encode("utf-8", "replace") if isinstance(content, str) else content
        self._written[name] = None
        if path.is_file() and path.read_bytes() == data:
            return
        ours = self._before is None or not self._before.complete or name in self._before.files
        if path.exists() and not ours:
            raise InputError(f"--out {self.folder}: {name} is not the report's; move it away, or give another folder")
        with replacing(path) as temporary:
            temporary.write_bytes(data)

    def finish(self) -> None:
        """Remove what earlier builds wrote and this one did not, and mark the site as complete."""
        for name in set(self._before.files if self._before else ()) - set(self._written):
            path = self.folder / name
            if path.resolve().is_relative_to(self.folder.resolve()):
                path.unlink(missing_ok=True)
        self._mark(complete=True, files=sorted(self._written))

    def _mark(self, *, complete: bool, files: list[str]) -> None:
        write_text(self.folder / MARKER, _Marker(complete=complete, files=files).model_dump_json(indent=1) + "\n")


def files_of(folder: Path) -> list[Path]:
    """Return the files of a site that was written to its end, its marker with them; none of another folder.

    Raises
    ------
    InputError
        Where the folder holds something else.
    """
    marker = _marker(folder)
    return [folder / name for name in (*marker.files, MARKER)] if marker is not None and marker.complete else []


def _marker(folder: Path) -> _Marker | None:
    """Return what an earlier build left in a folder, None where it is new or empty.

    Raises
    ------
    InputError
        Where the folder holds something else.
    """
    try:
        return _Marker.model_validate_json((folder / MARKER).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(
                f"--out {folder}: holds something that is no report; give a folder that is new, empty or a report's"
            ) from None
        return None
    except ValidationError:
        raise InputError(
            f"--out {folder}: {MARKER} is unreadable, or of another version; delete the folder, or give another"
        ) from None
