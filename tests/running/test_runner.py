"""The runner and the courses of its cells, with all stages in this process: what is asked for, kept, done again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Self

import pytest
import xarray as xr

from ctpbench import Metric
from ctpbench.running.executors.protocol import Began, Ended, Event, Executor
from ctpbench.running.host import Host
from ctpbench.running.hosted import Failed, HostedJob
from ctpbench.running.log import Log
from ctpbench.running.plan import plan
from ctpbench.running.record import Record
from ctpbench.running.runner import Options, Runner
from ctpbench.running.store import Store
from ctpbench.running.work import Assignment, Item, Outcome
from ctpbench.suite.entries import MetricEntry
from ctpbench.suite.load import load_suite


class Here:
    """Works on a batch when it is asked what has happened; keeps all items that it was given."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self._batches: list[Sequence[Assignment]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def running(self) -> int:
        return len(self._batches)

    def submit(self, batch: Sequence[Assignment]) -> None:
        self._batches.append(batch)

    def events(self, wait_s: float = 0.25) -> Iterator[Event]:
        for assignment in self._batches.pop(0):
            self.items.append(assignment.item)
            yield Began(assignment)
            yield Ended(assignment, _done(assignment))

    def close(self) -> None:
        self._batches.clear()


def _done(given: Assignment) -> Outcome:
    places = (given.inputs, given.out, given.scratch, given.checkpoints)
    room = Path(tempfile.mkdtemp(dir=given.out.parent))
    with Host(room, None, {}, "cpu", 1) as host, Log(given.log) as log:
        job = HostedJob(*places, "cpu", 1, lambda fraction, text: None, given.item.key, host, log)
        try:
            stage = import_module(f"ctpbench.running.stages.{given.item.stage}")
            return Outcome(status="ok", info=stage.run(given.item.task, job))
        except Failed as failed:
            return failed.outcome


class Listening:
    """Notes which records were there already."""

    def __init__(self) -> None:
        self.reused: dict[str, bool] = {}

    def work_started(self, label: str) -> None: ...
    def work_progress(self, label: str, fraction: float, text: str) -> None: ...
    def work_done(self, label: str, outcome: Outcome) -> None: ...
    def cell_finished(self, record: Record, reused: bool) -> None:
        self.reused[record.config] = reused


class Flaky(Metric):
    """Needs a file that may not be there."""

    name, version = "flaky", "1"
    better, units = "lower", "1"
    file: Path

    def score(self, case):
        return xr.DataArray(float(self.file.read_text()))


@pytest.fixture
def run(catalogue, write_suite, tmp_path):
    """Run a suite in one folder; return the records by row, which of them were there already, and the items done."""

    def run(text: str, *more: Metric, **options) -> tuple[dict[str, Record], dict[str, bool], list[Item]]:
        suite = load_suite(write_suite(text), catalogue)
        extra = tuple(MetricEntry(metric.name, metric.name, metric) for metric in more)
        cells = plan(replace(suite, metrics=suite.metrics + extra))
        here, listening, store = Here(), Listening(), Store(tmp_path / "run")
        executor: Executor = here
        with store.locked():
            records = Runner(store, executor, Options(**options), listening).run(cells)
        return {record.config: record for record in records}, listening.reused, here.items

    return run


def splits(items: Sequence[Item], stage: str) -> set[str]:
    """Return the splits of the cases that a stage was handed."""
    return {case.partition("/")[0] for item in items if item.stage == stage for case in item.task.cases}


def test_each_split_has_its_own_use(run):
    records, _, items = run("""
datasets: [{name: toy, noise: [1]}]
denoisers: [{name: learn, tune: {parameters: {factor: [0, 0.1]}, metric: error}}]
metrics: [error]
""")
    assert records["learn"].status == "ok"
    assert splits(items, "model") == {"train"}
    tried, kept = ([i for i in items if i.stage == "prediction" and i.alone is alone] for alone in (False, True))
    assert (len(tried), len(kept)) == (2, 1)
    assert (splits(tried, "prediction"), splits(kept, "prediction")) == ({"validation"}, {"test"})
    assert [splits([item], "scores") for item in items if item.stage == "scores"] == [
        *[{"validation"}] * 2,
        {"test"},
    ]


