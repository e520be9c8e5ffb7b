"""What a run of very many cells takes beside its cells, each number with no-op cells and in this process.

A measure is a function that makes ready for so many cells and returns what is timed, which returns the file or folder
that it leaves where it leaves any. Processor time counts, of the process that drives; and its largest memory.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from noop import Instant, info_of, many, record_of, recorded
from runs import Silent

from ctpbench.outcome import results
from ctpbench.running.executors.local import LocalExecutor
from ctpbench.running.executors.protocol import Limits
from ctpbench.running.forecast import forecast
from ctpbench.running.options import Options
from ctpbench.running.runner import Runner
from ctpbench.running.shared import SharedCache
from ctpbench.running.store import Store
from ctpbench.running.work import Outcome

MOST_PROCESSES = 200
"""Cells whose pieces are given a process each: more would tell the same."""


def measure_plan(folder: Path, cells: int) -> Callable[[], Any]:
    return lambda: many(folder, cells)


def measure_append(folder: Path, cells: int) -> Callable[[], Any]:
    planned, store = many(folder, cells), Store(folder / "run")

    def append() -> Path:
        with store.locked():
            for cell in planned:
                store.write_record(record_of(cell))
        return store.folder / "records.jsonl"

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
    return lambda: forecast(planned, store, 1, "cpu", 1)


def measure_results(folder: Path, cells: int) -> Callable[[], Any]:
    planned, store = recorded(folder, cells)

    def write() -> Path:
        found = [record for record in store.records([cell.key for cell in planned]) if record is not None]
        results.save(results.build(found, {}), folder / "results.nc")
        return folder / "results.nc"

    return write


def measure_driver(folder: Path, cells: int) -> Callable[[], Any]:
    """The runner with work that is done at once: two pieces a cell, a prediction and its scores."""
    planned, store = many(folder, cells), Store(folder / "run")

    def run() -> Path:
        with store.locked():
            Runner(store, Instant(), Options(jobs=64), Silent()).run(planned)
        return store.folder

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
    return lambda: client.gather(client.map(abs, range(cells)))


MEASURES: dict[str, Callable[[Path, int], Callable[[], Any]]] = {
    name.removeprefix("measure_"): function for name, function in list(globals().items()) if name.startswith("measure_")
}


def size(left: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    return sum(path.stat().st_size for path in (left, *left.rglob("*")) if path.is_file())


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
            "bytes": size(left) if isinstance(left, Path) else None,
            "memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        }
