"""The kinds of claim: what a paper may say of methods, and when results bear it out.

`ahead`, `gap`, `limit` and `peak` are of means over patients and go by their 95% intervals where there are enough
patients, see `ctpbench.outcome.claims.claim`; `sweep_worst`, `sweep_flat` and `time` go by values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from itertools import product
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import Field, model_validator

from ctpbench.outcome.claims.claim import (
    DIGITS,
    Answer,
    Claim,
    Labels,
    Percent,
    Verdict,
    distinguished,
    estimate_text,
    judged,
    overall,
    percent_text,
    together,
    verdict_of,
)
from ctpbench.outcome.claims.level import Level, Missing
from ctpbench.outcome.claims.sweeps import SweepFlat, SweepWorst
from ctpbench.outcome.scores import rounded
from ctpbench.outcome.statistics import Estimate

Seconds = Annotated[float, Field(gt=0)]

_TIE = 1e-9  # of the larger of two values: by less they do not differ


class Ahead(Claim):
    """Every one of `rows` is better than every one of `of` in every one of `scores`.

    Of each comparison the mean difference over the patients that both rows have is held against 0, without adjustment:
    all must lie above it to hold, which chance does no more often than for one of them; but one below it is enough to
    fail, which chance does the more often the more comparisons a claim makes. Without an interval a tie is not ahead. A
    score that keeps time counts by its mean over time.
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
        found: list[_Compared] = []
        missing: dict[str, None] = {}
        for score, row, other in product(self.scores, self.rows, self.of):
            try:
                found.append(_compared(level, score, row, other))
            except Missing as what:
                missing[str(what)] = None
        found.sort(key=lambda one: (one.margin, one.text))
        by_verdict = {verdict: [one.text for one in found if one.verdict == verdict] for verdict in get_args(Verdict)}
        total = len(self.scores) * len(self.rows) * len(self.of)
        texts = [f"{len(by_verdict['holds'])} of {total} comparisons hold"]
        texts += [f"not {', '.join(by_verdict['fails'])}"] if by_verdict["fails"] else []
        texts += [f"undecided {', '.join(by_verdict['undecided'])}"] if by_verdict["undecided"] else []
        texts += [f"closest {found[0].text}"] if found and len(by_verdict["holds"]) == len(found) else []
        lacking: list[tuple[Verdict, str]] = [("undecided", "") for _ in missing]
        verdict, reason = overall([*((one.verdict, one.reason) for one in found), *lacking])
        return Answer(verdict, "; ".join([*texts, *missing]), reason)


class Gap(Claim):
    """`ahead` is better than `behind` by at most so many percent of the value of `behind`.

    Below 0% it is `behind` that is better, which bears the claim out: papers use it to say how close `behind` comes.
    The percent are those of the means over the patients that both rows have.
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
        percent = level.percent(score, self.ahead, self.behind)
        first, second = distinguished(level.number(self.ahead, score), level.number(self.behind, score))
        verdict, reason = judged(percent, at_most=limit)
        ours = f"{percent_text(percent)} {score}: {self.ahead} {first} vs {self.behind} {second}"
        return Answer(verdict, ours, reason)


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
        value = level.estimate(row, score)
        at_least = -limit if level.scores[score].better == "zero" else -math.inf
        verdict, reason = judged(value, at_least, limit)
        return Answer(verdict, f"{row} {estimate_text(value)} {score}", reason)


class Peak(Claim):
    """A score over time is largest within `within_s` of `near_s` for each of `rows`: in a patient, the mean of them."""

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
        peak_s = level.peak_s(row, self.score)
        verdict, reason = judged(peak_s, self.near_s - self.within_s, self.near_s + self.within_s)
        shown = estimate_text(peak_s) if peak_s.interval else f"{peak_s.value:g}"
        return Answer(verdict, f"{row} {shown} s", reason)


class Time(Claim):
    """A row takes at most so many seconds.

    `inference` is denoising and maps of a case, the median over cases; `training` is fitting, the median over seeds.
    They are measured on one machine, and have no interval. On another kind of device than the paper's, with other
    parameters than those that decide the time, or where a fit was resumed and its time is that of its last part alone,
    nothing can be said: undecided.
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
        reused = row["reused" if self.quantity == "inference" else "fit_reused"]
        measured = ", measured by another run" if reused else ""
        ours = f"{rounded(seconds, DIGITS)} s on {row['hardware']}{beside}{measured}"
        unlike = self._unlike(level.facts[self.row])
        if unlike:
            return Answer("undecided", f"{ours}; unlike the paper: {', '.join(unlike)}")
        return Answer(verdict_of(seconds <= self.at_most_s), ours, "a measured time")

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


def _ahead(difference: Estimate, tie: float) -> tuple[Verdict, str]:
    """Hold a difference against 0. What differs by the last bits of a mean, a `tie`, does not on any machine."""
    ends = difference.interval
    if ends and ends.low <= tie and ends.high >= -tie:
        return "undecided", ""
    return judged(difference, at_least=tie)


class _Compared(NamedTuple):
    """One row held against another by one score; `margin` is how far it is ahead, relative to the larger of the two."""

    margin: float
    text: str
    verdict: Verdict
    reason: str


def _compared(level: Level, score: str, row: str, other: str) -> _Compared:
    """Hold a row against another."""
    value, others = level.number(row, score), level.number(other, score)
    difference = level.difference(score, row, other)
    largest = max(abs(value), abs(others)) or 1.0
    verdict, reason = _ahead(difference, _TIE * largest)
    first, second = distinguished(value, others)
    text = f"{score}: {row} {first} vs {other} {second}"
    text += f" (by {estimate_text(difference)})" if difference.interval else ""
    return _Compared(round(difference.value / largest, 9), text, verdict, reason)
