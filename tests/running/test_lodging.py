"""The process of metrics goes on from cell to cell; what a method ran in does not, and no failure comes of the past."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from ctpbench.plugins import load_catalogue
from ctpbench.running.executors.local import LocalExecutor
from ctpbench.running.executors.protocol import Limits
from ctpbench.running.options import Options
from ctpbench.running.plan import plan
from ctpbench.running.record import Record
from ctpbench.running.runner import Runner
from ctpbench.running.store import Store
from ctpbench.suite.load import load_suite
from tests.running.here import Listening

SUITE = """
datasets: [{name: toy, noise: [1], params: {test_cases: 1}}]
denoisers: [seen]
metrics: [{name: remembering, params: {later: LATER}}]
seeds: [0, 1, 2, 3]
"""
PLUGINS = [EntryPoint(name, module, "ctpbench") for name, module in (("fakes", "ctpbench_fakes"), ("r", "remembering"))]


@pytest.fixture
def executor():
    with LocalExecutor(Limits(timeout_s=60)) as executor:
        if not executor.hold().namespaces:
            pytest.skip("no namespaces here: nobody knows what a guest leaves running, so none stays")
        yield executor


@pytest.fixture
def run(executor, write_suite, tmp_path):
    """Run four cells, one after the other; return their records."""

    def run(later: str = "well") -> list[Record]:
        suite = load_suite(write_suite(SUITE.replace("LATER", later)), load_catalogue(PLUGINS))
        store = Store(tmp_path / "run")
        with store.locked():
            records = list(Runner(store, executor, Options(), Listening()).run(plan(suite)))
        assert [(record.status, record.faults) for record in records] == [("ok", {})] * 4
        return records

    return run


def scores(records: list[Record]) -> list[float]:
    return [table.values[0] for record in records for table in record.scores.values()]


def test_metrics_score_one_cell_after_the_other_in_one_process(run, executor):
    assert scores(run()) == [1, 2, 3, 4]
    assert sorted(child.keeps for child in executor._children) == ["", "scores"]


def test_no_method_is_run_where_another_cell_was(run):
    first, *others = [record.diagnostics["asked"] for record in run()]
    assert others == [first] * 3


def test_a_method_finds_nothing_of_the_cell_before_where_it_is_at_home(run):
    assert [record.diagnostics["found"] for record in run()] == [[0.0]] * 4


@pytest.mark.parametrize("later", ["raise", "exit"])
def test_what_fails_where_others_were_scored_is_scored_in_a_fresh_process(later, run):
    assert scores(run(later)) == [1, 1, 1, 1]


@pytest.mark.parametrize("later", ["leave", "grow"])
def test_a_process_that_has_left_others_running_or_grown_is_not_kept(later, run):
    assert scores(run(later)) == [1, 2, 1, 2]
