"""One score of one dataset at one noise level: its rows held against each other, patient by patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import xarray as xr

from ctpbench.arrays import Float64, Mask
from ctpbench.contract.better import cost
from ctpbench.contract.components import Better
from ctpbench.contract.control import NOISELESS, UNFILTERED
from ctpbench.errors import InputError, ResultError
from ctpbench.outcome.rows import endings
from ctpbench.outcome.scores import Score, ScoreGrid, score_grids
from ctpbench.outcome.statistics import (
    Estimate,
    Pair,
    Ranking,
    equals_of_leader,
    mean_interval,
    pair_of,
    paired_differences,
    patient_differences,
    rank_intervals,
    relative_lead,
    smallest_difference,
)
from ctpbench.outcome.statistics.intervals import known
from ctpbench.outcome.statistics.pairs import mean_over_seeds
from ctpbench.outcome.tuning import noise_of
from ctpbench.outcome.variables import axis_of
from ctpbench.suite.entries import MAPS
from ctpbench.text import NoiseAxis, did_you_mean, noise_text

Where = tuple[str, float | None]
"""A dataset and a noise level, None where it has none."""

UNKNOWN = "patients unknown"
"""Why there is no interval where results do not say whose each case is."""


@dataclass(frozen=True)
class Row:
    """A row of the board: its label, its method, and how its maps were computed (empty in older results)."""

    label: str
    method: str
    maps: str = ""


@dataclass(frozen=True, eq=False)
class Comparison:
    """The rows of one dataset and noise level by one score.

    Attributes
    ----------
    score : Score
        With a direction.
    rows : tuple of Row
        Those that went well.
    patients : tuple of str
        Empty where the results do not say whose each case is: then all count as one's.
    values : array, (row, seed, patient)
        NaN where there is none.
    axis : NoiseAxis
        What the noise level is.
    """

    score: Score
    rows: tuple[Row, ...]
    patients: tuple[str, ...]
    values: Float64
    axis: NoiseAxis

    @cached_property
    def means(self) -> tuple[Estimate, ...]:
        """Of each row the mean over patients, with its interval."""
        return tuple(self._explained(mean_interval(row)) for row in self.values)

    @cached_property
    def ranking(self) -> Ranking:
        """The rows' ranks by the mean of their costs, with their intervals."""
        return rank_intervals(self._rivals, self._better)

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """Every two rows held against each other, but for the noiseless control, which is nobody's rival."""
        pairs = paired_differences(self._rivals, self._better)
        return tuple(replace(pair, difference=self._explained(pair.difference)) for pair in pairs)

    def place(self, label: str) -> int:
        """Return the place of the row of a label among `rows`.

        Raises
        ------
        KeyError
            Where none that went well is called so.
        """
        return {row.label: place for place, row in enumerate(self.rows)}[label]

    def pair(self, first: int, second: int) -> Pair:
        """Return two rows held against each other alone, the noiseless control too; no other pair adjusts its p."""
        (found,) = paired_differences(self.values[[first, second]], self._better)
        return replace(found, first=first, second=second, difference=self._explained(found.difference))

    def differences(self, first: int, second: int) -> Float64:
        """Return how much better the first row is in each patient, (patient,); NaN in those that either lacks."""
        return patient_differences(self.values[[first, second]], self._better)

    @property
    def scored(self) -> Mask:
        """Which patients any row has a score of, (patient,)."""
        return np.asarray(~np.isnan(self.values).all(axis=(0, 1)))

    def by_patient(self, row: int) -> Float64:
        """Return a row's scores, (patient,): means over seeds, NaN for a patient that it lacks."""
        return mean_over_seeds(self.values[row])

    def lead(self, first: int, second: int) -> Estimate:
        """Return how much better the first row is, in percent of the second's mean."""
        return self._explained(relative_lead(self.values[[first, second]], self._better))

    def _explained(self, estimate: Estimate) -> Estimate:
        return estimate if self.patients or estimate.interval else replace(estimate, reason=UNKNOWN)

    @property
    def _better(self) -> Better:
        assert self.score.better is not None
        return self.score.better

    @property
    def _rivals(self) -> Float64:
        control = np.array([row.method == NOISELESS for row in self.rows], dtype=bool)
        return np.where(control[:, None, None], np.nan, self.values)

    @cached_property
    def leader(self) -> int | None:
        """The first row of rank 1; None where none has a rank."""
        return next((i for i, rank in enumerate(self.ranking.rows) if rank is not None and rank.rank == 1), None)

    @cached_property
    def against_leader(self) -> tuple[Pair, ...]:
        """The leader held against every other row that has patients with it, by how far it leads."""
        if self.leader is None:
            return ()
        others = (row for row in range(len(self.rows)) if row != self.leader)
        pairs = (pair_of(self.pairs, self.leader, row) for row in others)
        shared = [pair for pair in pairs if pair.difference.patients]
        return tuple(sorted(shared, key=lambda pair: pair.difference.value))

    @cached_property
    def equals(self) -> frozenset[int]:
        """The rows that are not told apart from the leader; none where there is no test."""
        if self.leader is None or self.ranking.reason:
            return frozenset()
        return frozenset(equals_of_leader(self.pairs, self.leader)) - {self.leader}

    @cached_property
    def relative(self) -> Float64:
        """Where each row's mean lies between the controls, (row,): 0 as ``none``, 1 as ``noiseless``; NaN without both.

        A row is held against the controls whose maps were computed as its own were, where there are such.
        """
        costs = cost(np.array([mean.value for mean in self.means]), self._better)
        share = np.full(len(self.rows), np.nan)
        for i, row in enumerate(self.rows):
            ends = [self._control(name, row.maps) for name in (UNFILTERED, NOISELESS)]
            if None not in ends:
                worst, best = (costs[end] for end in ends if end is not None)
                share[i] = (worst - costs[i]) / (worst - best) if worst != best else np.nan
        return share

    def _control(self, method: str, maps: str) -> int | None:
        controls = [i for i, row in enumerate(self.rows) if row.method == method]
        alike = [i for i in controls if self.rows[i].maps == maps]
        return next(iter([*alike, *controls]), None)

    @cached_property
    def told_apart(self) -> float | None:
        """The smallest lead that so many patients tell from nothing with a power of 80%; None where there is no test.

        By the spread of the differences between the leader and the row behind it.
        """
        behind = [(rank.rank, i) for i, rank in enumerate(self.ranking.rows) if rank is not None and i != self.leader]
        if self.leader is None or self.ranking.reason or not behind:
            return None
        differences = self.differences(self.leader, min(behind)[1])
        spread = spread_of(differences)
        return smallest_difference(spread, int(np.isfinite(differences).sum())) if spread else None


