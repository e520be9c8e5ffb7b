"""What every kind of claim has: where it holds, what its paper reports, and the answer that results give.

A claim asks of one number or more whether they lie where the paper says. Where a number is a mean over patients with a
95% interval, the whole interval answers: the claim holds where all of it lies there, fails where none of it does, and
is undecided where it covers an end. A number without an interval answers by its value, and the answer says why there is
none: it is of these cases, and says nothing of others.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, ClassVar, Literal, NamedTuple, TypeVar

from pydantic import AfterValidator, Field

from ctpbench.outcome.claims.level import Level, Missing
from ctpbench.outcome.scores import interval_text, rounded
from ctpbench.outcome.statistics import Estimate
from ctpbench.settings import Settings
from ctpbench.suite.sections import Label

Verdict = Literal["holds", "fails", "undecided"]
Name = Literal["row", "score", "ranking score", "score over time", "tuned parameter"]

Percent = Annotated[float, Field(ge=0)]
DIGITS = 3
"""Significant digits of a score in a finding."""
T = TypeVar("T")


def _distinct(values: list[T]) -> list[T]:
    if len(set(values)) < len(values):
        raise ValueError("allowed: each once")
    return values


Labels = Annotated[list[str], Field(min_length=1), AfterValidator(_distinct)]
NoiseLevels = Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1), AfterValidator(_distinct)]


class Answer(NamedTuple):
    """What the results say to a claim at one level, or to a part of it.

    `reason` is why it goes by values without an interval, in a few words; empty where it goes by intervals, or is
    undecided.
    """

    verdict: Verdict
    ours: str
    reason: str = ""


def overall(parts: Iterable[tuple[Verdict, str]]) -> tuple[Verdict, str]:
    """Return the verdict of several parts together, and why it goes by values without an interval.

    One part that fails decides, then one that is undecided. All parts are needed to hold, so one without an interval
    leaves the whole without; to fail, one with an interval is enough.
    """
    given = list(parts)
    order: tuple[Verdict, ...] = ("fails", "undecided", "holds")
    verdict: Verdict = next((verdict for verdict in order if verdict in dict(given)), "undecided")
    reasons = [reason for found, reason in given if found == verdict]
    if verdict == "fails" and "" in reasons:
        return verdict, ""
    return verdict, ", ".join(dict.fromkeys(filter(None, reasons)))


def judged(estimate: Estimate, at_least: float = -math.inf, at_most: float = math.inf) -> tuple[Verdict, str]:
    """Say whether an estimate lies between two numbers, by its interval; where it has none by its value, and why."""
    ends = estimate.interval
    if ends is None:
        return verdict_of(at_least <= estimate.value <= at_most), estimate.reason.partition(";")[0]
    if at_least <= ends.low and ends.high <= at_most:
        return "holds", ""
    return ("fails" if ends.high < at_least or ends.low > at_most else "undecided"), ""


class Claim(Settings, ABC):
    """A statement of a paper, checked at each noise level of a dataset."""

    names: ClassVar[Mapping[str, Name]]
    """What the fields hold that name something of the results."""

    says: Label = Field(description="The statement, with its place in the paper.")
    dataset: str | None = Field(None, description="A dataset's label; the only one where left out.")
    noise: NoiseLevels | None = Field(None, description="Noise levels; every one of the dataset where left out.")
    comment: str = Field("", description="What explains the verdict, such as an experiment; Markdown.")

    @property
    @abstractmethod
    def paper(self) -> str:
        """What the paper reports, in a few words."""

    @abstractmethod
    def answer(self, level: Level) -> Answer:
        """Compare the results at one level with the paper. May raise `Missing`, which is undecided."""


def verdict_of(holds: bool) -> Verdict:
    """Return what results say to a claim that they bear out or do not."""
    return "holds" if holds else "fails"


def together(questions: Iterable[Callable[[], Answer]]) -> Answer:
    """Ask several questions of one level; what is missing for one does not hide the others."""
    answers = []
    for question in questions:
        try:
            answers.append(question())
        except Missing as what:
            answers.append(Answer("undecided", str(what)))
    verdict, reason = overall((answer.verdict, answer.reason) for answer in answers)
    return Answer(verdict, "; ".join(dict.fromkeys(answer.ours for answer in answers)), reason)


def distinguished(value: float, other: float) -> tuple[str, str]:
    """Return two numbers with as many digits as it takes to see which is the larger."""
    pairs = [(rounded(value, digits), rounded(other, digits)) for digits in range(DIGITS, 10)]
    return next((pair for pair in pairs if pair[0] != pair[1]), pairs[0])


def estimate_text(estimate: Estimate) -> str:
    """Return an estimate with its interval, where it has one."""
    ends = estimate.interval
    return interval_text(estimate.value, ends.low, ends.high) if ends else rounded(estimate.value, DIGITS)


def percent_text(estimate: Estimate) -> str:
    """Return percent with their interval, where they have one."""
    ends = estimate.interval
    return f"{estimate.value:.1f}%" + (f" [{ends.low:.1f}, {ends.high:.1f}]" if ends else "")


def percent_of(part: float, whole: float) -> float:
    """Return a part in percent of the size of a whole.

    Raises
    ------
    Missing
        Where the whole is 0.
    """
    if whole == 0:
        raise Missing("a score of 0, of which there are no percent")
    return 100 * part / abs(whole)
