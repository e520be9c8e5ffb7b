"""Which trials go on: one that can no longer win is stopped, and the winner is who it would have been.

An error is never below 0, an overlap never above 1. Where a metric says so (`ctpbench.Metric.best`), a trial whose mean
would be worse than another's even if all the cases left were perfect has lost, and need not be scored on them.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from ctpbench.arrays import Float64
from ctpbench.contract.better import cost, least_cost
from ctpbench.contract.components import Better

LEAST_PIECES = 24
"""Of fewer cases to denoise for a choice, all is done at once: each round takes time of its own."""
_WORTH = 0.1
"""Share of what is left that a round more must be expected to save."""
_SURELY = 1e-9
"""By so much of itself a cost must be larger than another, so that rounding decides nothing."""
_ROUNDS = 3
"""After which all that is still in is scored on the rest at once."""
_HOPELESS = 1e9
"""Times as bad as what is perfect."""


def can_stop(sets: int, cases: int, better: Better) -> bool:
    """Whether it is worth it, and right, to stop trials of so many sets of parameters on so many cases.

    Not where scores are to be near zero: those of several cases cancel out.
    """
    return cases > 2 and sets * cases >= LEAST_PIECES and better in ("lower", "higher")


class Race:
    """Trials that are scored on more and more cases, in the order of the cases.

    Parameters
    ----------
    like : sequence
        One a trial: those of equal ones share what is denoised, and go on together.
    patients : sequence of str
        Whose each case is.
    better : {"lower", "higher", "zero"}
    best : float or None
        A value that no score is better than; None where nobody knows, and no trial is stopped.
    """

    def __init__(self, like: Sequence[Hashable], patients: Sequence[str], better: Better, best: float | None) -> None:
        self._like, self._patients, self._better = like, patients, better
        self._scores: list[list[Float64]] = [[] for _ in like]
        self._single = True
        self._in = set(range(len(like)))
        self._round = 0
        self._floor: float | None = None
        if best is not None and can_stop(len(set(like)), len(patients), better):
            self._floor = least_cost(best, better)
        whose = list(dict.fromkeys(patients))
        self._weights = np.array([1 / (len(whose) * patients.count(patient)) for patient in patients])

    def goals(self) -> dict[int, int]:
        """Return up to how many cases each trial that goes on is to be scored next; nothing where all is decided."""
        self._stop_losers()
        running = [trial for trial in sorted(self._in) if self.scored_on(trial) < len(self._patients)]
        goals = dict.fromkeys(running, len(self._patients))
        if running and self._floor is not None:
            self._round += 1
            if self._round == 1:
                goals = dict.fromkeys(running, 1)
            elif self._round <= _ROUNDS:
                goals = self._expected(running)
        together = {self._like[trial]: 0 for trial in running}
        for trial in running:
            together[self._like[trial]] = max(together[self._like[trial]], goals[trial])
        shared = {trial: together[self._like[trial]] for trial in running}
        return {trial: goal for trial, goal in shared.items() if goal > self.scored_on(trial)}

    def note(self, trial: int, scores: Sequence[Float64], *, single: bool) -> None:
        """Note the scores of a trial's next cases, a list of numbers for each; `single`: never more than one each."""
        self._scores[trial] += [each[np.isfinite(each)] for each in scores]
        self._single = self._single and single

    def drop(self, trial: int) -> None:
        """Leave out a trial that failed."""
        self._in.discard(trial)

    def scored_on(self, trial: int) -> int:
        """Return how many cases a trial was scored on."""
        return len(self._scores[trial])

    def value(self, trial: int) -> float | None:
        """Return the mean of what a trial was scored on, within each patient, then over those with a number."""
        means = [own.mean() for own, _ in self._by_patient(trial) if own.size]
        return float(np.mean(means)) if means else None

    # -- what can still be --------------------------------------------------------------------------------------

    def _stop_losers(self) -> None:
        """Leave out the trials that are behind whatever comes. One whole trial is in front: the best of them."""
        whole = [trial for trial in self._in if self.scored_on(trial) == len(self._patients)]
        values = [value for trial in whole if (value := self.value(trial)) is not None]
        if self._floor is None or not values:
            return
        above = min(cost(value, self._better) for value in values) - self._floor
        lost = {trial for trial in self._in.difference(whole) if self._least(trial) > above * (1 + _SURELY)}
        self._in -= lost

    def _least(self, trial: int) -> float:
        """Return what a trial's cost will be at least, above that of a perfect one: as if all cases left were perfect.

        A case may turn out to have no number, which leaves fewer to share the cost: what is left counts in full.
        """
        means = []
        for own, left in self._by_patient(trial):
            if left and not self._single:
                means.append(0.0)  # nobody knows how many numbers the cases left will have
            elif own.size or left:
                means.append(float(self._above(own).sum()) / (own.size + left))
        return float(np.mean(means)) if means else 0.0

    def _above(self, scores: Float64) -> Float64:
        assert self._floor is not None
        costs: Float64 = cost(scores, self._better) - self._floor
        return costs

    def _by_patient(self, trial: int) -> list[tuple[Float64, int]]:
        """Return the numbers of each patient, and how many of its cases are left."""
        scores = self._scores[trial]
        found = []
        for patient in dict.fromkeys(self._patients):
            cases = [i for i, whose in enumerate(self._patients) if whose == patient]
            own = [scores[i] for i in cases if i < len(scores)]
            found.append((np.concatenate(own) if own else np.empty(0), len(cases) - len(own)))
        return found

    # -- what will probably be ----------------------------------------------------------------------------------

    def _expected(self, running: Sequence[int]) -> dict[int, int]:
        """Return after how many cases each will probably have lost: it decides how much is done at once, no more.

        Who has probably lost already waits for the first to be whole, which will tell. Each is taken to be worse than
        the first by the same factor on all cases. Where that saves too little, all go on to the end.
        """
        end = len(self._patients)
        sums = {trial: np.cumsum(self._weighted(trial)) for trial in self._in}
        whole = [trial for trial in self._in if len(sums[trial]) == end and self.value(trial) is not None]
        seen = min(self.scored_on(trial) for trial in whole or running)
        first = min(whole or running, key=lambda trial: float(sums[trial][seen - 1]))
        of_first = sums[first] if whole else np.cumsum(self._weights)  # as if all cases were equally hard
        goals = {}
        for trial in running:
            done, both = self.scored_on(trial), min(self.scored_on(trial), len(sums[first])) - 1
            lost = np.flatnonzero(_ratio(sums[trial][both], sums[first][both]) * of_first > of_first[-1])
            goals[trial] = max(int(lost[0]) + 1, done + bool(whole)) if lost.size else end
        left, saved = (sum(end - past[trial] for trial in running) for past in (self._lengths(), goals))
        return goals if saved >= _WORTH * left else dict.fromkeys(running, end)

    def _weighted(self, trial: int) -> Float64:
        """Return what each case adds to a trial's cost above that of a perfect one."""
        means = [float(self._above(own).mean()) if own.size else 0.0 for own in self._scores[trial]]
        weighted: Float64 = np.array(means, dtype=np.float64) * self._weights[: len(means)]
        return weighted

    def _lengths(self) -> list[int]:
        return [len(scores) for scores in self._scores]


def _ratio(cost: float, of_first: float) -> float:
    """Return how many times as bad one is as the first; where that one is perfect, so is the other or it has lost."""
    if of_first > 0:
        return float(cost / of_first)
    return _HOPELESS if cost > 0 else 1.0
