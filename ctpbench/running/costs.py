"""What pieces of work took, a line each in ``costs.jsonl`` of a run's folder: seconds, memory and bytes.

Later plans are estimated from it. It is in no key and no seal, and stays when the entries that it tells of are freed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ctpbench.running.looks import files_of
from ctpbench.running.record import Plain
from ctpbench.running.work import (
    Assignment,
    DataTask,
    Item,
    Measured,
    ModelTask,
    Outcome,
    PredictionTask,
    ScoresTask,
    Stage,
)
from ctpbench.suite.entries import MAPS

FILE_NAME = "costs.jsonl"


class Cost(Plain):
    """What one piece of work took that ended well.

    Attributes
    ----------
    name : str
        Of the data set or the method, of the metrics together, or of the way that maps are computed.
    params : mapping
        Of the data set or the method; with a prediction's go its maps.
    trial : bool
        Whether it was done for tuning.
    amount : int
        Bytes of the observations that it read; of data, of the one that it made.
    repeats : int
        How often each case was denoised.
    seconds : float
        For which it took one of the places of work, from the start of its process.
    size : int
        Bytes that it left on the disk.
    """

    stage: Stage
    name: str
    params: dict[str, Any]
    trial: bool
    amount: int
    repeats: int
    seconds: float
    size: int
    peak_memory_mib: float | None
    threads: int
    hardware: str


class Ledger:
    """Notes what each piece of work takes on one machine. What cannot be written, as on a full disk, is lost."""

    def __init__(self, folder: Path, threads: int, hardware: str) -> None:
        self._path, self._threads, self._hardware = folder / FILE_NAME, threads, hardware
        self._begun = False

    def note(self, assignment: Assignment, outcome: Outcome, seconds: float) -> None:
        """Note a piece of work, before its entry is moved into the cache. One that failed says nothing of the next."""
        if not outcome.ok:
            return
        item = assignment.item
        name, params, trial, repeats = _described(item)
        read = (path for role, path in assignment.inputs.items() if role.startswith("observation/"))
        seen = [assignment.out / "observation.npz"] if item.stage == "data" else read
        info = outcome.info
        cost = Cost(
            stage=item.stage,
            name=name,
            params=params,
            trial=trial,
            amount=sum(path.stat().st_size for path in seen),
            repeats=repeats,
            seconds=seconds,
            size=sum(size for _, size, *_ in files_of(assignment.out)),
            peak_memory_mib=info.peak_memory_mib if isinstance(info, Measured) else None,
            threads=info.threads if isinstance(info, Measured) else self._threads,
            hardware=info.hardware if isinstance(info, Measured) else self._hardware,
        )
        with suppress(OSError), self._path.open("a+b") as file:
            file.write(b"\n" * self._is_torn() + cost.model_dump_json().encode() + b"\n")

    def _is_torn(self) -> bool:
        """Whether the file ends within a line, as a run that was killed may leave it; looked at once."""
        begun, self._begun = self._begun, True
        return not begun and self._path.stat().st_size > 0 and not self._path.read_bytes().endswith(b"\n")


def read_costs(folder: Path) -> list[Cost]:
    """Return what was noted in a run's folder, without lines that are cut short or of another version."""
    return list(_readable((folder / FILE_NAME).read_bytes().splitlines()) if (folder / FILE_NAME).is_file() else ())


def _readable(lines: Iterable[bytes]) -> Iterator[Cost]:
    for line in lines:
        with suppress(ValidationError):
            yield Cost.model_validate_json(line)


def _described(item: Item) -> tuple[str, dict[str, Any], bool, int]:
    """Return what a piece of work is called, its parameters, whether it is a trial, and how often it is repeated."""
    match item.task:
        case DataTask(dataset=spec):
            return spec.name, spec.params, False, 1
        case ModelTask(denoiser=spec):
            return spec.name, spec.params, False, 1
        case PredictionTask(denoiser=spec, maps=maps, timed=timed, repeats=repeats):
            return spec.name, {**spec.params, MAPS: maps.label}, not timed, repeats if timed else 1
        case ScoresTask(metrics=metrics):
            return scores_name(spec.name for spec in metrics.values()), {}, bool(item.group), 1
        case task:
            return task.maps.label, {}, False, 1


def scores_name(metrics: Iterable[str]) -> str:
    """Return what the work of scoring by some metrics is called."""
    return ", ".join(sorted(metrics))
