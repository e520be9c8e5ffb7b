"""The runner and the courses of its cells, with all stages in this process: what is asked for, kept, done again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import xarray as xr

from ctpbench import Metric
from ctpbench.errors import InputError
from ctpbench.running import runner
from ctpbench.running.executors.protocol import Workers
from ctpbench.running.options import Options
from ctpbench.running.plan import plan
from ctpbench.running.record import Record
from ctpbench.running.runner import Runner
from ctpbench.running.store import Store
from ctpbench.running.work import Item
from ctpbench.suite.entries import MetricEntry
from ctpbench.suite.load import load_suite
from tests.running.here import Here, Listening


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

    def run(
        text: str, *more: Metric, here: Here | None = None, **options
    ) -> tuple[dict[str, Record], dict[str, bool], list[Item]]:
        suite = load_suite(write_suite(text), catalogue)
        extra = tuple(MetricEntry(metric.name, metric.name, metric) for metric in more)
        cells = plan(replace(suite, metrics=suite.metrics + extra))
        here, listening, store = here or Here(), Listening(), Store(tmp_path / "run")
        executor: Workers = here
        with store.locked(), here:
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


@pytest.mark.parametrize(("jobs", "most"), [(100, 3), (2, 2)])
def test_who_places_work_is_given_what_it_takes_and_says_itself_what_ran_beside_it(jobs, most, run):
    here = Here(slots=3)
    text = """
datasets: [{name: toy, noise: [1]}]
denoisers: [{name: leave, grid: {wait_s: [0, 0.001, 0.002, 0.003]}}]
metrics: [error]
"""
    records, _, _ = run(text, here=here, jobs=jobs, serial_timing=True)
    assert here.most == most
    assert {record.timings.contended for record in records.values()} == {False}


MANY = """
datasets: [{name: toy, params: {test_cases: 1, size: 4, frames: 6}, noise: [1, 2, 3]}]
denoisers: [{name: shrink, grid: {weight: [0.1, 0.2, 0.3, 0.4]}}]
metrics: [error]
"""


class Failing(Here):
    """Does its first batch, calls something, and fails."""

    def __init__(self, then=lambda: None) -> None:
        super().__init__()
        self._then = then

    def events(self, wait_s: float = 0.25):
        yield from super().events(wait_s)
        self._then()
        raise InputError("the scheduler is gone")


PLAIN = """
datasets: [{name: toy, params: {test_cases: 1}, noise: [1]}]
denoisers: [leave]
metrics: [error]
"""


def test_what_has_ended_is_kept_where_the_executor_fails_just_then(run):
    with pytest.raises(InputError, match="the scheduler is gone"):
        run(PLAIN, here=Failing())
    _, _, items = run(PLAIN)
    assert [item.stage for item in items] == ["prediction", "reference", "scores"]


def test_nothing_is_kept_that_ended_before_code_was_found_edited(run, tmp_path, monkeypatch):
    looked = []

    def edited():
        looked.append(len(looked))
        return [tmp_path / "edited.py"]

    monkeypatch.setattr(runner, "edited", edited)
    with pytest.raises(InputError, match=r"edited\.py: was edited while the run went on"):
        run(PLAIN, here=Failing(lambda: looked.append("ended")))
    assert looked == ["ended", 1]  # after all had ended
    monkeypatch.undo()
    _, _, items = run(PLAIN)
    assert [item.stage for item in items] == ["data", "prediction", "reference", "scores"]


@pytest.fixture
def counted(monkeypatch):
    """Let three cells be under way at once; return how many were, whenever one was begun, and which ones."""
    from ctpbench.running import runner

    begun: list[tuple[int, str]] = []
    advance = Runner._advance

    def counting(self, key, answers, records):
        if answers is None:
            begun.append((len(self._active), self._active[key].undertaking.key))
        advance(self, key, answers, records)

    monkeypatch.setattr(Runner, "_advance", counting)
    monkeypatch.setattr(runner, "_LEAST_ACTIVE", 3)
    monkeypatch.setattr(runner, "_ACTIVE_A_JOB", 1)
    return begun


def cells_of(text, catalogue, write_suite):
    return plan(load_suite(write_suite(text), catalogue))


def carried_out(cells, folder, **options):
    here, store = Here(), Store(folder)
    with store.locked(), here:
        return Runner(store, here, Options(**options), Listening()).run(cells), here.items


def test_few_cells_are_under_way_at_once_and_each_level_has_its_data_early(counted, catalogue, write_suite, tmp_path):
    cells = cells_of(MANY, catalogue, write_suite)
    records, items = carried_out(cells, tmp_path / "run")
    assert [(record.key, record.status) for record in records] == [(cell.key, "ok") for cell in cells]
    assert len(records) == len(counted) == 12
    assert max(active for active, _ in counted) == 3
    assert [key for _, key in counted[:3]] == [cells[place].key for place in (0, 4, 8)]
    assert [item.stage for item in items[:3]] == ["data"] * 3, "all noise levels of a case share a process"


def test_what_is_not_begun_is_skipped_too_where_the_first_failure_ends_a_run(counted, catalogue, write_suite, tmp_path):
    cells = cells_of(MANY.replace("size: 4", "broken_case: test/0, size: 4"), catalogue, write_suite)
    records, _ = carried_out(cells, tmp_path / "run", fail_fast=True)
    assert [record.status for record in records] == ["skipped"] * 12
    assert len(counted) < 12


def test_a_run_keeps_no_record_and_no_course_of_a_cell_that_ended(catalogue, write_suite, tmp_path):
    import gc

    records, _ = carried_out(cells_of(MANY, catalogue, write_suite), tmp_path / "run")
    gc.collect()
    assert not [each for each in gc.get_objects() if type(each) is Record]
    assert len(list(records)) == 12


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


@pytest.mark.parametrize(("trials", "jobs", "sizes"), [(5, 2, [5]), (20, 1, [20]), (34, 8, [17, 17])])
def test_trials_of_a_cell_share_as_few_processes_as_leaves_none_idle(trials, jobs, sizes, run):
    class Counting(Here):
        def submit(self, batch):
            if batch[0].item.group.endswith(" trials"):
                counted.append(len(batch))
            super().submit(batch)

    counted: list[int] = []
    weights = [round(i / trials, 3) for i in range(trials)]
    run(
        f"""
datasets: [{{name: toy, params: {{size: 4, frames: 6}}, noise: [1]}}]
denoisers: [{{name: shrink, tune: {{parameters: {{weight: {weights}}}, stop_early: false}}}}]
metrics: [error]
""",
        here=Counting(),
        jobs=jobs,
    )
    assert counted == sizes


@pytest.mark.parametrize(("jobs", "others"), [(1, 0), (2, 2)])
def test_whoever_is_free_works_on_while_a_result_is_filed(jobs, others, run, monkeypatch):
    here, seen = Here(), []
    monkeypatch.setattr(Listening, "work_done", lambda self, label, outcome: seen.append(here.running))
    run(
        """
datasets: [{name: toy, noise: [1], params: {test_cases: 1}}]
denoisers: [leave]
metrics: [error]
seeds: [0, 1, 2, 3]
""",
        here=here,
        jobs=jobs,
    )
    assert max(seen) == others
