"""What a run of very many cells takes beside its cells, each number with no-op cells and in this process.

A measure is a function that makes ready for so many cells and returns what is timed, which returns the bytes that it
leaves on the disk, or None. Processor time counts, of the process that drives; and its largest memory.
"""

from __future__ import annotations

import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from ctpbench.driving import Drive, drive
from ctpbench.outcome import results
from ctpbench.plugins import Catalogue, load_catalogue
from ctpbench.running.cell import Cell
from ctpbench.running.costs import FILE_NAME
from ctpbench.running.course import skipped
from ctpbench.running.executors.cluster import Request
from ctpbench.running.executors.local import LocalExecutor
from ctpbench.running.executors.protocol import Ended, Limits
from ctpbench.running.forecast import forecast
from ctpbench.running.plan import plan
from ctpbench.running.record import Record, ScoreTable
from ctpbench.running.runner import Options, Runner
from ctpbench.running.shared import SharedCache
from ctpbench.running.store import Store
from ctpbench.running.work import Assignment, DataInfo, Info, Outcome, PredictionInfo, ReferenceInfo, ScoresInfo
from ctpbench.suite.load import load_suite

FAKES = Path(__file__).resolve().parents[1] / "tests" / "fakes"
SLEEPING_CELLS, SLEEP_S = 24, 0.25
MOST_PROCESSES = 200
"""Cells whose pieces are given a process each: more would tell the same."""

SUITE = """
name: many
datasets: [{{name: toy, noise: {noise}, params: {{test_cases: 1}}}}]
denoisers: [{{name: shrink, grid: {{weight: {weights}}}}}]
metrics: [error]
seeds: {seeds}
"""
SLEEPING = """
name: sleeping
datasets: [{{name: toy, noise: [1], params: {{test_cases: 1}}}}]
denoisers: [{{name: leave, params: {{wait_s: {seconds}}}}}]
metrics: [error]
maps: {{scaling: none}}
seeds: {seeds}
resources: {{threads: 1}}
"""


class Silent:
    """Hears when the first piece of work began and the last cell ended."""

    began = ended = 0.0

    def work_started(self, label):
        self.began = self.began or time.monotonic()

    def work_progress(self, label, fraction, text): ...
    def work_done(self, label, outcome): ...
    def cell_finished(self, record, reused):
        self.ended = time.monotonic()


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
            (assignment.out / "made").write_bytes(b"x")
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


# -- what is measured, each of so many cells ----------------------------------------------------------------------


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


def measure_plan(folder: Path, cells: int) -> Callable[[], Any]:
    return lambda: len(many(folder, cells)) and None


def measure_append(folder: Path, cells: int) -> Callable[[], Any]:
    planned, store = many(folder, cells), Store(folder / "run")

    def append() -> int:
        with store.locked():
            for cell in planned:
                store.write_record(record_of(cell))
        return (store.folder / "records.jsonl").stat().st_size

    return append


def measure_reopen(folder: Path, cells: int) -> Callable[[], Any]:
    planned, store = recorded(folder, cells)

    def reopen() -> None:
        again = Store(store.folder)
        with again.locked():
            Runner(again, Instant(), Options(), Silent()).run(planned)

    return reopen


def measure_forecast(folder: Path, cells: int) -> Callable[[], Any]:
    planned, store = many(folder, cells), Store(folder / "run")
    return lambda: len(forecast(planned, store, 1, "cpu", 1).cells) and None


def measure_results(folder: Path, cells: int) -> Callable[[], Any]:
    planned, store = recorded(folder, cells)

    def write() -> int:
        found = [record for record in store.records([cell.key for cell in planned]) if record is not None]
        results.save(results.build(found, {}), folder / "results.nc")
        return (folder / "results.nc").stat().st_size

    return write


def measure_driver(folder: Path, cells: int) -> Callable[[], Any]:
    """The runner with work that is done at once: two pieces a cell, a prediction and its scores."""
    planned, store = many(folder, cells), Store(folder / "run")

    def run() -> int:
        with store.locked():
            Runner(store, Instant(), Options(jobs=64), Silent()).run(planned)
        return sum(path.stat().st_size for path in store.folder.rglob("*") if path.is_file())

    return run


def measure_give(folder: Path, cells: int) -> Callable[[], Any]:
    shared, made = shared_cache(folder)

    def give() -> None:
        for number in range(cells):
            lock = shared.lock("scores", f"{number:064d}")
            shared.put("scores", f"{number:064d}", made, 1.0)
            assert lock is not None
            lock.release()

    return give


def measure_take(folder: Path, cells: int) -> Callable[[], Any]:
    measure_give(folder, cells)()
    shared, _ = shared_cache(folder)

    def take() -> None:
        for number in range(cells):
            into = folder / "taken" / str(number)
            into.mkdir(parents=True)
            assert not shared.place("scores", f"{number:064d}", into)
            shared.note_use("scores", f"{number:064d}")

    return take


