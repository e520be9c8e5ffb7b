"""What every kind of claim has: where it holds, what its paper reports, and the answer that results give."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, ClassVar, Literal, NamedTuple, TypeVar

from pydantic import AfterValidator, Field

from ctpbench.outcome.claims.level import Level, Missing
from ctpbench.outcome.scores import rounded
from ctpbench.settings import Settings
from ctpbench.suite.sections import Label

Verdict = Literal["reproduces", "does not reproduce", "undecided"]
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
    """What the results say to a claim at one level."""

    verdict: Verdict
    ours: str


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict of several parts together: one that fails decides, then one that is undecided."""
    given = set(verdicts)
    order: tuple[Verdict, ...] = ("does not reproduce", "undecided", "reproduces")
    return next((verdict for verdict in order if verdict in given), "undecided")


class Claim(Settings, ABC):
    """A statement of a paper, checked at each noise level of a dataset."""

    names: ClassVar[Mapping[str, Name]]
    """What the fields hold that name something of the results."""

    says: Label = Field(description="The statement, with its place in the paper.")
    dataset: str | None = Field(None, description="A dataset's label; the only one where left out.")
    noise: NoiseLevels | None = Field(None, description="Noise levels; every one of the dataset where left out.")

    @property
    @abstractmethod
    def paper(self) -> str:
        """What the paper reports, in a few words."""

    @abstractmethod
    def answer(self, level: Level) -> Answer:
        """Compare the results at one level with the paper. May raise `Missing`, which is undecided."""


def verdict_of(holds: bool) -> Verdict:
    """Return what results say to a claim that they bear out or do not."""
    return "reproduces" if holds else "does not reproduce"


def together(questions: Iterable[Callable[[], Answer]]) -> Answer:
    """Ask several questions of one level; what is missing for one does not hide the others."""
    answers = []
    for question in questions:
        try:
            answers.append(question())
        except Missing as what:
            answers.append(Answer("undecided", str(what)))
    return Answer(overall(a.verdict for a in answers), "; ".join(dict.fromkeys(a.ours for a in answers)))


def distinguished(value: float, other: float) -> tuple[str, str]:
    """Return two numbers with as many digits as it takes to see which is the larger."""
    pairs = [(rounded(value, digits), rounded(other, digits)) for digits in range(DIGITS, 10)]
    return next((pair for pair in pairs if pair[0] != pair[1]), pairs[0])


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
