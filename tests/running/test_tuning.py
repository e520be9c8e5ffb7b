"""Choosing parameters: what is proposed, what is chosen, when a grid was too narrow."""

from __future__ import annotations

import sys

import pytest

from ctpbench.errors import InputError
from ctpbench.running.record import Trial
from ctpbench.running.tuning import at_edge, best, proposals
from ctpbench.suite.entries import Tune
from ctpbench.suite.sections import Range


def tune(parameters, search="exhaustive", trials=None, seed=0):
    return Tune(parameters, search, trials, "rmse", "cbf", seed)


def drive(search, score):
    """Answer every proposal and return all of them."""
    asked, batch = [], next(search)
    try:
        while True:
            asked += batch
            batch = search.send([Trial(parameters=parameters, value=score(parameters)) for parameters in batch])
    except StopIteration:
        return asked


def test_exhaustive_proposes_every_combination_once():
    asked = drive(proposals(tune({"a": (1, 2), "b": ("x", "y", "z")}), "lower"), lambda p: 0.0)
    assert asked == [{"a": a, "b": b} for a in (1, 2) for b in "xyz"]


def test_tpe_is_the_same_for_the_same_seed_and_learns():
    wanted = tune({"a": Range(low=0.01, high=100, log=True), "b": ("x", "y")}, "tpe", 30)
    first = drive(proposals(wanted, "lower"), lambda p: abs(p["a"] - 3))
    again = drive(proposals(wanted, "lower"), lambda p: abs(p["a"] - 3))
    assert first == again
    assert len(first) == 30
    assert all(0.01 <= p["a"] <= 100 for p in first)
    assert min(abs(p["a"] - 3) for p in first[15:]) < 1


@pytest.mark.parametrize(("better", "winner"), [("lower", -2.0), ("higher", 3.0), ("zero", 0.5)])
def test_tpe_and_best_agree_on_what_is_better(better, winner):
    trials = [Trial(parameters={"a": v}, value=v) for v in (-2.0, 3.0, 0.5, None)]
    assert best(trials, better).value == winner
    asked = drive(proposals(tune({"a": Range(low=-2.0, high=3.0)}, "tpe", 25), better), lambda p: p["a"])
    late = [p["a"] for p in asked[15:]]
    assert abs(sum(late) / len(late) - winner) < 1.5


def test_tpe_goes_on_after_a_failed_trial():
    asked = drive(proposals(tune({"a": Range(low=1, high=9)}, "tpe", 5), "lower"), lambda p: None)
    assert len(asked) == 5
    assert all(isinstance(p["a"], int) for p in asked)


def test_tpe_without_optuna_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match=r"ctpbench\[tpe\]"):
        next(proposals(tune({"a": Range(low=0.0, high=1.0)}, "tpe", 5), "lower"))


def test_the_first_of_equals_wins_and_nothing_where_all_failed():
    assert best([Trial(parameters={"a": a}, value=2.0) for a in (1, 2)], "lower").parameters == {"a": 1}
    assert best([Trial(parameters={"a": 1}, value=None, status="error", message="why")], "lower") is None


def test_an_edge_is_noticed_for_numbers_only():
    wanted = tune({"a": (1, 2, 3), "b": ("x", "y", "z"), "c": (1, 2), "d": Range(low=1.0, high=100.0, log=True)})
    assert at_edge(wanted, {"a": 3, "b": "x", "c": 1, "d": 10.0}) == ["a"]
    assert at_edge(wanted, {"a": 1, "b": "x", "c": 1, "d": 10.0}) == ["a"]
    assert at_edge(wanted, {"a": 2, "b": "x", "c": 1, "d": 99.9}) == ["d"]