def shared_cache(folder: Path) -> tuple[SharedCache, Path]:
    """Return a shared cache, and an entry of a run's own to give to it."""
    store, shared = Store(folder / "run"), SharedCache(folder / "shared")
    shared.prepare()
    (store.folder / "tmp").mkdir(parents=True, exist_ok=True)
    out = store.cache.workspace()
    (out / "made").write_bytes(b"x")
    store.cache.commit("scores", "0" * 64, out, Outcome(status="ok", info=info_of("scores")), set())
    return shared, store.cache.path("scores", "0" * 64)


def measure_processes(folder: Path, cells: int) -> Callable[[], Any]:
    """Cells that do next to nothing, two pieces each, in processes of their own on this machine, two at a time."""
    planned, store = many(folder, cells), Store(folder / "run")

    def run() -> None:
        with LocalExecutor(Limits(threads=1)) as executor, store.locked():
            Runner(store, executor, Options(jobs=2), Silent()).run(planned[:MOST_PROCESSES])

    return run


def measure_dask(folder: Path, cells: int) -> Callable[[], Any]:
    """Calls of a function that does nothing by `distributed` itself, scheduler and client in this process."""
    from distributed import Client, LocalCluster

    client = Client(LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None))
    return lambda: client.gather(client.map(abs, range(cells))) and None


MEASURES: dict[str, Callable[[Path, int], Callable[[], Any]]] = {
    name.removeprefix("measure_"): function for name, function in list(globals().items()) if name.startswith("measure_")
}


def measured(what: str, cells: int) -> dict[str, Any]:
    """Take one number here: processor seconds of this process, wall time, bytes left, memory."""
    with tempfile.TemporaryDirectory() as folder:
        run = MEASURES[what](Path(folder), cells)
        spent, started = time.process_time(), time.perf_counter()
        left = run()
        cpu_s, wall_s = time.process_time() - spent, time.perf_counter() - started
        return {
            "what": what,
            "cells": min(cells, MOST_PROCESSES) if what == "processes" else cells,
            "cpu_s": round(cpu_s, 4),
            "wall_s": round(wall_s, 4),
            "bytes": left,
            "memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        }


# -- runs to hold the simulation against --------------------------------------------------------------------------


def slept(executor: str, workers: int) -> dict[str, Any]:
    """Run cells that sleep, and return what the run took and what its pieces took by the runner's clock."""
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "suite.yaml", Path(folder) / "run"
        path.write_text(SLEEPING.format(seconds=SLEEP_S, seeds=list(range(SLEEPING_CELLS))))
        catalogue, listener = fakes(), Silent()
        request = Request.of_this_machine(workers, 1) if executor == "dask" else None
        asked = Drive(load_suite(path, catalogue), out, options=Options(jobs=workers), cache="none", cluster=request)
        drive(asked, catalogue, lambda cells: nullcontext(listener), say=lambda text: None, finish=lambda store: None)
        costs = [json.loads(line) for line in (out / FILE_NAME).read_text().splitlines()]
    pieces = {
        stage: [cost["seconds"] for cost in costs if cost["stage"] == stage] for stage in ("prediction", "scores")
    }
    return {
        "executor": executor,
        "workers": workers,
        "cells": SLEEPING_CELLS,
        "took_s": round(listener.ended - listener.began, 3),
        "pieces_s": {stage: round(statistics.median(seconds), 4) for stage, seconds in pieces.items()},
    }


# -- what a case of a board takes ---------------------------------------------------------------------------------

BOARD = """
name: board
datasets:
  - name: real_like
    params: {size_px: 192, pixel_mm: 1.15, views: 864, detectors: 320, test_patients: 2}
    noise: [1e5, 2e5]
denoisers: [none, gaussian]
metrics: [rmse, ssim, frame_rmse]
resources: {threads: 1}
"""


def worked() -> list[dict[str, Any]]:
    """Run a little of the board `stroke`, and return what a case took in each stage, by the runner's clock."""
    with tempfile.TemporaryDirectory() as folder:
        path, out, catalogue = Path(folder) / "suite.yaml", Path(folder) / "run", load_catalogue()
        path.write_text(BOARD)
        drive(
            Drive(load_suite(path, catalogue), out, options=Options(jobs=1), cache="none"),
            catalogue,
            lambda cells: nullcontext(Silent()),
            say=lambda text: None,
            finish=lambda store: None,
        )
        costs = [json.loads(line) for line in (out / FILE_NAME).read_text().splitlines()]
    cases = {"data": 1, "reference": 2, "prediction": 2, "scores": 2}
    return [
        {
            "stage": stage,
            "seconds": round(min(cost["seconds"] for cost in costs if cost["stage"] == stage) / each, 3),
            "bytes": round(statistics.median(cost["size"] for cost in costs if cost["stage"] == stage) / each),
        }
        for stage, each in cases.items()
    ]
