"""Which pictures of a run's folder were drawn from what, so that none is drawn again that would be the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ctpbench.atomic import write_text
from ctpbench.code import core_hash, digest
from ctpbench.distributions import versions

FILE_NAME = "drawn.json"
_CODE = ("pictures", "curves", "strips", "differences")
_LIBRARIES = ("matplotlib", "numpy", "pandas", "scipy", "xarray")


class Drawn:
    """The pictures of a run's folder, in sets that are drawn together."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sets: dict[str, dict[str, Any]] = _read(folder / FILE_NAME)
        self._code = [core_hash(*(f"ctpbench.report.{name}" for name in _CODE)), versions(_LIBRARIES)]

    def once(self, name: str, parts: Sequence[Any], draw: Callable[[], Sequence[Path]]) -> list[Path]:
        """Return the pictures of a set, drawn unless they are there already and would be the same.

        Parameters
        ----------
        name : str
        parts : sequence
            Plain data: all that decides what the pictures show, but for the code that draws.
        draw : callable
            Returns the pictures that it drew.
        """
        key = digest(self._code, parts)
        known = self._sets.get(name, {})
        files = known.get("files") if known.get("key") == key else None
        if isinstance(files, list) and all((self._folder / str(file)).is_file() for file in files):
            return [self._folder / str(file) for file in files]
        drawn = list(draw())
        self._sets[name] = {"key": key, "files": [path.relative_to(self._folder).as_posix() for path in drawn]}
        write_text(self._folder / FILE_NAME, json.dumps(self._sets, indent=1))
        return drawn


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    found = said.items() if isinstance(said, dict) else ()
    return {str(name): entry for name, entry in found if isinstance(entry, dict)}
