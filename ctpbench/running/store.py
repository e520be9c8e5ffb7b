"""A run's folder on disk: cached stages by key, checkpoints of training, one record per finished cell, logs.

Everything but the records is written beside its place and renamed into it, so that killing the runner at any moment
leaves whole entries or none; to the records a line is added. One runner at a time holds the folder.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from ctpbench.atomic import write_text
from ctpbench.errors import ResultError
from ctpbench.running.cache import Cache
from ctpbench.running.index import Index
from ctpbench.running.record import Record
from ctpbench.running.records import Records
from ctpbench.running.summary import Summary

INDEX, SUITE, CLAIMS = "cells.json", "suite.lock.yaml", "claims.yaml"


class Store:
    """The folder of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged: dict[str, str] = {}
        """What was found cut short or altered, and counts as missing: what is wrong with it, by its path."""
        self.cache = Cache(folder / "cache", folder / "tmp", self._note)
        self._held = False
        self._records = Records(folder, self._note, lambda: not self._held and self.holder() is not None)

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
            self._held = True
            try:
                self._records.take_over()
                yield
            finally:
                with suppress(OSError):  # a full disk has been told of
                    self._records.tidy()
                    self.cache.looks.save()
                self._held = False
                shutil.rmtree(self.folder / "tmp", ignore_errors=True)

    def holder(self) -> str | None:
        """Return the process that is running here now, None where there is none."""
        with suppress(FileNotFoundError, NotADirectoryError), (self.folder / "run.lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return lock.read().strip() or "unknown"
        return None

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
        return next(self._records.records([key]))

    def records(self, keys: Iterable[str]) -> Iterator[Record | None]:
        """Yield the record of each cell as `record` returns it, one at a time in memory."""
        return self._records.records(keys)

    def summaries(self, keys: Iterable[str]) -> Iterator[Summary | None]:
        """Yield the summary of each cell's record, None where there is none that is sound."""
        return self._records.summaries(keys)

    def checks(self, keys: Iterable[str]) -> Iterator[str | None]:
        """Yield what changes with each cell's record, None where there is none that is sound; nothing is parsed."""
        return self._records.checks(keys)

    def forget_records(self, keys: Collection[str]) -> None:
        """Remove cells' records and logs."""
        self._records.forget(keys)
        for key in keys:
            self.log_path(key).unlink(missing_ok=True)

    def write_record(self, record: Record) -> Record:
        """Write a finished cell's record, and return it as it was written, with its seal."""
        return self._records.append(record)

    def write_plan(self, index: Index, suite: str, claims: str | None = None) -> None:
        """Write what this run consists of: its cells, its suite with all defaults, and the claims that go with it."""
        texts = {INDEX: index.model_dump_json(indent=1), SUITE: suite, CLAIMS: claims}
        for name, text in texts.items():
            path = self.folder / name
            if text is not None and not (path.is_file() and path.read_bytes() == text.encode()):
                write_text(path, text)

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

    def finished(self) -> Iterator[Record]:
        """Yield the records of the run's finished cells, in the suite's order."""
        yield from (record for record in self.records([cell.key for cell in self.index().cells]) if record is not None)

    def _note(self, path: Path, wrong: str) -> None:
        self.damaged[path.relative_to(self.folder).as_posix()] = wrong


class Finished:
    """The records of some cells in order: read when they are looked at, and not kept in memory."""

    def __init__(self, store: Store, keys: Sequence[str]) -> None:
        self._store, self._keys = store, keys

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Record]:
        """Yield the records of those that have one."""
        return (record for record in self._store.records(self._keys) if record is not None)

    def summaries(self) -> Iterator[Summary | None]:
        """Yield each cell's summary, None where it has no record that is sound."""
        return self._store.summaries(self._keys)


def _taken(lock: IO[str], attempts: int = 5) -> bool:
    """Take a lock; one who only looks whether there is a runner may hold it for a moment."""
    for attempt in range(attempts):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.1 * (attempt < attempts - 1))
    return False
