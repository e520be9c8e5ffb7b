"""Claims of what tuning's trials show along one parameter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from ctpbench.outcome.claims.claim import DIGITS, Answer, Claim, Percent, percent_of, verdict_of
from ctpbench.outcome.claims.level import Level, Missing, lead
from ctpbench.outcome.scores import rounded

ONE_SCORE = "one score a trial"
"""Why what is said of trials has no interval."""


class Sweep(Claim):
    """What a row's tuning trials show along one parameter: the best over its others, the mean over seeds.

    Trials are scored on the validation split by the metric that tuned, a number each, so they have no interval. `score`
    says which one the claim is about: where tuning went by another nothing can be said, undecided. Left out, it is the
    one that tuned, or the first of the suite where the results do not say what did.
    """

    names = {"row": "row", "parameter": "tuned parameter", "score": "score"}  # noqa: RUF012
    row: str
    parameter: str
    score: str | None = None

    def _at(self, value: float) -> str:
        return f"{self.parameter}={value:g}"

    def _range(self, values: Iterable[float]) -> str:
        low, high = (rounded(value, DIGITS) for value in (min(values), max(values)))
        return low if low == high else f"{low} to {high}"


class SweepWorst(Sweep):
    """The trials at the value `at` are worse than those at every other value of `parameter`."""

    check: Literal["sweep_worst"]
    at: float

    @property
    def paper(self) -> str:
        return f"worst at {self._at(self.at)}"

    def answer(self, level: Level) -> Answer:
        found = level.sweep(self.row, self.parameter, self.score)
        others = [scored for value, scored in found.values.items() if value != self.at]
        if self.at not in found.values or not others:
            where = "any other value" if self.at in found.values else self._at(self.at)
            raise Missing(f"{self.row}: no trial at {where}")
        here = found.values[self.at]
        ours = f"{found.score} on validation: {rounded(here, DIGITS)}, elsewhere {self._range(others)}"
        return Answer(verdict_of(all(lead(found.better, other, here) > 0 for other in others)), ours, ONE_SCORE)


class SweepFlat(Sweep):
    """The trials at `at_or_above` and beyond differ by at most so many percent of the smallest."""

    check: Literal["sweep_flat"]
    at_or_above: float
    at_most_percent: Percent

    @property
    def paper(self) -> str:
        return f"within {self.at_most_percent:g}% from {self._at(self.at_or_above)} on"

    def answer(self, level: Level) -> Answer:
        found = level.sweep(self.row, self.parameter, self.score)
        kept = [scored for value, scored in found.values.items() if value >= self.at_or_above]
        if len(kept) < 2:
            raise Missing(f"{self.row}: {len(kept)} trials from {self._at(self.at_or_above)} on, 2 are needed")
        percent = percent_of(max(kept) - min(kept), min(kept))
        ours = f"{percent:.1f}%: {found.score} on validation {self._range(kept)} at {len(kept)} values"
        return Answer(verdict_of(percent <= self.at_most_percent), ours, ONE_SCORE)
