"""A run's folder on disk: cached stages by key, checkpoints of training, one record per finished cell, logs.

Everything is written beside its place and renamed into it, so that killing the runner at any moment leaves
whole entries or none. One runner at a time holds the folder.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

from pydantic import ValidationError

from ctpbench.atomic import write_text
from ctpbench.errors import ResultError
from ctpbench.running.index import Index
from ctpbench.running.record import Record
from ctpbench.running.seals import Entry, checksum, checksums, difference, sealed
from ctpbench.running.work import STAGES, ItemId, Outcome, Stage

INDEX, SUITE, CLAIMS = "cells.json", "suite.lock.yaml", "claims.yaml"


class Store:
    """The folder of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged: dict[str, str] = {}
        """What was found cut short or altered, and counts as missing: what is wrong with it, by its path."""
        self._seals: dict[ItemId, str] = {}  # of the entries that were looked at, empty where one is not sound

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one runner; clear what a killed one left half-written.

        Raises
        ------
        ResultError
            Where another runner holds it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "run.lock").open("a+") as lock:
            if not _taken(lock):
                lock.seek(0)
                holder = lock.read().strip() or "unknown"
                raise ResultError(
                    f"{self.folder}: another run (process {holder}) is writing here; wait for it, or name another --out"
                )
            lock.seek(0)
            lock.truncate()
            lock.write(str(os.getpid()))
            lock.flush()
            shutil.rmtree(self.folder / "tmp", ignore_errors=True)
            (self.folder / "tmp").mkdir()
            try:
                yield
            finally:
                shutil.rmtree(self.folder / "tmp", ignore_errors=True)

    def holder(self) -> str | None:
        """Return the process that is running here now, None where there is none."""
        with suppress(FileNotFoundError, NotADirectoryError), (self.folder / "run.lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return lock.read().strip() or "unknown"
        return None

    # -- cached stages ------------------------------------------------------------------------------------------

    def path(self, stage: Stage, key: str) -> Path:
        """Where the entry of a stage lies, or would lie."""
        return self.folder / "cache" / stage / key

    def outcome(self, stage: Stage, key: str) -> Outcome | None:
        """Return how the cached entry ended, None where there is none that is sound: see `damaged`."""
        return entry.outcome if (entry := self._entry(stage, key)) is not None and self._seal(stage, key) else None

    def files(self, stage: Stage) -> dict[str, dict[str, str]]:
        """Return the checksums of the files of a stage's entries, by key, as they were when they were made."""
        return {key: entry.files for key, entry in self._entries(stage)}

    def made_from(self, stage: Stage) -> dict[str, set[ItemId]]:
        """Return the entries that each entry of a stage was made from, by key."""
        return {
            key: {(cast(Stage, other), of) for other, _, of in (name.partition("/") for name in entry.inputs)}
            for key, entry in self._entries(stage)
        }

    def holds(self, stage: Stage, key: str) -> bool:
        """Whether there is an entry, sound or not."""
        return (self.path(stage, key) / "outcome.json").exists()

    def workspace(self) -> Path:
        """Return a new empty folder on the same file system, for work in progress."""
        return Path(tempfile.mkdtemp(dir=self.folder / "tmp"))

    def commit(
        self, stage: Stage, key: str, made: Path, outcome: Outcome, inputs: Iterable[tuple[Stage, str]] = ()
    ) -> None:
        """Move the folder `made` into the cache as the entry of `key`, made from other entries."""
        used = {f"{other}/{of}": self._seal(other, of) for other, of in inputs}
        entry = Entry(outcome=outcome, files=checksums(made), inputs=used)
        text = entry.model_dump_json().encode()
        (made / "outcome.json").write_bytes(text)
        place = self.path(stage, key)
        self.discard(stage, key)
        place.parent.mkdir(parents=True, exist_ok=True)
        made.rename(place)
        self._seals[stage, key] = checksum(text)

    def discard(self, stage: Stage, key: str) -> None:
        """Forget an entry: renamed away first, so that no half-deleted entry is ever found."""
        self._seals.pop((stage, key), None)
        place = self.path(stage, key)
        if place.exists():
            (self.folder / "tmp").mkdir(exist_ok=True)
            discarded = Path(tempfile.mkdtemp(dir=self.folder / "tmp")) / "entry"
            place.rename(discarded)
            shutil.rmtree(discarded.parent, ignore_errors=True)

    def _entries(self, stage: Stage) -> Iterator[tuple[str, Entry]]:
        """Yield the entries of a stage that can be read, with their keys."""
        for folder in (self.folder / "cache" / stage).glob("*"):
            if (entry := self._entry(stage, folder.name)) is not None:
                yield folder.name, entry

    def forget(self, stage: Stage, key: str) -> None:
        """Discard an entry and all that was made from it."""
        for other in STAGES[STAGES.index(stage) + 1 :]:
            for made, used in self.made_from(other).items():
                if (stage, key) in used:
                    self.forget(other, made)
        self.discard(stage, key)

    def _entry(self, stage: Stage, key: str) -> Entry | None:
        path = self.path(stage, key) / "outcome.json"
        try:
            return Entry.model_validate_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValidationError:
            self._note(path, "cut short, or of another version")
            return None

    def _seal(self, stage: Stage, key: str) -> str:
        """Return the seal of an entry; empty where there is none, or one that is not sound, and all it stands on."""
        if (stage, key) not in self._seals:
            self._seals[stage, key] = self._seal_found(stage, key)
        return self._seals[stage, key]

    def _seal_found(self, stage: Stage, key: str) -> str:
        entry, place = self._entry(stage, key), self.path(stage, key)
        if entry is None:
            return ""
        wrong = difference(place, entry.files)
        for name, seal in entry.inputs.items():
            other, _, of = name.partition("/")
            used = cast(Stage, other), of
            if self._seal(*used) != seal and self.holds(*used):  # one that is gone, as trials are, says nothing
                wrong = wrong or f"made from another {name}"
        if wrong:
            self._note(place, wrong)
            return ""
        return checksum((place / "outcome.json").read_bytes())

    def _note(self, path: Path, wrong: str) -> None:
        self.damaged[path.relative_to(self.folder).as_posix()] = wrong

    def checkpoints(self, key: str) -> Path:
        """Return the folder where the attempts at one piece of work leave what their next one goes on from."""
        folder = self.folder / "checkpoints" / key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    # -- records ------------------------------------------------------------------------------------------------

    def log_path(self, key: str) -> Path:
        """Where a cell's log lies."""
        return self.folder / "logs" / f"{key}.log"

    def record(self, key: str) -> Record | None:
        """Return a finished cell's record, None where there is none that is sound: see `damaged`."""
        path = self.folder / "records" / f"{key}.json"
        try:
            record = Record.model_validate_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValidationError:
            self._note(path, "cut short, or of another version")
            return None
        if record.seal != sealed(record).seal or record.key != key:
            self._note(path, "altered, or of another version")
            return None
        return record

    def forget_record(self, key: str) -> None:
        """Remove a cell's record and log."""
        (self.folder / "records" / f"{key}.json").unlink(missing_ok=True)
        self.log_path(key).unlink(missing_ok=True)

    def write_record(self, record: Record) -> Record:
        """Write a finished cell's record, and return it as it was written, with its seal."""
        written = sealed(record)
        write_text(self.folder / "records" / f"{written.key}.json", written.model_dump_json())
        return written

    def write_plan(self, index: Index, suite: str, claims: str | None = None) -> None:
        """Write what this run consists of: its cells, its suite with all defaults, and the claims that go with it."""
        write_text(self.folder / INDEX, index.model_dump_json(indent=1))
        write_text(self.folder / SUITE, suite)
        if claims is not None:
            write_text(self.folder / CLAIMS, claims)

    def index(self) -> Index:
        """Return what `write_plan` wrote.

        Raises
        ------
        ResultError
            Where the folder holds no run, or one that another version of ctpbench wrote.
        """
        path = self.folder / INDEX
        try:
            return Index.model_validate_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            raise ResultError(
                f"{self.folder}: no run here ({INDEX} missing); name a folder that `ctpbench run` wrote"
            ) from None
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            what = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}".removeprefix(": ")
            raise ResultError(f"{path}: unreadable ({what}); run the suite again, finished cells are kept") from None

    def finished(self) -> list[Record]:
        """Return the records of the run's finished cells, in the suite's order."""
        found = (self.record(cell.key) for cell in self.index().cells)
        return [record for record in found if record is not None]


def _taken(lock: IO[str], attempts: int = 5) -> bool:
    """Take a lock; one who only looks whether there is a runner may hold it for a moment."""
    for attempt in range(attempts):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.1 * (attempt < attempts - 1))
    return False
