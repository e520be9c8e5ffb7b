"""Rows held against each other, patient by patient: differences, their intervals, and which are more than chance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from ctpbench.arrays import Array, Float64, Mask
from ctpbench.contract.better import cost
from ctpbench.contract.components import Better
from ctpbench.outcome.statistics.estimate import Estimate, Interval, check_share, few
from ctpbench.outcome.statistics.intervals import ROUNDING, intervals_of_means, known, why_none
from ctpbench.outcome.statistics.variance import Variance, of_mean, total

_NO_VARIANCE = Variance(np.zeros(()), np.ones(()))


@dataclass(frozen=True)
class Pair:
    """Two rows, and how much better the first is.

    Attributes
    ----------
    first, second : int
        Rows.
    difference : Estimate
        The mean over patients of the second's cost less the first's, in the scores' units: above 0 where the first is
        better.
    p : float or None
        Two-sided p-value of no difference; None where there is no test.
    p_holm : float or None
        The same, adjusted by Holm for all pairs that were tested together.
    """

    first: int
    second: int
    difference: Estimate
    p: float | None
    p_holm: float | None

    def told_apart(self, alpha: float = 0.05) -> bool | None:
        """Whether the adjusted p-value is at most `alpha`; None where there is no test."""
        return None if self.p_holm is None else self.p_holm <= alpha

    def turned(self) -> Pair:
        """Return the pair seen from the second row."""
        seen, ends = self.difference, self.difference.interval
        turned = replace(seen, value=-seen.value, interval=Interval(-ends.high, -ends.low) if ends else None)
        return replace(self, first=self.second, second=self.first, difference=turned)


@dataclass(frozen=True)
class _Samples:
    """The differences of two rows over the patients that both have, (group,), and what their means owe to seeds."""

    differences: Float64
    seeds: Variance
    size: float

    @property
    def reason(self) -> str:
        """Why there is no interval."""
        return few(self.differences.size) or why_none(self.differences, self.size, "difference")


def paired_differences(
    per_group: Array, better: Better, confidence: float = 0.95, seed: int = 0, resamples: int = 2000
) -> tuple[Pair, ...]:
    """Hold every row of a board against every other over the patients that both have.

    The cost of each score is taken first, so that of a score that is best near zero the distances from zero in each
    patient are compared, not those of the means; then the mean over seeds, then the difference. The interval is that
    of `mean_interval`. Where a row has several seeds, the variance of each row's seeds counts, and the difference is
    one of trainings that were not seen; a row of one seed is the model that it is.

    The p-value is that of Student's paired test, with Satterthwaite's degrees of freedom where there are seeds. It
    tests what the interval is of, the mean, and two skewed scores have a difference that is less skewed than either:
    of 15 rows without any difference it finds one in 5% of boards where scores are normal, in 1% where all are
    lognormal. It errs where the differences themselves are skewed: where half of the rows are lognormal it finds one in
    5% to 8% of boards for a shape of 0.5, in 19% to 25% for a shape of 1, be it of 6 patients or of 24. Tests by ranks
    or signs of n patients have no p-value below 2^(1 - n): after Holm over the 105 pairs of 15 rows they could tell
    nothing apart with fewer than 13 patients, and what they test is not the mean. Where all differences are one number,
    Student's test has no variance to go by, and the p-value is that of the sign test, 2^(1 - n), or 1 where that number
    is 0.

    Parameters
    ----------
    per_group : ndarray, (row, group) or (row, seed, group)
        Scores by patient, as `patient_means` returns them. NaN where there is none: of each row, seeds without any are
        left out, and then the patients that lack one in any seed.
    better : {"lower", "higher", "zero"}
        As of the metric.
    confidence : float
        Of the intervals, each for itself.
    seed : int
        Of the generator of resamples.
    resamples : int

    Returns
    -------
    tuple of Pair
        Rows i < j, in order. Neither interval nor p-value of fewer than `LEAST_PATIENTS` shared patients or of an
        infinite score.

    Raises
    ------
    ValueError
        Where the scores have another shape, `confidence` is no share or `better` is none of the three.

    References
    ----------
    S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6 (1979), 65-70.
    """
    check_share("confidence", confidence)
    tables = costs(per_group, better)
    places = list(combinations(range(len(tables)), 2))
    samples = [_samples(tables[i], tables[j]) for i, j in places]
    ends = _intervals(samples, confidence, seed, resamples)
    p_values = np.array([_p_value(one) for one in samples])
    return tuple(
        Pair(i, j, _estimate(one, interval), _number(p), _number(adjusted))
        for (i, j), one, interval, p, adjusted in zip(places, samples, ends, p_values, holm(p_values), strict=True)
    )


def patient_differences(per_group: Array, better: Better) -> Float64:
    """Return how much better the first of two rows is in each patient, whose mean `paired_differences` tests.

    Parameters
    ----------
    per_group : ndarray, (2, group) or (2, seed, group)
        As of `paired_differences`.
    better : {"lower", "higher", "zero"}

    Returns
    -------
    ndarray, (group,), float64
        The second's cost less the first's, means over seeds, in the scores' units. NaN for a patient that either lacks.

    Raises
    ------
    ValueError
        As of `paired_differences`, and where there are not two rows.

    Examples
    --------
    >>> patient_differences(np.array([[1.0, 2.0, np.nan], [1.5, 1.0, 4.0]]), "lower")
    array([ 0.5, -1. ,  nan])
    """
    ours, theirs = two_rows(per_group, better)
    with np.errstate(invalid="ignore"):
        return np.asarray(mean_over_seeds(theirs) - mean_over_seeds(ours))


def holm(p_values: Array) -> Float64:
    """Return p-values adjusted so that those at or below a level err anywhere with at most that probability.

    Parameters
    ----------
    p_values : ndarray, (test,)
        NaN where there was no test; it counts for none and stays NaN.

    References
    ----------
    S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6 (1979), 65-70.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, np.nan, 0.03]))
    array([0.03, 0.06,  nan, 0.06])
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values)[: int((~np.isnan(values)).sum())]
    adjusted = np.full(values.shape, np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(order.size, 0, -1)), 1.0)
    return adjusted


