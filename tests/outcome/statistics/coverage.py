"""How often intervals hold the truth, over simulated studies whose truth is known.

The tests run few studies. ``python -m tests.outcome.statistics.coverage 1000 8 24`` runs 1000 of each kind, with 8
patients and with 24, and prints a table.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from ctpbench.outcome.statistics import (
    Estimate,
    bland_altman,
    cohens_kappa,
    intraclass_correlation,
    mean_interval,
    paired_differences,
    patient_means,
    rank_intervals,
    relative_lead,
)
from tests.outcome.statistics import naive

Rng = np.random.Generator
RESAMPLES = 500


class Covered(NamedTuple):
    """The share of intervals that hold the truth, their mean width, and how many there were."""

    share: float
    width: float
    count: int


def covered(truth: float, study: Callable[[Rng], Estimate], studies: int, seed: int = 0) -> Covered:
    """Return how often a study's interval holds the truth; a study without an interval is not counted."""
    rng = np.random.default_rng(seed)
    found = [interval for _ in range(studies) if (interval := study(rng).interval) is not None]
    held = [interval.low <= truth <= interval.high for interval in found]
    return Covered(float(np.mean(held)), float(np.mean([i.high - i.low for i in found])), len(found))


# -- scores of patients; the true mean is 0 ----------------------------------------------------------------------------


def normal(rng: Rng, n: int) -> np.ndarray:
    return rng.normal(size=n)


def lognormal(rng: Rng, n: int, shape: float = 0.5) -> np.ndarray:
    return rng.lognormal(0.0, shape, size=n) - np.exp(shape**2 / 2)


def patients(rng: Rng, scores: Callable[[Rng, int], np.ndarray], n: int) -> Estimate:
    return mean_interval(scores(rng, n), resamples=RESAMPLES)


def plain_bca(rng: Rng, scores: Callable[[Rng, int], np.ndarray], n: int) -> Estimate:
    return naive.plain_bca(scores(rng, n), RESAMPLES)


def slices(rng: Rng, n: int, by_patient: bool, each: int = 6) -> Estimate:
    """Slices of a patient share most of what they are: an intraclass correlation of 0.8."""
    scores = np.repeat(rng.normal(size=n), each) * np.sqrt(0.8) + rng.normal(size=n * each) * np.sqrt(0.2)
    groups = np.repeat(np.arange(n), each) if by_patient else np.arange(n * each)
    return mean_interval(patient_means(scores, groups.tolist()), resamples=RESAMPLES)


def trained(rng: Rng, n: int, seeds: int, of_seeds: float, of_both: float = 0.3) -> np.ndarray:
    """Return (seed, group) scores: patients of deviation 1, seeds and the interaction of so much."""
    by_seed, both = of_seeds * rng.normal(size=(seeds, 1)), of_both * rng.normal(size=(seeds, n))
    return rng.normal(size=n) + by_seed + both


def trainings(rng: Rng, n: int, seeds: int, of_seeds: float) -> Estimate:
    return mean_interval(trained(rng, n, seeds, of_seeds), resamples=RESAMPLES)


def these_models(rng: Rng, n: int, seeds: int, of_seeds: float) -> Estimate:
    """Seeds averaged first, as though no other training were possible."""
    return mean_interval(trained(rng, n, seeds, of_seeds).mean(axis=0), resamples=RESAMPLES)


def resampled_seeds(rng: Rng, n: int, seeds: int, of_seeds: float) -> Estimate:
    return naive.two_level_percentile(trained(rng, n, seeds, of_seeds), RESAMPLES, rng)


# -- pairs, ranks and agreement ----------------------------------------------------------------------------------------


def pair(rng: Rng, n: int, seeds: int, of_seeds: float) -> Estimate:
    """Two trained rows of one true mean on the same patients."""
    same = 3 * rng.normal(size=n)
    rows = np.stack([same + trained(rng, n, seeds, of_seeds) for _ in range(2)])
    return paired_differences(rows, "lower", resamples=RESAMPLES)[0].difference


PERCENT = 10.0


def percent(rng: Rng, n: int) -> Estimate:
    """A row that is better by 10% in the mean, in scores that spread from patient to patient as recorded ones do."""
    others = rng.lognormal(1.5, 0.3, size=n)
    ours = others * (1 - PERCENT / 100) * (1 + 0.1 * rng.normal(size=n))
    return relative_lead(np.stack([ours, others]), "lower", resamples=RESAMPLES)


def false_alarms(board: Callable[[Rng, tuple[int, int]], np.ndarray], shape: tuple[int, int], boards: int) -> float:
    """Return the share of boards of equal rows in which any pair has an adjusted p-value of at most 0.05."""
    rng = np.random.default_rng(0)
    found = [paired_differences(board(rng, shape), "lower", resamples=50) for _ in range(boards)]
    return float(np.mean([any(one.p_holm is not None and one.p_holm <= 0.05 for one in pairs) for pairs in found]))


