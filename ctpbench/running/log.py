"""A cell's log: what its processes print, the beginning and the end of it where it is too much."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

LONGEST_LOG = 10 * 2**20
"""Bytes of which a log holds no more, or hardly more."""
_TAIL = 2**20


class Log:
    """A file that is added to, made with its first words. Use as a context manager: the rest is written at the end.

    What cannot be written, as on a full disk, is lost: whoever works goes on.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        written = path.stat().st_size if path.exists() else 0
        self._room = max(LONGEST_LOG - _TAIL - written, 0)
        self._tail, self._left_out = bytearray(), 0

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._left_out:
            self._add(b"\n... %d bytes left out ...\n" % self._left_out)
        self._add(bytes(self._tail))

    def write(self, text: bytes) -> None:
        """Add text: at once while there is room, else keep its end for the last lines."""
        self._add(text[: self._room])
        self._tail += text[self._room :]
        self._room = max(self._room - len(text), 0)
        excess = len(self._tail) - _TAIL
        if excess > 0:
            del self._tail[:excess]
            self._left_out += excess

    def _add(self, text: bytes) -> None:
        with suppress(OSError):
            if text:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with self._path.open("ab", buffering=0) as file:
                    file.write(text)