def pair_of(pairs: Iterable[Pair], first: int, second: int) -> Pair:
    """Return the pair of two rows as the first sees it.

    Raises
    ------
    ValueError
        Where there is none.
    """
    for pair in pairs:
        if (pair.first, pair.second) == (first, second):
            return pair
        if (pair.second, pair.first) == (first, second):
            return pair.turned()
    raise ValueError(f"pairs: got none of rows {first} and {second}; allowed: two different rows that were compared")


def equals_of_leader(pairs: Iterable[Pair], leader: int, alpha: float = 0.05) -> tuple[int, ...]:
    """Return the rows that the data do not tell apart from the leader: their adjusted p-value is above `alpha`.

    That is no proof of equality. Rows that could not be tested against the leader are not among them.
    """
    check_share("alpha", alpha)
    theirs = (pair for pair in pairs if leader in (pair.first, pair.second))
    return tuple(sorted(pair.first + pair.second - leader for pair in theirs if pair.told_apart(alpha) is False))


def costs(per_group: Array, better: Better) -> Float64:
    """Return what is to be made small as (row, seed, group), of scores by patient of one seed or several.

    Raises
    ------
    ValueError
        Where the scores have another shape, or `better` is none of the three.
    """
    values = np.asarray(per_group, dtype=np.float64)
    if values.ndim not in (2, 3):
        raise ValueError(f"per_group: got {values.ndim} dimensions; allowed: (row, group) or (row, seed, group)")
    return cost(values if values.ndim == 3 else values[:, None], better)


def two_rows(per_group: Array, better: Better) -> tuple[Float64, Float64]:
    """Return the costs of two rows, each (seed, group); raises as `costs`, and where there are not two."""
    tables = costs(per_group, better)
    if len(tables) != 2:
        raise ValueError(f"per_group: got {len(tables)} rows; allowed: two")
    return tables[0], tables[1]


def mean_over_seeds(table: Float64) -> Float64:
    """Return the mean of each patient's costs, (group,), of (seed, group); NaN where a seed that has any lacks it."""
    seeds, patients = known(table)
    means = np.full(patients.size, np.nan)
    means[patients] = table[np.ix_(seeds, patients)].mean(axis=0)
    return means


def _samples(first: Float64, second: Float64) -> _Samples:
    """Return what two rows' costs, (seed, group), say of their difference."""
    (seeds, patients), (other_seeds, other_patients) = known(first), known(second)
    shared: Mask = patients & other_patients
    ours, theirs = first[np.ix_(seeds, shared)], second[np.ix_(other_seeds, shared)]
    if not shared.any():
        return _Samples(np.empty(0), _NO_VARIANCE, 0.0)
    with np.errstate(invalid="ignore"):
        differences = theirs.mean(axis=0) - ours.mean(axis=0)
    if not np.isfinite(differences).all():
        return _Samples(differences, _NO_VARIANCE, 0.0)
    by_seed = total(of_mean(ours.mean(axis=1)), of_mean(theirs.mean(axis=1)))
    return _Samples(differences, by_seed, float(max(np.abs(ours).max(), np.abs(theirs).max())))


def _intervals(samples: Sequence[_Samples], confidence: float, seed: int, resamples: int) -> list[Interval | None]:
    """Return the interval of each mean difference; those of as many patients are resampled together."""
    found: list[Interval | None] = [None] * len(samples)
    alike: dict[int, list[int]] = {}
    for place, one in enumerate(samples):
        if not one.reason:
            alike.setdefault(one.differences.size, []).append(place)
    for places in alike.values():
        chosen = [samples[place] for place in places]
        by_seed = Variance(np.array([one.seeds.value for one in chosen]), np.array([one.seeds.df for one in chosen]))
        stacked = np.stack([one.differences for one in chosen])
        low, high = intervals_of_means(stacked, by_seed, confidence, seed, resamples)
        for place, *ends in zip(places, low.tolist(), high.tolist(), strict=True):
            found[place] = Interval(*ends)
    return found


def _p_value(one: _Samples) -> float:
    """Return the two-sided p-value of no mean difference, NaN where there is no test."""
    from scipy import stats

    n = one.differences.size
    if few(n) or not np.isfinite(one.differences).all():
        return np.nan
    mean, rounding = abs(float(one.differences.mean())), ROUNDING * one.size
    spread = total(of_mean(one.differences), one.seeds)
    if float(spread.error) > rounding:
        return float(2 * stats.t.sf(mean / spread.error, spread.df))
    return float(2.0 ** (1 - n)) if mean > rounding else 1.0


def _estimate(one: _Samples, interval: Interval | None) -> Estimate:
    n = one.differences.size
    with np.errstate(invalid="ignore"):
        return Estimate(float(one.differences.mean()) if n else np.nan, interval, n, one.reason)


def _number(p: float) -> float | None:
    return None if np.isnan(p) else float(p)
