"""What the harness adds to a trivial cell whose data is cached: beside it the bare call, a bare process, benchopt.

A cell is two pieces of work: a prediction in a process of its own, and scores in the one that scored the cell before.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ctpbench.contract.case import ScoredCase
from ctpbench.plugins import load_catalogue
from ctpbench.running.estimation import answer_of, baseline_subtracted, concentration_maps, estimate
from ctpbench.running.executors.local import LocalExecutor
from ctpbench.running.executors.protocol import Ended, Limits
from ctpbench.running.files import load_observation, load_truth
from ctpbench.running.options import Options
from ctpbench.running.plan import plan
from ctpbench.running.runner import Runner
from ctpbench.running.store import Store
from ctpbench.running.work import Assignment
from ctpbench.suite.load import load_suite

from .contest import THREADS, Agreement, Peer

HERE = Path(__file__).parent
AT_ONCE = 20
SUITE = f"""
datasets: [{{name: voxels, noise: [1]}}]
denoisers: [leave]
metrics: [distance]
maps: {{scaling: none}}
seeds: {list(range(AT_ONCE))}
"""
BENCHOPT = os.environ.get("BENCHOPT") or shutil.which("benchopt")
"""The program of this peer, which is no dependency: see README.md."""
BENCHOPT_CELLS = 100
PEER = "benchopt, in process"
BARE = Peer(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True))


class Silent:
    """Hears nothing of how a run goes."""

    def work_started(self, label): ...
    def work_progress(self, label, fraction, text): ...
    def work_done(self, label, outcome): ...
    def cell_finished(self, record, reused): ...


class Noting(LocalExecutor):
    """Keeps what it was given, by stage."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self.given: dict[str, Assignment] = {}

    def submit(self, batch: Sequence[Assignment]) -> None:
        self.given[batch[0].item.stage] = batch[0]
        super().submit(batch)


@pytest.fixture
def cells(tmp_path, monkeypatch):
    """The cells of a suite of the least plugin."""
    monkeypatch.syspath_prepend(str(HERE))
    # A child imports the main module of whoever started it: here that is pytest, for users the ctpbench script.
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE)
    return plan(load_suite(path, load_catalogue([EntryPoint("trivial", "trivial", "ctpbench")])))


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "run")
    with store.locked():
        yield store


@pytest.fixture
def threads() -> int:
    """For each cell at work, as the command shares processors out."""
    return THREADS


@pytest.fixture
def executor(threads) -> Iterator[Noting]:
    with Noting(Limits(threads=threads)) as executor:
        yield executor


@pytest.fixture
def run(store, executor):
    """Run cells, so many at a time; return their records."""

    def run(cells, jobs=1):
        records = list(Runner(store, executor, Options(jobs=jobs), Silent()).run(cells))
        assert [record.status for record in records] == ["ok"] * len(cells), records[0].message
        return records

    return run


def forget(store, cells):
    """Forget the cells' answers and their scores, but neither their data nor their reference."""
    store.forget_records([cell.key for cell in cells])
    for stage in ("prediction", "scores"):
        for entry in (store.cache.folder / stage).glob("*"):
            store.cache.discard(stage, entry.name)


def bare_call(store, cell, context):
    """Return the function that denoises, computes the maps and scores them as the cell does, all in memory."""
    settings, (key,) = cell.row.maps[0], cell.test.keys
    observation = load_observation(store.cache.path("data", key) / "observation.npz")
    clean = load_truth(store.cache.path("data", key) / "truth.npz").frames
    noiseless = concentration_maps(baseline_subtracted(clean, settings), observation, settings)
    denoiser, metric = cell.row.component(), cell.suite.metrics[0].component

    def call() -> np.ndarray:
        maps = estimate(answer_of(denoiser, observation, settings, context), observation, settings).maps
        return metric.score(ScoredCase("", observation, maps, noiseless)).values

    return call


def distance(record, score) -> float:
    return float(np.abs(np.array(record.scores["distance"].values[0]) / score - 1).max())


def forked() -> None:
    """Start a process from the server that has all of it imported, to do nothing, and wait for it."""
    process = multiprocessing.get_context("forkserver").Process(target=os.getpid)
    process.start()
    process.join()


def benchopt(program: str, folder: Path) -> Callable[[], None]:
    """Return the function that has benchopt run its cells, all in one process; its own start is part of it."""
    output = ["--no-plot", "--no-cache", "--output", str(folder / "peer")]
    words = [program, "run", str(HERE / "benchopt_peer"), "-n", "1", "-r", "1", *output]
    return lambda: subprocess.run(words, check=True, capture_output=True, cwd=folder)


@pytest.mark.parametrize("who", ["ours", "bare call", "python -c pass", "fork, all imported"])
def test_a_cell(contest, cells, store, run, context, who):
    cell = cells[0]
    run([cell])
    contest(
        who,
        task="a trivial cell",
        size="10x10x12",
        ours=lambda: run([cell])[0],
        peers={
            "bare call": Peer(bare_call(store, cell, context), Agreement(1e-5, "relative", distance)),
            "python -c pass": BARE,
            "fork, all imported": Peer(forked),
        },
        setup=lambda: forget(store, [cell]),
    )


@pytest.mark.parametrize("threads", [max(1, THREADS // 2)])
@pytest.mark.parametrize("who", ["ours", "python -c pass", PEER])
def test_many_cells(contest, cells, store, run, tmp_path, who):
    peers = {"python -c pass": BARE, **({PEER: Peer(benchopt(BENCHOPT, tmp_path))} if BENCHOPT else {})}
    if who not in ("ours", *peers):
        pytest.skip("benchopt is not installed: see benchmarks/README.md")
    run(cells)
    contest(
        who,
        task="trivial cells, two at a time",
        size="10x10x12",
        ours=lambda: run(cells, jobs=2),
        peers=peers,
        images={"ours": AT_ONCE, PEER: BENCHOPT_CELLS},
        setup=lambda: forget(store, cells),
    )


@pytest.mark.parametrize("who", ["ours", "fork, all imported"])
@pytest.mark.parametrize("stage", ["prediction", "scores"])
def test_a_stage(contest, cells, run, executor, stage, who):
    """One piece of work as the runner hands it to a process, without what the runner does beside it."""
    cell = cells[0]
    run([cell])
    given = executor.given[stage]

    def places() -> None:
        for place in (given.out, given.scratch):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)

    def work() -> None:
        executor.submit([given])
        ended = []
        while executor.running:
            ended += [event.outcome for event in executor.events() if isinstance(event, Ended)]
        assert [outcome.status for outcome in ended] == ["ok"], ended

    peers = {"fork, all imported": Peer(forked)}
    contest(who, task=f"a trivial cell: {stage}", size="10x10x12", ours=work, peers=peers, setup=places)
