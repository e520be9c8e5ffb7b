"""The kinds of claim: what a paper may say of methods, and when results bear it out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ctpbench.outcome.claims.claim import (
    DIGITS,
    Answer,
    Claim,
    Labels,
    Percent,
    distinguished,
    percent_of,
    together,
    verdict_of,
)
from ctpbench.outcome.claims.level import Level, Missing
from ctpbench.outcome.claims.sweeps import SweepFlat, SweepWorst
from ctpbench.outcome.scores import rounded

Seconds = Annotated[float, Field(gt=0)]


class Ahead(Claim):
    """Every one of `rows` is better than every one of `of` in every one of `scores`.

    A score that keeps time counts by its mean over time.
    """

    names = {"rows": "row", "of": "row", "scores": "ranking score"}  # noqa: RUF012
    check: Literal["ahead"]
    rows: Labels
    of: Labels
    scores: Labels

    @model_validator(mode="after")
    def _check_apart(self) -> Ahead:
        if both := set(self.rows) & set(self.of):
            raise ValueError(f"no row is ahead of itself; allowed: {', '.join(sorted(both))} in rows or in of")
        return self

    @property
    def paper(self) -> str:
        return f"{', '.join(self.rows)} ahead of {', '.join(self.of)}"

    def answer(self, level: Level) -> Answer:
        margins: list[tuple[float, str]] = []
        missing: dict[str, None] = {}
        for score, row, other in product(self.scores, self.rows, self.of):
            try:
                margins.append(_margin(level, score, row, other))
            except Missing as what:
                missing[str(what)] = None
        failing = [pair for margin, pair in sorted(margins) if not margin > 0]
        total = len(self.scores) * len(self.rows) * len(self.of)
        texts = [f"{len(margins) - len(failing)} of {total} comparisons hold"]
        if failing:
            texts.append(f"not {', '.join(failing)}")
        elif margins:
            texts.append(f"closest {min(margins)[1]}")
        verdict = "undecided" if missing and not failing else verdict_of(not failing)
        return Answer(verdict, "; ".join([*texts, *missing]))


class Gap(Claim):
    """`ahead` is better than `behind` by at most so many percent of the value of `behind`.

    Below 0% it is `behind` that is better, which bears the claim out: papers use it to say how close `behind` comes.
    """

    names = {"ahead": "row", "behind": "row", "at_most_percent": "ranking score"}  # noqa: RUF012
    check: Literal["gap"]
    ahead: str
    behind: str
    at_most_percent: Annotated[dict[str, Percent], Field(min_length=1)]

    @property
    def paper(self) -> str:
        return "at most " + ", ".join(f"{limit:g}% {score}" for score, limit in self.at_most_percent.items())

    def answer(self, level: Level) -> Answer:
        return together(partial(self._gap, level, score, limit) for score, limit in self.at_most_percent.items())

    def _gap(self, level: Level, score: str, limit: float) -> Answer:
        ahead, behind = level.number(self.ahead, score), level.number(self.behind, score)
        percent = percent_of(level.lead(score, ahead, behind), behind)
        first, second = distinguished(ahead, behind)
        ours = f"{percent:.1f}% {score}: {self.ahead} {first} vs {self.behind} {second}"
        return Answer(verdict_of(percent <= limit), ours)


class Limit(Claim):
    """Each of `rows` has a score of at most so much; of a score that is best near zero, its size counts."""

    names = {"rows": "row", "at_most": "score"}  # noqa: RUF012
    check: Literal["limit"]
    rows: Labels
    at_most: Annotated[dict[str, float], Field(min_length=1)]

    @property
    def paper(self) -> str:
        return "at most " + ", ".join(f"{limit:g} {score}" for score, limit in self.at_most.items())

    def answer(self, level: Level) -> Answer:
        return together(partial(self._limit, level, row, *item) for row in self.rows for item in self.at_most.items())

    def _limit(self, level: Level, row: str, score: str, limit: float) -> Answer:
        value = level.number(row, score)
        return Answer(verdict_of(abs(value) <= limit), f"{row} {rounded(value, DIGITS)} {score}")


class Peak(Claim):
    """A score over time, the mean over seeds and cases, is largest within `within_s` of `near_s` for each of `rows`."""

    names = {"rows": "row", "score": "score over time"}  # noqa: RUF012
    check: Literal["peak"]
    rows: Labels
    score: str
    near_s: float
    within_s: Annotated[float, Field(ge=0)]

    @property
    def paper(self) -> str:
        return f"{self.near_s:g} s (± {self.within_s:g} s)"

    def answer(self, level: Level) -> Answer:
        return together(partial(self._peak, level, row) for row in self.rows)

    def _peak(self, level: Level, row: str) -> Answer:
        peak_s = float(level.curve(row, self.score).idxmax("time"))
        return Answer(verdict_of(abs(peak_s - self.near_s) <= self.within_s), f"{row} {peak_s:g} s")


class Time(Claim):
    """A row takes at most so many seconds.

    `inference` is denoising and maps of a case, the median over cases; `training` is fitting, the median over seeds.
    On another kind of device than the paper's, with other parameters than those that decide the time, or where a
    fit was resumed and its time is that of its last part alone, nothing can be said: undecided.
    """

    names = {"row": "row"}  # noqa: RUF012
    check: Literal["time"]
    row: str
    quantity: Literal["inference", "training"]
    at_most_s: Seconds
    device: Literal["cpu", "cuda", "mps"] | None = None
    parameters: dict[str, str | int | float | bool] = Field(default_factory=dict)

    @property
    def paper(self) -> str:
        return f"{self.at_most_s:g} s"

    def answer(self, level: Level) -> Answer:
        seconds = level.number(self.row, {"inference": "total_s", "training": "fit_s"}[self.quantity])
        row = level.row(self.row)
        beside = ", beside other cells" if row["contended"] else ""
        ours = f"{rounded(seconds, DIGITS)} s on {row['hardware']}{beside}"
        unlike = self._unlike(level.facts[self.row])
        if unlike:
            return Answer("undecided", f"{ours}; unlike the paper: {', '.join(unlike)}")
        return Answer(verdict_of(seconds <= self.at_most_s), ours)

    def _unlike(self, facts: Mapping[str, Any]) -> list[str]:
        """Return in what the row was not run as the paper's was."""
        wanted = {**self.parameters, **({"device": self.device} if self.device else {})}
        unlike = [
            f"{name} {facts.get(name)} in place of {value}"
            for name, value in wanted.items()
            if str(facts.get(name)) != str(value)
        ]
        return [
            *unlike,
            *(
                ["training was resumed, its time is of the last part"]
                if self.quantity == "training" and facts["resumed"]
                else []
            ),
        ]


CHECKS: Mapping[str, type[Claim]] = {
    "ahead": Ahead,
    "gap": Gap,
    "limit": Limit,
    "sweep_worst": SweepWorst,
    "sweep_flat": SweepFlat,
    "peak": Peak,
    "time": Time,
}


def _margin(level: Level, score: str, row: str, other: str) -> tuple[float, str]:
    """How far a row is ahead of another, relative to the larger of the two values, and both as text.

    Rounded, so that what differs by the last bits of a mean is a tie on every machine.
    """
    value, others = level.number(row, score), level.number(other, score)
    first, second = distinguished(value, others)
    largest = max(abs(value), abs(others)) or 1.0
    return round(level.lead(score, value, others) / largest, 9), f"{score}: {row} {first} vs {other} {second}"
