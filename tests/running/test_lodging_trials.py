"""The process of a cell's trials goes on from round to round; no other cell's work is done in it."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from ctpbench.plugins import load_catalogue
from ctpbench.running.executors.local import LocalExecutor
from ctpbench.running.executors.protocol import Limits
from ctpbench.running.options import Options
from ctpbench.running.plan import plan
from ctpbench.running.runner import Runner
from ctpbench.running.store import Store
from ctpbench.running.work import Outcome, PredictionInfo
from ctpbench.suite.load import load_suite
from tests.running.here import Listening

SUITE = """
datasets: [{name: toy, params: {validation_cases: 4, test_cases: 1, size: 6}, noise: [3]}]
denoisers: [{name: asked, tune: {parameters: {weight: [0, 0.1, 0.5, 0.6, 0.7, 1]}}}]
metrics: [error]
seeds: [0, 1, 2]
"""
TRIALS = 6
PLUGINS = [EntryPoint(name, module, "ctpbench") for name, module in (("fakes", "ctpbench_fakes"), ("asked", "asked"))]


class Hearing(Listening):
    """Notes how often the process of each prediction was asked by its end."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[str, list[float | None]] = {}

    def work_done(self, label: str, outcome: Outcome) -> None:
        if isinstance(outcome.info, PredictionInfo):
            seed = label.partition(", seed ")[2][0]
            self.asked.setdefault(seed, []).append(outcome.info.diagnostics["asked"][-1])


@pytest.mark.parametrize("jobs", [1, 2])
def test_rounds_of_trials_share_a_process_which_no_other_cell_and_no_timed_work_has_seen(
    jobs: int, write_suite, tmp_path
) -> None:
    suite, store, heard = load_suite(write_suite(SUITE), load_catalogue(PLUGINS)), Store(tmp_path / "run"), Hearing()
    with LocalExecutor(Limits(timeout_s=60)) as executor, store.locked():
        if not executor.hold().namespaces:
            pytest.skip("no namespaces here: nobody knows what a guest leaves running, so a worker ends with its batch")
        records = list(Runner(store, executor, Options(jobs=jobs), heard).run(plan(suite)))
        assert len(executor._children) <= 2 * jobs
    assert [(record.status, record.message) for record in records] == [("ok", "")] * 3
    for record in records:
        *trials, last = heard.asked[str(record.seed)]
        assert len(trials) > TRIALS  # more than one round
        assert max(trials) <= sum(trial.scored_on or 0 for trial in record.trials)  # no other cell's
        if jobs == 1:  # with more, a process that waits may be given up for one that works
            assert trials == sorted(trials)
            assert trials[0] == 1
            assert trials[-1] == sum(trial.scored_on or 0 for trial in record.trials)
        assert last == 1 + suite.resources.repeats  # a warm-up, and no trial