def comparisons(tree: xr.DataTree, by: str | None = None) -> dict[Where, Comparison]:
    """Return what ranks the rows of each dataset and noise level.

    Parameters
    ----------
    tree : DataTree
        As made by `ctpbench.outcome.results.build`.
    by : str or None
        A score column. None: in each dataset the first score that has a value, if possible one that is no mean over
        time, as in `ctpbench.outcome.leaderboard.leaderboard`.

    Returns
    -------
    dict
        By dataset and noise level (None where there is none), in the order of the results; without datasets in which
        no score has a direction, or none is called so.

    Raises
    ------
    ResultError
        Where no score column is called `by`.
    """
    found: dict[Where, Comparison] = {}
    scores: dict[str, Score] = {}
    for label, node in tree.children.items():
        data = node.to_dataset(inherit=False)
        scored = list(score_grids(data))
        scores |= {grid.score.column: grid.score for grid in scored}
        grid = ranking_grid(scored, by)
        if grid is not None:
            found |= {(str(label), noise): compared for noise, compared in by_level(data, grid).items()}
    check_score(by, scores)
    return found


def levels_of(
    compared: Mapping[Where, Comparison], dataset: str | None, noise: float | None
) -> dict[Where, Comparison]:
    """Return the levels of a dataset, or of all, at a noise level, or at all.

    Raises
    ------
    InputError
        Where there is no such dataset or noise level.
    """
    datasets = list(dict.fromkeys(label for label, _ in compared))
    if dataset is not None and dataset not in datasets:
        near = did_you_mean(dataset, datasets)
        raise InputError(f"--dataset: no dataset {dataset!r} that is ranked{near}; there are: {', '.join(datasets)}")
    here = {where: one for where, one in compared.items() if dataset in (None, where[0])}
    chosen = {where: one for where, one in here.items() if noise in (None, where[1])}
    if here and not chosen:
        levels = dict.fromkeys("none" if level is None else noise_text(level) for _, level in here)
        raise InputError(f"--noise: no noise level {noise_text(noise or 0.0)}; there are: {', '.join(levels)}")
    return chosen


def ranking_grid(scored: Sequence[ScoreGrid], by: str | None) -> ScoreGrid | None:
    """Return the score that ranks a dataset's rows, of those that rank and in which a row has a mean there."""
    scored = [grid for grid in scored if grid.score.ranks and by in (None, grid.score.column)]
    return min((grid for grid in scored if _any_mean(grid)), key=lambda grid: bool(grid.score.over), default=None)


def by_level(data: xr.Dataset, grid: ScoreGrid) -> dict[float | None, Comparison]:
    """Return a score of a dataset's group at each noise level, of the rows that went well; none without a direction."""
    if grid.score.better is None:
        return {}
    maps = data[MAPS].values if MAPS in data else [""] * data.sizes["config"]
    facts = zip(data["config"].values, data["method"].values, maps, strict=True)
    rows, axis = [Row(*map(str, row)) for row in facts], axis_of(data)
    found = {}
    for j, (noise, ended) in enumerate(zip(data["noise"].values, endings(data).T, strict=True)):
        well = [i for i, ending in enumerate(ended) if ending == "ok"]
        compared = Comparison(grid.score, tuple(rows[i] for i in well), grid.patients, grid.values[well, j], axis)
        found[noise_of(noise)] = compared
    return found


def check_score(by: str | None, scores: Mapping[str, Score]) -> None:
    """Raise a `ResultError` where a score to rank by is none of those that are known, or ranks nothing."""
    there_are = [name for name, score in scores.items() if score.ranks]
    if by is not None and by not in there_are:
        fault = f"{by!r} ranks nothing" if by in scores else f"no score {by!r} to rank by{did_you_mean(by, there_are)}"
        raise ResultError(f"{fault}; there are: {', '.join(there_are)}")


def spread_of(differences: Float64) -> float:
    """Return the standard deviation over patients of differences, NaN left out; 0 where none is to be had."""
    finite = differences[np.isfinite(differences)]
    return float(finite.std(ddof=1)) if finite.size > 1 else 0.0


def _any_mean(grid: ScoreGrid) -> bool:
    tables = grid.values.reshape(-1, *grid.values.shape[2:])
    kept = (table[np.ix_(*known(table))] for table in tables)
    return any(part.size and np.isfinite(part).all() for part in kept)
