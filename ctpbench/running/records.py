"""The records of a run's cells: one file that is only added to, a line each, the last one of a key being the cell's.

A line is JSON: a checksum over what follows it, a summary, which is quickly read, and the record. One that is cut
short or altered is named and counts as missing, so that its cell is computed again; the others stand. In memory there
is where each line lies, not what it says.
"""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

from pydantic import ValidationError

from ctpbench.atomic import replacing
from ctpbench.running.record import Plain, Record
from ctpbench.running.seals import checksum, sealed
from ctpbench.running.summary import Summary

P = TypeVar("P", bound=Plain)
FILE_NAME = "records.jsonl"
OLDER = "records"
"""The folder in which earlier versions kept a file for each record."""
_BEGIN, _SUMMARY, _RECORD, _END = b'{"check":"', b'","summary":', b',"record":', b"}\n"
"""What a line's parts stand between; no text within JSON holds one, for there a quotation mark follows a backslash."""
_DIGITS = 64
_KEY = b'{"key":"'
_ALTERED, _CUT = "altered, or of another version", "cut short, or of another version"
_SYNC_S = 1.0
"""At most so many seconds of records are lost when the power goes; when a process is killed, none."""


class Records:
    """The records in a run's folder. Who writes holds the folder; others may read meanwhile.

    Parameters
    ----------
    folder : Path
    note : callable(path, what)
        Hears of what was found cut short or altered, and counts as missing.
    written_to : callable
        Says whether another process may be adding a line just now.
    """

    def __init__(self, folder: Path, note: Callable[[Path, str], None], written_to: Callable[[], bool]) -> None:
        self._path, self._older = folder / FILE_NAME, folder / OLDER
        self._note, self._written_to = note, written_to
        self._synced_s = 0.0
        self._begin_anew()

    def records(self, keys: Iterable[str]) -> Iterator[Record | None]:
        """Yield the record of each cell, None where there is none that is sound."""
        older = self._older_keys()
        for key, line in self._lines(keys):
            if line is not None:
                yield self._parsed(Record, key, _record_of(line))
            else:
                yield self._older_record(key) if key in older else None

    def summaries(self, keys: Iterable[str]) -> Iterator[Summary | None]:
        """Yield the summary of each cell's record, None where there is none that is sound."""
        older = self._older_keys()
        for key, line in self._lines(keys):
            if line is not None:
                yield self._parsed(Summary, key, _summary_of(line))
            else:
                record = self._older_record(key) if key in older else None
                yield None if record is None else Summary.of(record)

    def checks(self, keys: Iterable[str]) -> Iterator[str | None]:
        """Yield the checksum of each cell's line, None where there is none; of an earlier version's record its seal."""
        older = self._older_keys()
        for key, line in self._lines(keys):
            if line is not None:
                yield line[len(_BEGIN) : len(_BEGIN) + _DIGITS].decode()
            else:
                record = self._older_record(key) if key in older else None
                yield None if record is None else record.seal

    def append(self, record: Record) -> Record:
        """Write a record and return it as it was written, with its seal.

        Raises
        ------
        OSError
            Where the disk is full: the file is as it was.
        """
        self._look()
        written = sealed(record)
        line = line_of(written)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+b", buffering=0) as file:
            start = file.seek(0, os.SEEK_END)
            if start and os.pread(file.fileno(), 1, start - 1) != b"\n":  # who was killed while he wrote left that
                line = b"\n" + line
            _write_whole(file, line, start)
            if time.monotonic() - self._synced_s > _SYNC_S:
                os.fsync(file.fileno())
                self._synced_s = time.monotonic()
        self._look()
        (self._older / f"{written.key}.json").unlink(missing_ok=True)
        return written

    def forget(self, keys: Collection[str]) -> None:
        """Remove the records of cells."""
        self._look()
        if not self._places.keys().isdisjoint(keys):
            self._rewrite(without=keys)
        for key in keys:
            (self._older / f"{key}.json").unlink(missing_ok=True)

    def tidy(self) -> None:
        """Leave out what is damaged, and what was superseded where it outweighs the rest; see all of it to the disk."""
        self._look()
        if self._damaged or len(self._starts) - 1 > 2 * len(self._places):
            self._rewrite()
        elif self._path.exists():
            with self._path.open("rb") as file:
                os.fsync(file.fileno())

    def take_over(self) -> None:
        """Move what an earlier version wrote into the file; records that are not sound stay, and are named."""
        for key in sorted(self._older_keys()):
            if (record := self._older_record(key)) is not None:
                self._look()
                if key in self._places:
                    (self._older / f"{key}.json").unlink()
                else:
                    self.append(record)
        if self._older.is_dir() and not any(self._older.iterdir()):
            self._older.rmdir()

    # -- what lies where ----------------------------------------------------------------------------------------

    def _begin_anew(self) -> None:
        """Know of no line."""
        self._places: dict[str, int] = {}  # the cells' lines, counted from 0
        self._starts = array("q", [0])  # of each line, and of the next one
        self._inode = 0
        self._damaged = False

    def _look(self) -> None:
        """Read what was added to the file since it was last looked at; all of it where it is another file."""
        try:
            stat = self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            self._begin_anew()
            return
        if (stat.st_ino, stat.st_size) == (self._inode, self._starts[-1]):
            return
        if stat.st_ino != self._inode or stat.st_size < self._starts[-1]:
            self._begin_anew()
        with self._path.open("rb") as file:
            self._inode = os.fstat(file.fileno()).st_ino
            file.seek(self._starts[-1])
            for line in file:
                if not line.endswith(b"\n") and self._written_to():
                    break  # looked at again once it is whole
                self._take(line)

    def _take(self, line: bytes) -> None:
        """Take in the next line of the file."""
        count = len(self._starts)
        self._starts.append(self._starts[-1] + len(line))
        key = _key_of(line)
        if key is not None and _is_sound(line):
            self._places[key] = count - 1
        elif line != b"\n":
            self._damaged = True
            self._places.pop(key or "", None)  # an earlier line is not what the cell came to
            whole = key is not None and line.endswith(_END)
            self._note(self._path.with_name(f"{FILE_NAME}:{count}"), _ALTERED if whole else _CUT)

    def _lines(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Yield each cell's line, None where the file has none."""
        self._look()
        places = self._places
        if not places:
            yield from ((key, None) for key in keys)
            return
        with self._path.open("rb") as file:
            if os.fstat(file.fileno()).st_ino != self._inode:  # written anew since
                yield from self._lines(keys)
                return
            for key in keys:
                yield key, self._line(file, places[key]) if key in places else None

    def _line(self, file: BinaryIO, count: int) -> bytes:
        file.seek(self._starts[count])
        return file.read(self._starts[count + 1] - self._starts[count])

    def _parsed(self, kind: type[P], key: str, text: bytes) -> P | None:
        try:
            return kind.model_validate_json(text)
        except ValidationError:
            self._note(self._path.with_name(f"{FILE_NAME}, {key}"), _CUT)
            return None

    def _rewrite(self, without: Collection[str] = ()) -> None:
        """Write the file anew with the cells' own lines alone, in their order: a whole file or none."""
        kept = sorted(place for key, place in self._places.items() if key not in without)
        with replacing(self._path) as temporary, temporary.open("wb") as file, self._path.open("rb") as old:
            for place in kept:
                file.write(self._line(old, place))
        self._look()

    def _older_keys(self) -> set[str]:
        return {path.stem for path in self._older.glob("*.json")} if self._older.is_dir() else set()

    def _older_record(self, key: str) -> Record | None:
        """Return a record that an earlier version wrote, which has a file of its own."""
        path = self._older / f"{key}.json"
        try:
            record = Record.model_validate_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValidationError:
            self._note(path, _CUT)
            return None
        if record.seal != sealed(record).seal or record.key != key:
            self._note(path, _ALTERED)
            return None
        return record


def line_of(record: Record) -> bytes:
    """Return the line that a record is kept in."""
    said = _SUMMARY[2:] + Summary.of(record).model_dump_json().encode() + _RECORD + record.model_dump_json().encode()
    return _BEGIN + checksum(said).encode() + _SUMMARY[:2] + said + _END


def _is_sound(line: bytes) -> bool:
    check = len(_BEGIN) + _DIGITS
    whole = line.startswith(_BEGIN) and line.endswith(_END)
    return whole and checksum(line[check + 2 : -len(_END)]).encode() == line[len(_BEGIN) : check]


def _key_of(line: bytes) -> str | None:
    """Return the key in a line, sound or not; None where it cannot be told."""
    begin = len(_BEGIN) + _DIGITS + len(_SUMMARY) + len(_KEY)
    if line[begin - len(_KEY) - len(_SUMMARY) : begin] != _SUMMARY + _KEY:
        return None
    key, quote, _ = line[begin : begin + 200].partition(b'"')
    return key.decode("ascii", "replace") if quote else None


def _summary_of(line: bytes) -> bytes:
    return line[len(_BEGIN) + _DIGITS + len(_SUMMARY) :].partition(_RECORD + b"{")[0]


def _record_of(line: bytes) -> bytes:
    return b"{" + line.partition(_RECORD + b"{")[2][: -len(_END)]


def _write_whole(file: BinaryIO, data: bytes, start: int) -> None:
    """Add data to a file that ends at a place, all of it or nothing."""
    try:
        written = 0
        while written < len(data):
            written += file.write(data[written:])
    except BaseException:
        file.truncate(start)
        raise
