"""What the harness adds to one trivial cell whose data is cached: beside it the bare call, and a bare process."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ctpbench.contract.case import ScoredCase
from ctpbench.plugins import load_catalogue
from ctpbench.running.estimation import answer_of, baseline_subtracted, concentration_maps, estimate
from ctpbench.running.executors.local import LocalExecutor
from ctpbench.running.executors.protocol import Limits
from ctpbench.running.files import load_observation, load_truth
from ctpbench.running.plan import plan
from ctpbench.running.runner import Options, Runner
from ctpbench.running.store import Store
from ctpbench.suite.load import load_suite

from .contest import THREADS, Agreement, Peer

FAKES = Path(__file__).parents[1] / "tests" / "fakes"
SUITE = """
datasets: [{name: toy, noise: [1], params: {test_cases: 1}}]
denoisers: [leave]
metrics: [error]
maps: {scaling: none}
"""


class Silent:
    """Hears nothing of how a run goes."""

    def work_started(self, label): ...
    def work_progress(self, label, fraction, text): ...
    def work_done(self, label, outcome): ...
    def cell_finished(self, record, reused): ...


@pytest.fixture
def cell(tmp_path, monkeypatch):
    """The only cell of a suite of the tests' fake plugin."""
    monkeypatch.syspath_prepend(str(FAKES))
    # A child imports the main module of whoever started it: here that is pytest, for users the ctpbench script.
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE)
    return plan(load_suite(path, load_catalogue([EntryPoint("fakes", "ctpbench_fakes", "ctpbench")])))[0]


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "run")
    with store.locked():
        yield store


def forget(store, cell):
    """Forget the cell's answer and its scores, but neither its data nor its reference."""
    store.forget_records([cell.key])
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
    return float(np.abs(np.array(record.scores["error"].values[0]) / score - 1).max())


@pytest.mark.parametrize("who", ["ours", "bare call", "python -c pass"])
def test_harness(contest, cell, store, context, who):
    with LocalExecutor(Limits(threads=THREADS)) as executor:

        def run():
            (record,) = Runner(store, executor, Options(), Silent()).run([cell])
            assert record.status == "ok", record.message
            return record

        run()
        contest(
            who,
            task="a trivial cell",
            size="10x10x12",
            ours=run,
            peers={
                "bare call": Peer(bare_call(store, cell, context), Agreement(1e-5, "relative", distance)),
                "python -c pass": Peer(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)),
            },
            setup=lambda: forget(store, cell),
        )
