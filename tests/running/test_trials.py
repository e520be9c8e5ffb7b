"""The trials of tuning: what is asked for, what is shared, and what failures and stops leave of the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from ctpbench.running.plan import plan
from ctpbench.running.record import ScoreTable, Trial
from ctpbench.running.trials import Trials
from ctpbench.running.work import Item, Outcome, ScoresInfo
from ctpbench.suite.load import load_suite

SUITE = """
datasets: [{name: toy, params: {validation_cases: 6}, noise: [1]}]
denoisers: [{name: NAME, tune: {parameters: {WHAT: VALUES}, metric: error, MORE}}]
metrics: [error]
maps: MAPS
"""
OK = Outcome(status="ok")
WEIGHTS = [0, 0.1, 0.2, 0.4, 0.6, 0.8]


class Cache:
    """Knows some outcomes, and which entries were thrown away."""

    def __init__(self) -> None:
        self.known: dict[str, Outcome] = {}
        self.discarded: list[str] = []

    def outcome(self, stage: str, key: str) -> Outcome | None:
        return self.known.get(key)

    def discard(self, stage: str, key: str) -> None:
        self.discarded.append(key)


class Driven:
    """Trials, driven to their end without a process: `answer` says how a prediction or a score ends."""

    def __init__(self, cell: Any, answer: Callable[..., Any], cache: Cache | None = None) -> None:
        self.cell, self.answer, self.cache = cell, answer, cache or Cache()
        self.items: list[Item] = []
        self.ended: dict[str, Outcome] = {}
        self.made: dict[str, Any] = {}
        names, choices = list(cell.row.tune.parameters), cell.row.tune.parameters.values()
        batch = [dict(zip(names, values, strict=True)) for values in product(*choices)]
        scales = {maps.label: {"cbf": 1.0, "cbv": 1.0} for maps in cell.row.maps}
        trials = Trials(cell, lambda item: self.cache.outcome(*item.id), self.forget, batch, cell.validation, scales)
        steps = trials.steps()
        asked = next(steps, None)
        while asked is not None:
            self.items += asked
            outcomes = [self.cache.known.get(item.key) or self.done(item) for item in asked]
            self.ended |= {item.key: outcome for item, outcome in zip(asked, outcomes, strict=True)}
            try:
                asked = steps.send(outcomes)
            except StopIteration:
                asked = None
        self.found: list[Trial] = trials.found

    def forget(self, item: Item) -> None:
        self.cache.discard(*item.id)

    def done(self, item: Item) -> Outcome:
        task = item.task
        if task.stage == "model":
            return OK
        if task.stage == "prediction":
            self.made[item.key] = task
            return self.answer(task) or OK
        prediction = self.made[item.inputs[f"prediction/{task.cases[0]}"].key]
        of = {**prediction.denoiser.params, "maps": task.maps.label}
        values = [self.answer(task, of, case) for case in task.cases]
        ended = next((value for value in values if isinstance(value, Outcome)), None)
        return ended or scored(values)

    def count(self, stage: str) -> int:
        return sum(item.stage == stage for item in self.items)


def scored(values: list[float | None], **faults: str) -> Outcome:
    table = ScoreTable(
        dims=("case", "map"),
        coords={"map": ["cbf"]},
        values=[[value] for value in values],
        units="1",
        better="lower",
        description="",
    )
    return Outcome(status="ok", info=ScoresInfo(scores={} if faults else {"error": table}, faults=faults))


def parabola(task: Any, of: Any = None, case: str = "") -> Any:
    """Every prediction works; errors are smallest at a weight of 0.2, and differ from case to case."""
    return of and (1 + 40 * abs(of["weight"] - 0.2)) * (1 + int(case[-1]) / 10)


@pytest.fixture
def cell_of(catalogue, write_suite):
    def cell_of(name="shrink", what="weight", values=WEIGHTS, more="stop_early: true", maps="{}") -> Any:
        text = SUITE.replace("NAME", name).replace("WHAT", what).replace("VALUES", json.dumps(values))
        return plan(load_suite(write_suite(text.replace("MORE", more).replace("MAPS", maps)), catalogue))[0]

    return cell_of


def test_the_choice_is_the_same_with_less_work_and_what_was_stopped_says_so(cell_of):
    all_of, some = (Driven(cell_of(more=f"stop_early: {stop}"), parabola) for stop in ("false", "true"))
    assert [trial.value for trial in all_of.found if trial.stopped] == []
    best = min(all_of.found, key=lambda trial: trial.value)
    assert min((trial for trial in some.found if not trial.stopped), key=lambda trial: trial.value) == best
    assert best.value == pytest.approx(1.25)
    assert [trial.scored_on for trial in some.found] == [1, 2, 6, 1, 1, 1]
    assert {trial.cases for trial in some.found} == {6}
    assert all_of.count("prediction") == 6
    last = some.found[-1]
    assert (last.value, last.status, last.so_far) == (None, "ok", pytest.approx(25))
    assert last.message == "stopped after 1 of 6 cases: it could no longer win"
    made = [[item for item in each.items if item.stage == "prediction"] for each in (all_of, some)]
    assert [sum(len(item.task.cases) for item in items) for items in made] == [36, 12]
    assert set(some.cache.discarded) == {item.key for item in made[1]}


def test_a_metric_that_knows_no_best_stops_nothing_nor_does_tpe(cell_of, catalogue, monkeypatch):
    tpe = "search: tpe, trials: 6"
    assert not any(trial.stopped for trial in Driven(cell_of(more=tpe), parabola).found)
    monkeypatch.setattr(catalogue.find("metric", "error"), "best", None)
    assert not any(trial.stopped for trial in Driven(cell_of(), parabola).found)


MAPS = "[{lambda_rel: 0.3}, {lambda_rel: 0.1}]"


def by_maps(task, of=None, case=""):
    return of and parabola(task, of, case) * (1.2 if of["maps"] == "tikhonov 0.1" else 1)


def test_ways_to_compute_maps_share_what_is_denoised(cell_of):
    driven = Driven(cell_of(more="maps: true", maps=MAPS), by_maps)
    predictions = [item for item in driven.items if item.stage == "prediction"]
    assert len(driven.found) == 12
    assert len(predictions) == len({(item.task.denoiser.params["weight"], item.task.cases) for item in predictions})
    assert predictions[0].task.further == (driven.cell.row.maps[1],)
    first = [item for item in driven.items if item.stage == "scores"][:2]
    assert [item.inputs["prediction/validation/0"].file for item in first] == [
        "validation%2F0.npz",
        "1/validation%2F0.npz",
    ]
    best = min((trial for trial in driven.found if not trial.stopped), key=lambda trial: trial.value)
    assert best.parameters == {"weight": 0.2, "maps": "tikhonov 0.3"}
    alone = Driven(cell_of(more="stop_early: false, maps: true", maps=MAPS), by_maps)
    assert best == min(alone.found, key=lambda trial: trial.value)


def test_a_way_that_fails_does_not_fail_those_it_shares_with(cell_of):
    """A prediction by both ways fails; by itself the first one works."""

    def answer(task, of=None, case=""):
        if of is None and any(maps.lambda_rel == 0.1 for maps in (task.maps, *task.further)):
            return Outcome(status="crashed", message="signal 11")
        return by_maps(task, of, case)

    found = Driven(cell_of(values=[0.1, 0.2], more="maps: true", maps=MAPS), answer).found
    assert [(trial.status, trial.message) for trial in found] == [("ok", ""), ("crashed", "signal 11")] * 2
    assert [trial.scored_on for trial in found] == [6, 0, 6, 0]


def test_what_fails_fails_alone_and_says_how(cell_of):
    def answer(task, of=None, case=""):
        if of is None:
            return Outcome(status="timeout", message="too long") if task.denoiser.params["weight"] == 0 else None
        if of["weight"] == 0.1:
            return scored([], error="ZeroDivisionError: on purpose")
        if of["weight"] == 0.4:
            return Outcome(status="out_of_memory", message="too much")
        return None if of["weight"] == 0.6 else 3.0

    found = Driven(cell_of(more="stop_early: false"), answer).found
    assert [(trial.status, trial.message, trial.value) for trial in found] == [
        ("timeout", "too long", None),
        ("error", "error: ZeroDivisionError: on purpose", None),
        ("ok", "", 3.0),
        ("out_of_memory", "too much", None),
        ("error", "error gave no number on the validation split", None),
        ("ok", "", 3.0),
    ]


def test_what_is_scored_in_the_cache_is_neither_fitted_nor_predicted_again(cell_of):
    cell = cell_of("learn", "factor", [0, 0.1])
    first = Driven(cell, lambda task, of=None, case="": of and 1.0)
    assert [first.count(stage) for stage in ("model", "prediction", "scores")] == [2, 2, 2]
    assert {item.task.denoiser.params["factor"] for item in first.items if item.stage == "model"} == {0, 0.1}
    cache = Cache()
    cache.known = {key: outcome for key, outcome in first.ended.items() if outcome.info}
    again = Driven(cell, lambda task, of=None, case="": pytest.fail("asked again"), cache)
    assert again.found == first.found
    assert [again.count(stage) for stage in ("model", "prediction", "scores")] == [0, 0, 2]
