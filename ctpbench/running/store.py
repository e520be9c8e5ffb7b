"""A run's folder on disk: cached stages by key, checkpoints of training, one record per finished cell, logs.

Everything is written beside its place and renamed into it, so that killing the runner at any moment leaves
whole entries or none. One runner at a time holds the folder.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
import xarray as xr

from ctpbench.contract.case import Observation, Truth
from ctpbench.errors import ResultError

Stage = Literal["data", "reference", "model", "prediction", "scores"]
Status = Literal["ok", "error", "timeout", "out_of_memory", "crashed", "invalid_output", "skipped"]


@dataclass(frozen=True)
class Outcome:
    """How one piece of work ended, with what it measured."""

    status: Status
    message: str = ""
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.status == "ok"


class Store:
    """The folder of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

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
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read().strip() or "unknown"
                raise ResultError(
                    f"{self.folder}: another run (process {holder}) is writing here; wait for it, or name another --out"
                ) from None
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
        with suppress(FileNotFoundError), (self.folder / "run.lock").open() as lock:
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
        """Return how the cached entry ended, None where there is none."""
        try:
            return Outcome(**json.loads((self.path(stage, key) / "outcome.json").read_text()))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, TypeError):
            self.discard(stage, key)
            return None

    def workspace(self) -> Path:
        """Return a new empty folder on the same file system, for work in progress."""
        return Path(tempfile.mkdtemp(dir=self.folder / "tmp"))

    def commit(self, stage: Stage, key: str, made: Path, outcome: Outcome) -> None:
        """Move the folder `made` into the cache as the entry of `key`."""
        (made / "outcome.json").write_text(json.dumps(asdict(outcome)))
        place = self.path(stage, key)
        self.discard(stage, key)
        place.parent.mkdir(parents=True, exist_ok=True)
        made.rename(place)

    def discard(self, stage: Stage, key: str) -> None:
        """Forget an entry: renamed away first, so that no half-deleted entry is ever found."""
        place = self.path(stage, key)
        if place.exists():
            (self.folder / "tmp").mkdir(exist_ok=True)
            grave = Path(tempfile.mkdtemp(dir=self.folder / "tmp")) / "entry"
            place.rename(grave)
            shutil.rmtree(grave.parent, ignore_errors=True)

    def checkpoints(self, key: str) -> Path:
        """Return the folder where the attempts at one piece of work leave what their next one goes on from."""
        folder = self.folder / "checkpoints" / key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    # -- records ------------------------------------------------------------------------------------------------

    def log_path(self, key: str) -> Path:
        """Where a cell's log lies."""
        return self.folder / "logs" / f"{key}.log"

    def record(self, key: str) -> dict[str, Any] | None:
        """Return a finished cell's record, None where there is none."""
        try:
            record: dict[str, Any] = json.loads((self.folder / "records" / f"{key}.json").read_text())
        except FileNotFoundError:
            return None
        except ValueError:
            return None  # cut short by a full disk: the cell is simply not finished
        return record

    def write_record(self, record: Mapping[str, Any]) -> None:
        """Write a finished cell's record."""
        write_text(self.folder / "records" / f"{record['key']}.json", json.dumps(record, allow_nan=False))

    def write_index(self, index: Mapping[str, Any]) -> None:
        """Write what this run consists of: its cells in the suite's order and the run's provenance."""
        write_text(self.folder / "cells.json", json.dumps(index, indent=1))

    def index(self) -> dict[str, Any]:
        """Return what `write_index` wrote.

        Raises
        ------
        ResultError
            Where the folder holds no run.
        """
        path = self.folder / "cells.json"
        try:
            index: dict[str, Any] = json.loads(path.read_text())
        except FileNotFoundError:
            raise ResultError(
                f"{self.folder}: no run here (cells.json missing); name a folder that `ctpbench run` wrote"
            ) from None
        except ValueError as error:
            raise ResultError(f"{path}: unreadable ({error}); run the suite again, finished cells are kept") from None
        return index


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Lend a temporary path beside `path` and rename it once it is written: a whole file or none."""
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


def save_observation(observation: Observation, path: Path) -> None:
    """Write an observation as ``.npz``, with its coordinates."""
    _write(observation.frames.to_dataset(name="frames"), path)


def load_observation(path: Path) -> Observation:
    """Read what `save_observation` wrote; its arrays are read-only."""
    frames = _read(path)["frames"]
    for array in (frames, *frames.coords.values()):
        array.values.setflags(write=False)
    return Observation(frames)


def save_truth(truth: Truth, path: Path) -> None:
    """Write a truth as ``.npz``: those of its parts that are known."""
    save_arrays(path, maps=truth.maps, frames=truth.frames, labels=truth.labels, rois=truth.rois)


def load_truth(path: Path) -> Truth:
    """Read what `save_truth` wrote."""
    parts = _read(path)
    return Truth(**{name: parts.get(name) for name in ("maps", "frames", "labels", "rois")})


def save_arrays(path: Path, **arrays: xr.DataArray | None) -> None:
    """Write named arrays as ``.npz``, without the coordinates that the observation already holds."""
    known = {name: array for name, array in arrays.items() if array is not None}
    _write(xr.Dataset({name: a.drop_vars(set(a.coords) - set(a.dims)) for name, a in known.items()}), path)


def load_arrays(path: Path) -> xr.Dataset:
    """Read what `save_arrays` wrote."""
    return _read(path)


def _write(dataset: xr.Dataset, path: Path) -> None:
    """Write a dataset as numpy arrays and a header. NetCDF costs ten times as long, which tuning would pay."""
    variables = {str(name): variable for name, variable in dataset.variables.items()}
    coords = {str(name) for name in dataset.coords}
    header = {name: {"dims": v.dims, "attrs": v.attrs, "coord": name in coords} for name, v in variables.items()}
    arrays: dict[str, Any] = {name: variable.values for name, variable in variables.items()}
    with path.open("wb") as file:
        np.savez(file, header=np.array(json.dumps(header, default=np.ndarray.tolist)), **arrays)


def _read(path: Path) -> xr.Dataset:
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            parts = {name: (about["dims"], file[name], about["attrs"]) for name, about in header.items()}
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise ResultError(f"{path}: unreadable ({error}); delete it and run again") from error
    coords = {name: parts.pop(name) for name, about in header.items() if about["coord"]}
    return xr.Dataset(parts, coords)