FAILING = """
datasets: [{name: toy, params: {broken_case: CASE}, noise: [1]}]
denoisers: [leave, learn]
metrics: [error]
"""


def test_a_metric_that_failed_is_taken_again_where_it_is_asked_and_nothing_else_is(run, tmp_path):
    text, flaky = FAILING.replace("CASE", "none"), Flaky(file=tmp_path / "score.txt")
    records, _, _ = run(text, flaky)
    assert [(r.status, list(r.faults), r.whole) for r in records.values()] == [("ok", ["flaky"], False)] * 2
    (tmp_path / "score.txt").write_text("3")
    again, reused, items = run(text, flaky)
    assert (again, reused, items) == (records, {"leave": True, "learn": True}, [])
    mended, reused, items = run(text, flaky, rerun_failed=True)
    assert reused == {"leave": False, "learn": False}
    assert {item.stage for item in items} == {"scores"}
    assert all(r.whole and r.scores["flaky"].values == [3, 3] for r in mended.values())
    assert all(mended[name].scores["error"] == records[name].scores["error"] for name in records)


@pytest.mark.parametrize(("case", "torn"), [("test/1", ["leave", "learn"]), ("train/0", ["learn"])])
def test_a_case_that_was_left_out_is_kept_in_mind_and_sought_again_where_it_is_asked(case, torn, run):
    text = FAILING.replace("CASE", case)
    records, _, _ = run(text)
    assert {name: list(record.left_out) for name, record in records.items() if record.left_out} == {
        name: [f"toy, noise 1, {case}"] for name in torn
    }
    assert all(record.status == "ok" and record.whole is (name not in torn) for name, record in records.items())
    _, reused, _ = run(text, rerun_failed=True)
    assert reused == {name: name not in torn for name in records}


@pytest.mark.parametrize(
    ("options", "contended"),
    [({}, {False}), ({"jobs": 2}, {True}), ({"jobs": 2, "serial_timing": True}, {False})],
)
def test_what_is_timed_beside_other_work_says_so(options, contended, run):
    records, _, _ = run(
        """
datasets: [{name: toy, noise: [1]}]
denoisers: [{name: leave, grid: {wait_s: [0, 0.001]}}]
metrics: [error]
""",
        **options,
    )
    assert {record.timings.contended for record in records.values()} == contended


def test_what_tuning_stopped_is_in_the_record_and_the_choice_is_that_of_all_trials(run):
    text = """
datasets: [{name: toy, params: {validation_cases: 4, size: 6}, noise: [3]}]
denoisers: [{name: shrink, tune: {parameters: {weight: [0, 0.1, 0.5, 0.6, 0.7, 1]}, stop_early: STOP}}]
metrics: [error]
"""
    (some,), (whole,) = (run(text.replace("STOP", stop))[0].values() for stop in ("true", "false"))
    assert some.tuned == whole.tuned
    assert some.scores == whole.scores
    stopped = [trial for trial in some.trials if trial.stopped]
    assert stopped
    assert all(trial.value is None and trial.scored_on < trial.cases == 4 for trial in stopped)
    assert all(not trial.stopped and trial.scored_on == 4 for trial in whole.trials)
    values = {trial.parameters["weight"]: trial.value for trial in whole.trials}
    assert all(trial.value in (None, values[trial.parameters["weight"]]) for trial in some.trials)


def test_all_noise_levels_of_a_case_are_loaded_one_after_the_other_whatever_they_are_for(run):
    _, _, items = run("""
datasets: [{name: toy, noise: [1, 2, 3]}]
denoisers: [{name: learn, tune: {parameters: {factor: [0, 0.1]}}}]
metrics: [error]
""")
    loaded = [(item.task.case, item.task.noise) for item in items if item.stage == "data"]
    cases = list(dict.fromkeys(case for case, _ in loaded))
    assert {case.partition("/")[0] for case in cases} == {"test", "validation", "train"}
    assert loaded == [(case, noise) for case in cases for noise in (1, 2, 3)]
