"""Which cached entries were read whole and found sound, so that they are not read again at every start of a run.

What is noted trusts names, sizes, times and inodes of an entry's files: whoever writes into one, cuts it short or puts
another in its place changes one of these, and the entry is read again. What a disk does to bytes it holds changes none:
that is for those who `forget_all` first, as `ctpbench submit` and `ctpbench verify` do.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from ctpbench.atomic import write_text

FILE_NAME = "looked.json"
_DIGITS = 32
_FRESH_NS = 2 * 10**9
"""A file that changed so lately may change again within the same tick of the clock: that is not kept."""


class Looks:
    """The entries of a folder that were found sound, by their path in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._changed = False

    def stamp(self, name: str) -> str:
        """Return what changes with the files of an entry: take it before they are read."""
        files = sorted(files_of(f"{self._folder}/{name}"))
        known = hashlib.sha256(repr(files).encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]
        return f"{max((time_ns for *_, time_ns, _ in files), default=0)} {known}"

    def stand(self, name: str, stamp: str) -> bool:
        """Whether an entry was found sound when its stamp was this."""
        return self._known.get(name) == stamp

    def note(self, name: str, stamp: str) -> None:
        """Note that an entry with this stamp is sound."""
        self._known[name] = stamp
        self._changed = True

    def forget(self, name: str) -> None:
        """Forget one that is gone."""
        self._changed = self._known.pop(name, None) is not None or self._changed

    def forget_all(self) -> None:
        """Forget all: each entry is read when it is next looked at."""
        self._known.clear()
        self._changed = True

    def save(self) -> None:
        """Keep what is noted, where anything is new."""
        if self._changed and self._folder.is_dir():
            oldest = time.time_ns() - _FRESH_NS
            kept = {name: stamp for name, stamp in self._known.items() if int(stamp.partition(" ")[0]) < oldest}
            write_text(self._folder / FILE_NAME, json.dumps(kept))
            self._changed = False

    @cached_property
    def _known(self) -> dict[str, str]:
        try:
            said = json.loads((self._folder / FILE_NAME).read_bytes())
        except (OSError, ValueError):
            return {}
        found = said.items() if isinstance(said, dict) else ()
        return {name: stamp for name, stamp in found if isinstance(stamp, str) and stamp[:1].isdigit()}


def files_of(folder: Path | str, before: str = "") -> Iterator[tuple[str, int, int, int]]:
    """Yield path in it, size, time and inode of each file of a folder; `before` stands before each path."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from files_of(entry.path, f"{before}{entry.name}/")
            elif entry.is_file():
                stat = entry.stat()
                yield f"{before}{entry.name}", stat.st_size, stat.st_mtime_ns, stat.st_ino
