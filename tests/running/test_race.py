"""Stopping what can no longer win: the winner is who it would have been, and what is saved is what may be saved."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctpbench.contract.better import cost
from ctpbench.running.race import LEAST_PIECES, Race


def patients_of(sizes):
    return [f"p{number}" for number, size in enumerate(sizes) for _ in range(size)]


def run(table, patients, better="lower", best=0.0, like=None, fails=()):
    """Run a race of trials whose scores are (trial, case, number); return it, and its rounds.

    `fails` names trials, and the case on which each fails.
    """
    race = Race(range(len(table)) if like is None else like, patients, better, best)
    rounds = []
    while goals := race.goals():
        rounds.append(goals)
        for trial, goal in goals.items():
            if dict(fails).get(trial, goal) < goal:
                race.drop(trial)
            else:
                race.note(trial, table[trial][race.scored_on(trial) : goal], single=table.shape[2] == 1)
    return race, rounds


def mean(scores, patients):
    """The obvious twin: the mean within each patient, then over patients."""
    means = []
    for patient in dict.fromkeys(patients):
        own = [number for case, whose in zip(scores, patients, strict=True) if whose == patient for number in case]
        known = [number for number in own if np.isfinite(number)]
        means += [np.mean(known)] if known else []
    return np.mean(means) if means else None


def winner(values, better):
    known = [(cost(value, better), trial) for trial, value in enumerate(values) if value is not None]
    return min(known)[1] if known else None


@st.composite
def races(draw):
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=6))
    trials, numbers = draw(st.integers(1, 14)), draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    table = rng.exponential(size=(trials, 1, 1)) ** 2 * rng.exponential(size=(trials, sum(sizes), numbers))
    table = np.round(table, draw(st.integers(0, 3)))  # equals, and perfect ones
    table[rng.random(table.shape) < draw(st.sampled_from([0, 0, 0.3, 0.9]))] = np.nan
    fails = {trial: int(rng.integers(sum(sizes))) for trial in range(trials) if rng.random() < 0.15}
    return table, patients_of(sizes), draw(st.sampled_from(["lower", "higher"])), fails


@given(races())
@settings(max_examples=400, deadline=None)
def test_the_winner_and_its_value_are_those_of_all_trials_on_all_cases(drawn):
    table, patients, better, fails = drawn
    scores, best = (table, 0.0) if better == "lower" else (1 - table, 1.0)
    race, rounds = run(scores, patients, better, best, fails=fails)
    assert len(rounds) <= 6
    expected = [None if i in fails else mean(trial, patients) for i, trial in enumerate(scores)]
    whole = [race.value(i) if race.scored_on(i) == len(patients) else None for i in range(len(scores))]
    assert winner(whole, better) == winner(expected, better)
    assert all(value is None or value == expected[i] for i, value in enumerate(whole))


def test_what_is_far_behind_is_stopped_and_what_is_near_is_not():
    rng = np.random.default_rng(0)
    factors = np.array([1.0, 1.02, 1.5, 2.5, 4.5, 20.0])
    table = (factors[:, None] * rng.uniform(0.9, 1.1, (6, 8)))[..., None]
    race, rounds = run(table, patients_of([1] * 8))
    done = [race.scored_on(trial) for trial in range(6)]
    assert done[:2] == [8, 8]
    assert done[2:] == [6, 4, 2, 1]
    assert rounds[0] == dict.fromkeys(range(6), 1)
    assert len(rounds) == 2
    assert race.value(3) == pytest.approx(table[3, :4].mean())


def test_a_prediction_that_was_wrong_costs_a_round_and_no_winner():
    """On the first case the later winner is last."""
    table = np.full((6, 8, 1), 1.0)
    table[0, 0], table[0, 1:] = 3.0, 0.1
    race, rounds = run(table, patients_of([1] * 8))
    assert race.scored_on(0) == 8
    assert race.value(0) == pytest.approx(3.7 / 8)
    assert len(rounds) <= 4


def test_those_that_share_what_is_denoised_go_on_together():
    table = np.array([1.0, 5.0, 1.1, 5.0, 30.0, 30.0])[:, None, None] * np.ones((6, 8, 1))
    race, rounds = run(table, patients_of([1] * 8), like=["a", "a", "b", "b", "c", "c"])
    assert [race.scored_on(trial) for trial in range(6)] == [8, 8, 8, 8, 1, 1]
    assert all(goals[i] == goals[i + 1] for goals in rounds for i in (0, 2, 4) if i in goals)


@pytest.mark.parametrize(
    ("cases", "trials", "better", "best"),
    [
        (8, 6, "lower", None),
        (8, 6, "zero", 0.0),
        (2, LEAST_PIECES, "lower", 0.0),
        (4, LEAST_PIECES // 4 - 1, "lower", 0.0),
    ],
)
def test_all_is_done_at_once_where_nothing_is_known_or_little_can_be_saved(cases, trials, better, best):
    table = np.geomspace(1, 100, trials)[:, None, None] * np.ones((trials, cases, 1))
    _, rounds = run(table, patients_of([1] * cases), better, best)
    assert rounds == [dict.fromkeys(range(trials), cases)]


def test_where_all_are_alike_the_second_round_is_the_last():
    _, rounds = run(np.ones((6, 8, 1)), patients_of([1] * 8))
    assert rounds == [dict.fromkeys(range(6), 1), dict.fromkeys(range(6), 8)]


def test_a_trial_that_failed_is_out_and_stops_nobody():
    table = np.array([0.0, 1.0, 1.0, 1.0, 1.0, 9.0])[:, None, None] * np.ones((6, 8, 1))
    race, _ = run(table, patients_of([1] * 8), fails={0: 3})
    assert [race.scored_on(trial) for trial in range(6)] == [1, 8, 8, 8, 8, 1]


@pytest.mark.parametrize(
    ("scores", "patients", "expected"),
    [
        ([1, 3, 10], ["a", "a", "b"], 6.0),
        ([1, np.nan, 10], ["a", "a", "b"], 5.5),
        ([np.nan, np.nan, 10], ["a", "a", "b"], 10.0),
        ([np.nan], ["a"], None),
    ],
)
def test_tuning_goes_by_patients_not_by_cases(scores, patients, expected):
    race, _ = run(np.array(scores, dtype=float)[None, :, None], patients)
    assert race.value(0) == expected


def test_a_patient_with_many_cases_counts_once():
    """Perfect on the one case of the first patient, far off on the first of the other's three."""
    table = np.ones((8, 4, 1))
    table[0] = np.array([0.0, 9.0, 0.0, 0.0])[:, None]
    race, _ = run(table, patients_of([1, 3]))
    assert race.scored_on(0) == 4  # 0 and 3: a mean of 1.5 at most, and not 9 / 4
    assert race.value(0) == 1.5
