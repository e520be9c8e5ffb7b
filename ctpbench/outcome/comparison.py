"""One score of one dataset at one noise level: its rows held against each other, patient by patient."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ctpbench.arrays import Float64
from ctpbench.contract.better import cost
from ctpbench.contract.control import NOISELESS, UNFILTERED
from ctpbench.outcome.scores import Score
from ctpbench.outcome.statistics import (
    Estimate,
    Pair,
    Ranking,
    equals_of_leader,
    mean_interval,
    paired_differences,
    rank_intervals,
    smallest_difference,
)


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
        Empty where the results do not say whose each case is.
    values : array, (row, seed, patient)
        NaN where there is none.
    """

    score: Score
    rows: tuple[Row, ...]
    patients: tuple[str, ...]
    values: Float64

    @cached_property
    def means(self) -> tuple[Estimate, ...]:
        """Of each row the mean over patients, with its interval."""
        return tuple(mean_interval(row) for row in self.values)

    @cached_property
    def ranking(self) -> Ranking:
        """The rows' ranks by the mean of their costs, with their intervals."""
        assert self.score.better is not None
        return rank_intervals(self._rivals, self.score.better)

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """Every two rows held against each other, but for the noiseless control, which is nobody's rival."""
        assert self.score.better is not None
        return paired_differences(self._rivals, self.score.better)

    @property
    def _rivals(self) -> Float64:
        control = np.array([row.method == NOISELESS for row in self.rows], dtype=bool)
        return np.where(control[:, None, None], np.nan, self.values)

    @cached_property
    def leader(self) -> int | None:
        """The first row of rank 1; None where none has a rank."""
        return next((i for i, rank in enumerate(self.ranking.rows) if rank is not None and rank.rank == 1), None)

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
        assert self.score.better is not None
        costs = cost(np.array([mean.value for mean in self.means]), self.score.better)
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
        costs = cost(np.nanmean(self.values[[self.leader, min(behind)[1]]], axis=1), self.score.better or "lower")
        differences = costs[1] - costs[0]
        differences = differences[np.isfinite(differences)]
        spread = float(differences.std(ddof=1)) if differences.size > 1 else 0.0
        return smallest_difference(spread, differences.size) if 0 < spread < np.inf else None
