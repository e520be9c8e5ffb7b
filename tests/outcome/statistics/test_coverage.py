"""An interval of 95% holds the truth in about 95% of studies, and what is not done here holds it in fewer.

A few hundred studies leave a standard error of one or two percent; `coverage` runs more and prints a table.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tests.outcome.statistics import coverage
from tests.outcome.statistics.coverage import covered

Rng = np.random.Generator


@pytest.mark.parametrize(
    ("n", "scores", "least"),
    [
        (8, coverage.normal, 0.91),
        (24, coverage.normal, 0.92),
        (8, coverage.lognormal, 0.88),
        (24, coverage.lognormal, 0.9),
    ],
)
def test_the_mean_of_patients_is_held(n, scores, least):
    assert least <= covered(0.0, partial(coverage.patients, scores=scores, n=n), 300).share <= 0.985


def test_at_its_nominal_level_bca_would_hold_less_of_few_patients():
    ours, plain = (
        covered(0.0, partial(study, scores=coverage.normal, n=8), 400)
        for study in (coverage.patients, coverage.plain_bca)
    )
    assert plain.share < 0.9
    assert ours.share > plain.share + 0.03


@pytest.mark.parametrize("n", [8, 24])
def test_slices_are_no_patients(n):
    assert covered(0.0, partial(coverage.slices, n=n, by_patient=True), 200).share >= 0.9
    assert covered(0.0, partial(coverage.slices, n=n, by_patient=False), 100).share < 0.7


@pytest.mark.parametrize("n", [8, 24])
@pytest.mark.parametrize(("seeds", "of_seeds"), [(3, 0.0), (3, 0.5), (5, 2.0)])
def test_the_mean_of_trainings_is_held(n, seeds, of_seeds):
    study = partial(coverage.trainings, n=n, seeds=seeds, of_seeds=of_seeds)
    assert 0.9 <= covered(0.0, study, 200).share <= 0.99


def test_seeds_averaged_first_or_resampled_would_hold_less():
    settings = {"n": 24, "seeds": 3, "of_seeds": 2.0}
    assert covered(0.0, partial(coverage.these_models, **settings), 200).share < 0.5
    assert covered(0.0, partial(coverage.resampled_seeds, **settings), 200).share < 0.87


@pytest.mark.parametrize(("seeds", "of_seeds"), [(1, 0.0), (3, 0.5)])
def test_the_difference_of_rows_is_held(seeds, of_seeds):
    study = partial(coverage.pair, n=8, seeds=seeds, of_seeds=of_seeds)
    assert 0.9 <= covered(0.0, study, 300).share <= 0.98


@pytest.mark.parametrize("board", [Rng.normal, Rng.lognormal])
def test_of_equal_rows_few_boards_find_a_difference(board):
    def equal(rng, shape):
        return board(rng, size=shape)

    assert coverage.false_alarms(equal, (6, 8), 120) <= 0.1


def test_ranks_are_held():
    assert coverage.ranks_held(24, 0.1, 40) > 0.9


@pytest.mark.parametrize(
    ("truth", "study"),
    [
        (0.0, coverage.bias),
        (1.959964, coverage.limit),
        (0.7, coverage.icc),
        (0.28 / 0.48, coverage.kappa),
    ],
)
def test_agreement_is_held(truth, study):
    assert 0.91 <= covered(truth, partial(study, n=24), 300).share <= 0.98
