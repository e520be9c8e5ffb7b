"""How sure a board's order is: the ranks of its rows over resampled patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ctpbench.arrays import Array, Float64, Index
from ctpbench.contract.components import Better
from ctpbench.outcome.statistics.estimate import check_share, few
from ctpbench.outcome.statistics.intervals import known
from ctpbench.outcome.statistics.pairs import costs


@dataclass(frozen=True)
class Rank:
    """A row's rank, from 1, and the lowest and highest rank of its interval; both None where none can be had."""

    rank: int
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True)
class Ranking:
    """The ranks of a board's rows.

    Attributes
    ----------
    rows : tuple of Rank or None
        In the order of the rows; None for a row without a value.
    patients : int
        How many patients they go by: those that every ranked row has.
    reason : str
        Why there are no intervals, in a few words; empty where there are.
    """

    rows: tuple[Rank | None, ...]
    patients: int
    reason: str = ""


def rank_intervals(
    per_group: Array, better: Better, confidence: float = 0.95, seed: int = 0, resamples: int = 2000
) -> Ranking:
    """Rank rows by the mean of their costs, and again over resampled patients.

    Every resample draws as many patients as there are, the same for all rows, and for each row with several seeds as
    many of its seeds. The interval holds the ranks between the percentiles, as whole ranks, and the rank itself. Rows
    that tie share the better rank. Of a score that is best near zero, the costs are the distances from zero in each
    patient, as in `paired_differences`.

    Parameters
    ----------
    per_group : ndarray, (row, group) or (row, seed, group)
        Scores by patient, as `patient_means` returns them. NaN where there is none: of each row, seeds without any are
        left out, and then, of all rows that have any value, the patients that any of them lacks.
    better : {"lower", "higher", "zero"}
        As of the metric.
    confidence : float
    seed : int
        Of the generator of resamples.
    resamples : int

    Returns
    -------
    Ranking
        Without intervals where fewer than `LEAST_PATIENTS` patients are shared; without ranks where none is.

    Raises
    ------
    ValueError
        Where the scores have another shape, `confidence` is no share or `better` is none of the three.

    References
    ----------
    M. Wiesenfarth et al., "Methods and open-source toolkit for analyzing and visualizing challenge results", Sci. Rep.
    11 (2021), 2369: bootstrapped ranks, as in challengeR.
    """
    check_share("confidence", confidence)
    tables = dict(enumerate(costs(per_group, better)))
    present = {row: known(table) for row, table in tables.items()}
    ranks: dict[int, Rank | None] = dict.fromkeys(tables)
    with_value = [patients for _, patients in present.values() if patients.any()]
    shared = np.logical_and.reduce(with_value) if with_value else np.zeros(0, dtype=bool)
    patients = int(shared.sum())
    reason = few(patients)
    if not patients:
        return Ranking(tuple(ranks.values()), 0, reason)
    with np.errstate(invalid="ignore"):
        chosen = {row: tables[row][np.ix_(present[row][0], shared)] for row in tables if present[row][1].any()}
        means = {row: float(table.mean()) for row, table in chosen.items()}
    rows = [row for row, mean in means.items() if not np.isnan(mean)]
    whole = _ranks(np.array([means[row] for row in rows])).tolist()
    if reason or not rows:
        ranks |= {row: Rank(rank) for row, rank in zip(rows, whole, strict=True)}
    else:
        ends = _percentiles([chosen[row] for row in rows], confidence, seed, resamples)
        for row, rank, low, high in zip(rows, whole, *ends, strict=True):
            ranks[row] = Rank(rank, min(rank, low), max(rank, high))
    return Ranking(tuple(ranks.values()), patients, reason)


def rank_text(rank: Rank | None) -> str:
    """Return the ranks that a row may have; its rank alone where it has no interval, ``-`` where it has no rank.

    >>> rank_text(Rank(1, 1, 1)), rank_text(Rank(1, 1, 2)), rank_text(Rank(3)), rank_text(None)
    ('1', '1–2', '3', '-')
    """
    if rank is None:
        return "-"
    if rank.low is None or rank.low == rank.high:
        return str(rank.rank)
    return f"{rank.low}–{rank.high}"


def _percentiles(tables: Sequence[Float64], confidence: float, seed: int, resamples: int) -> list[list[int]]:
    """Return the lowest ranks of rows, and the highest, over resamples of their costs, (seed, patient)."""
    rng = np.random.default_rng(seed)
    n = tables[0].shape[1]
    patients = rng.integers(n, size=(resamples, n))
    ranks = _ranks(np.stack([_means(table, patients, rng) for table in tables]))
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    found: list[list[int]] = np.quantile(ranks, ends, axis=1, method="inverted_cdf").astype(int).tolist()
    return found


def _means(table: Float64, patients: Index, rng: np.random.Generator) -> Float64:
    """Return the mean of costs, (seed, patient), over each resample of patients, (resample, patient), and of seeds.

    Each row is summed in one order, so that equal rows tie.
    """
    count = len(table)
    if count == 1:
        return np.asarray(table[0][patients].mean(axis=1))
    seeds = rng.integers(count, size=(len(patients), count))
    return np.asarray(table[seeds[:, :, None], patients[:, None, :]].mean(axis=(1, 2)))


def _ranks(means: Float64) -> Index:
    """Return the ranks of rows, (row,) or (row, resample), from 1; rows that tie share the better rank."""
    return np.asarray(pd.DataFrame(means).rank(method="min"), dtype=np.intp).reshape(means.shape)
