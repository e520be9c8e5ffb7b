"""Many cells: a plan and a finished run that is opened again, beside a tenth of it ten times and the bare reading."""

from __future__ import annotations

import json
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from ctpbench.plugins import load_catalogue
from ctpbench.running.course import skipped
from ctpbench.running.executors.local import LocalExecutor
from ctpbench.running.executors.protocol import Limits
from ctpbench.running.forecast import forecast
from ctpbench.running.options import Options
from ctpbench.running.plan import plan
from ctpbench.running.runner import Runner
from ctpbench.running.store import Store
from ctpbench.suite.load import load_suite

from .contest import Peer, within
from .test_harness import Silent

FAKES = Path(__file__).resolve().parents[1] / "tests" / "fakes"

SUITE = """
datasets: [{{name: toy, noise: {noise}, params: {{test_cases: 1}}}}]
denoisers: [{{name: shrink, grid: {{weight: {weights}}}}}]
metrics: [error]
seeds: {seeds}
"""


@pytest.fixture
def suite(tmp_path, monkeypatch):
    """Return a function that writes a suite of so many rows, at ten noise levels and with ten seeds each."""
    monkeypatch.syspath_prepend(str(FAKES))
    catalogue = load_catalogue([EntryPoint("fakes", "ctpbench_fakes", "ctpbench")])

    def suite(rows: int):
        path = tmp_path / f"suite{rows}.yaml"
        noise = [float(level) for level in range(1, 11)]
        text = SUITE.format(noise=noise, weights=[row / rows for row in range(rows)], seeds=list(range(10)))
        path.write_text(text)
        return partial(load_suite, path, catalogue)

    return suite


def planned(load, store: Store) -> int:
    """Do what `ctpbench plan` does but for printing, and return how many cells are to run."""
    cells = plan(load())
    known = store.summaries([cell.key for cell in cells])
    left = [cell for cell, found in zip(cells, known, strict=True) if found is None]
    return len(forecast(left, store, 1, "cpu", 1).cells)


@pytest.mark.parametrize("who", ["ours", "2,000 cells, ten times"])
def test_plan(contest, suite, tmp_path, who):
    store, few, many = Store(tmp_path / "run"), suite(20), suite(200)
    contest(
        who,
        task="plan",
        size="20,000 cells",
        ours=lambda: planned(many, store),
        peers={"2,000 cells, ten times": Peer(lambda: sum(planned(few, store) for _ in range(10)), within(0, "cells"))},
    )


@pytest.mark.parametrize("who", ["ours", "json.loads of each record"])
def test_reopening(contest, suite, tmp_path, who):
    cells, store = plan(suite(20)()), Store(tmp_path / "run")
    path = store.folder / "records.jsonl"
    with LocalExecutor(Limits(threads=1)) as executor, store.locked():
        for cell in cells:
            store.write_record(skipped(cell, "").model_copy(update={"status": "ok"}))

        def reopened() -> int:
            done = Runner(Store(store.folder), executor, Options(), Silent()).run(cells)
            return sum(known is not None and known.whole for known in done.summaries())

        contest(
            who,
            task="a finished run opened again",
            size="2,000 cells",
            ours=reopened,
            peers={
                "json.loads of each record": Peer(
                    lambda: len([json.loads(line) for line in path.read_bytes().splitlines()]), within(0, "cells")
                )
            },
        )