def half_lognormal(rng: Rng, size: tuple[int, int], shape: float) -> np.ndarray:
    """Half of the rows skewed, of the same mean as the others, which hardly vary."""
    scores = 0.1 * rng.normal(size=size)
    scores[: size[0] // 2] += rng.lognormal(0.0, shape, size=(size[0] // 2, size[1])) - np.exp(shape**2 / 2)
    return scores


def ranks_held(n: int, step: float, boards: int, rows: int = 6) -> float:
    """Return the share of rows whose rank interval holds the true rank, rows `step` deviations apart."""
    rng, true = np.random.default_rng(0), np.arange(rows)
    held = []
    for _ in range(boards):
        scores = step * true[:, None] + 2 * rng.normal(size=n) + rng.normal(size=(rows, n))
        ranking = rank_intervals(scores, "lower", resamples=RESAMPLES)
        held += [rank.low <= place + 1 <= rank.high for place, rank in zip(true, ranking.rows, strict=True)]
    return float(np.mean(held))


def bias(rng: Rng, n: int) -> Estimate:
    return bland_altman(rng.normal(size=n), np.zeros(n)).bias


def limit(rng: Rng, n: int) -> Estimate:
    return bland_altman(rng.normal(size=n), np.zeros(n)).upper


def icc(rng: Rng, n: int, raters: int = 2) -> Estimate:
    """Variances of patients, raters and the rest 0.7, 0.1 and 0.2: an ICC(2,1) of 0.7."""
    parts = np.sqrt([0.7, 0.1, 0.2])
    drawn = rng.normal(size=(n, 1)), rng.normal(size=(1, raters)), rng.normal(size=(n, raters))
    return intraclass_correlation(sum(part * one for part, one in zip(parts, drawn, strict=True)))


def kappa(rng: Rng, n: int) -> Estimate:
    """Both say yes in 0.4 of patients and agree in 0.3 + 0.5: a kappa of (0.8 - 0.52) / 0.48."""
    decided = rng.choice(4, p=[0.5, 0.1, 0.1, 0.3], size=n)
    return cohens_kappa(decided // 2, decided % 2)


def single(n: int) -> Iterator[tuple[str, float, Callable[[Rng], Estimate]]]:
    """Yield kinds of studies of single rows with so many patients: what they are, the truth, how one is drawn."""
    skewed = partial(lognormal, shape=1.0)
    for name, scores in {"normal": normal, "lognormal 0.5": lognormal, "lognormal 1": skewed}.items():
        yield name, 0.0, partial(patients, scores=scores, n=n)
        yield f"{name}, BCa at its nominal level", 0.0, partial(plain_bca, scores=scores, n=n)
    yield "6 slices a patient, by patient", 0.0, partial(slices, n=n, by_patient=True)
    yield "6 slices a patient, as though independent", 0.0, partial(slices, n=n, by_patient=False)
    for seeds, of_seeds in ((2, 0.2), (3, 0.0), (3, 0.2), (3, 0.5), (3, 2.0), (5, 0.5), (5, 2.0)):
        name, settings = f"{seeds} seeds of deviation {of_seeds:g}", {"n": n, "seeds": seeds, "of_seeds": of_seeds}
        yield name, 0.0, partial(trainings, **settings)
        yield f"{name}, seeds resampled", 0.0, partial(resampled_seeds, **settings)
        yield f"{name}, averaged first", 0.0, partial(these_models, **settings)


def double(n: int) -> Iterator[tuple[str, float, Callable[[Rng], Estimate]]]:
    """Yield kinds of studies of two rows or raters with so many patients, as `single` does."""
    for seeds, of_seeds in ((1, 0.0), (3, 0.2), (3, 0.5)):
        name = f"pair of rows, seeds {seeds}, of deviation {of_seeds:g}"
        yield name, 0.0, partial(pair, n=n, seeds=seeds, of_seeds=of_seeds)
    yield "percent of the other row", PERCENT, partial(percent, n=n)
    yield "Bland-Altman bias", 0.0, partial(bias, n=n)
    yield "Bland-Altman limit", 1.959964, partial(limit, n=n)
    yield "ICC(2,1), 2 raters", 0.7, partial(icc, n=n)
    yield "ICC(2,1), 5 raters", 0.7, partial(icc, n=n, raters=5)
    yield "kappa", 0.28 / 0.48, partial(kappa, n=n)


def table(studies: int, n: int) -> Iterator[str]:
    """Yield the lines of a table of everything above."""
    for name, truth, study in (*single(n), *double(n)):
        found = covered(truth, study, studies)
        yield f"{name}: {found.share:.3f} of {found.count}, width {found.width:.2f}"
    boards = {f"half of them lognormal {shape:g}": partial(half_lognormal, shape=shape) for shape in (0.5, 1.0)}
    for name, board in {"normal": Rng.normal, "lognormal 1": Rng.lognormal, **boards}.items():
        share = false_alarms(lambda rng, shape, board=board: board(rng, size=shape), (15, n), studies)
        yield f"15 equal rows, {name}: a difference in {share:.3f} of boards"
    for step in (0.1, 0.5):
        yield f"6 rows {step:g} deviations apart: {ranks_held(n, step, studies):.3f} of ranks held"


if __name__ == "__main__":
    for count in sys.argv[2:]:
        print(f"\n{count} patients", *table(int(sys.argv[1]), int(count)), sep="\n", flush=True)
