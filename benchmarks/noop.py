"""Cells and work that take no time: what is left is the harness."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path

from ctpbench.plugins import Catalogue, load_catalogue
from ctpbench.running.cell import Cell
from ctpbench.running.course import skipped
from ctpbench.running.executors.protocol import Ended
from ctpbench.running.plan import plan
from ctpbench.running.record import Record, ScoreTable
from ctpbench.running.store import Store
from ctpbench.running.work import Assignment, DataInfo, Info, Outcome, PredictionInfo, ReferenceInfo, ScoresInfo
from ctpbench.suite.load import load_suite

FAKES = Path(__file__).resolve().parents[1] / "tests" / "fakes"

SUITE = """
name: many
datasets: [{{name: toy, noise: {noise}, params: {{test_cases: 1}}}}]
denoisers: [{{name: shrink, grid: {{weight: {weights}}}}}]
metrics: [error]
seeds: {seeds}
"""


class Instant:
    """An executor whose work is done as soon as it is asked for: what is left is the driver."""

    slots = None

    def __init__(self) -> None:
        self._given: list[Assignment] = []

    @property
    def running(self) -> int:
        return len(self._given)

    def submit(self, batch: Sequence[Assignment]) -> None:
        self._given += batch

    def events(self, wait_s: float = 0.25) -> Iterator[Ended]:
        given, self._given = self._given, []
        for assignment in given:
            (assignment.out / "observation.npz").write_bytes(b"x")
            yield Ended(assignment, Outcome(status="ok", info=info_of(assignment.item.stage)))


SCORES = {
    "error": ScoreTable(
        dims=("case",), coords={"case": ["test/0"]}, values=[1.0], units="1", better="lower", description=""
    )
}


def info_of(stage: str) -> Info:
    """Return what a piece of work of a stage tells that measured nothing."""
    facts = {"peak_memory_mib": 1.0, "peak_device_memory_mib": None, "device": "cpu", "threads": 1, "hardware": "none"}
    times = {"denoise_s": [0.0], "own_denoise_s": [0.0], "maps_s": [0.0], "diagnostics": {}, "versions": {}}
    match stage:
        case "data":
            return DataInfo()
        case "reference":
            return ReferenceInfo(scale={"cbf": 1.0, "cbv": 1.0})
        case "prediction":
            return PredictionInfo(**facts, **times)
        case _:
            return ScoresInfo(scores=SCORES)


def many(folder: Path, cells: int) -> list[Cell]:
    """Return the plan of so many cells: ten noise levels, ten seeds, and as many methods as it takes."""
    path, rows = folder / "suite.yaml", cells // 100
    noise, weights = [float(level) for level in range(1, 11)], [row / rows for row in range(rows)]
    path.write_text(SUITE.format(noise=noise, weights=weights, seeds=list(range(10))))
    return plan(load_suite(path, fakes()))


def fakes() -> Catalogue:
    return load_catalogue([EntryPoint("fakes", "ctpbench_fakes", "ctpbench")])


def record_of(cell: Cell) -> Record:
    return skipped(cell, "").model_copy(update={"status": "ok", "scores": SCORES})


def recorded(folder: Path, cells: int) -> tuple[list[Cell], Store]:
    """Return cells and a store that holds a record of each."""
    planned, store = many(folder, cells), Store(folder / "run")
    with store.locked():
        for cell in planned:
            store.write_record(record_of(cell))
    return planned, store
