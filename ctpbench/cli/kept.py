"""What is installed, kept from the last time that somebody looked: to import every plugin takes a second.

It counts while nothing is there that could change it: which distributions there are, the folders that Python looks in,
and every file of code that was imported then and is no library's. Where a plugin did not load, nothing is kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ctpbench.report.listing import Listing

_METADATA = (".dist-info", ".egg-info", ".egg-link", ".pth")
_FRESH_S = 2.0
"""A file that changed so lately may change again within the same tick of the clock."""


def listing() -> Listing:
    """Return what is installed: as it is kept where that still holds, else by a look, which is kept."""
    return _kept() or _looked()


def _kept() -> Listing | None:
    try:
        said = json.loads(_file().read_bytes())
        known, files = said["stamp"], said["files"].items()
        found = Listing(said["suites"], said["components"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return found if known == _stamp() and all(_about(path) == about for path, about in files) else None


def _looked() -> Listing:
    """Load the plugins, and keep what they offer unless something changed meanwhile."""
    from ctpbench.atomic import write_text
    from ctpbench.plugins import load_catalogue
    from ctpbench.report.listing import listing_of

    stamp, begun_s = _stamp(), time.time()
    found = listing_of(load_catalogue())
    files = {path: _about(path) for path in _own_files()}
    settled = all(about is not None and about[1] / 1e9 < begun_s - _FRESH_S for about in files.values())
    if settled and stamp == _stamp() and not found.failures:
        kept: dict[str, Any] = {"stamp": stamp, "files": files, "suites": found.suites, "components": found.components}
        with suppress(OSError):
            write_text(_file(), json.dumps(kept))
    return found


def _own_files() -> Iterator[str]:
    """Yield the files of all modules that are no library's, the core's with them, and of the suites that ship."""
    from ctpbench.code import CORE, LIBRARY_FOLDERS
    from ctpbench.suite.shipped import shipped_suites

    yield from map(str, shipped_suites().values())
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not file or name.partition(".")[0] in sys.stdlib_module_names:
            continue
        if CORE in Path(file).parents or not LIBRARY_FOLDERS & set(Path(file).parts):
            yield file


def _stamp() -> str:
    """Return what changes with what is installed: Python, where it looks, and the distributions there."""
    found: list[Any] = [sys.version, sys.path]
    for folder in sys.path:
        with suppress(OSError), os.scandir(folder or ".") as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(_METADATA))
            found += [(name, _about(f"{folder}/{name}"), _about(f"{folder}/{name}/entry_points.txt")) for name in names]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def _about(path: str) -> list[int] | None:
    """Return the size and the time of a file or folder, None where there is none."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return [stat.st_size, stat.st_mtime_ns]


def _file() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ctpbench" / "catalogue.json"
