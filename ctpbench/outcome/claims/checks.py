"""The kinds of claim: what a paper may say of methods, and when results bear it out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import product
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeVar

from pydantic import AfterValidator, Field, model_validator

from ctpbench.outcome.claims.level import Level, Missing
from ctpbench.outcome.leaderboard import rounded
from ctpbench.settings import Settings
from ctpbench.suite.sections import Label

Verdict = Literal["reproduces", "does not reproduce", "undecided"]
Name = Literal["row", "score", "score over time", "tuned parameter"]

Percent = Annotated[float, Field(ge=0)]
Seconds = Annotated[float, Field(gt=0)]
T = TypeVar("T")


def _distinct(values: list[T]) -> list[T]:
    if len(set(values)) < len(values):
        raise ValueError("allowed: each once")
    return values


Labels = Annotated[list[str], Field(min_length=1), AfterValidator(_distinct)]
NoiseLevels = Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1), AfterValidator(_distinct)]
_DIGITS = 3


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


class Ahead(Claim):
    """Every one of `rows` is better than every one of `of` in every one of `scores`.

    A score that keeps time counts by its mean over time.
    """

    names = {"rows": "row", "of": "row", "scores": "score"}  # noqa: RUF012
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
        verdict = "undecided" if missing and not failing else _verdict(not failing)
        return Answer(verdict, "; ".join([*texts, *missing]))


class Gap(Claim):
    """`ahead` is better than `behind` by at most so many percent of the value of `behind`.

    Below 0% it is `behind` that is better, which bears the claim out: papers use it to say how close `behind` comes.
    """

    names = {"ahead": "row", "behind": "row", "at_most_percent": "score"}  # noqa: RUF012
    check: Literal["gap"]
    ahead: str
    behind: str
    at_most_percent: Annotated[dict[str, Percent], Field(min_length=1)]

    @property
    def paper(self) -> str:
        return "at most " + ", ".join(f"{limit:g}% {score}" for score, limit in self.at_most_percent.items())

    def answer(self, level: Level) -> Answer:
        return _together(partial(self._gap, level, score, limit) for score, limit in self.at_most_percent.items())

    def _gap(self, level: Level, score: str, limit: float) -> Answer:
        ahead, behind = level.number(self.ahead, score), level.number(self.behind, score)
        percent = _percent(level.lead(score, ahead, behind), behind)
        first, second = _told_apart(ahead, behind)
        ours = f"{percent:.1f}% {score}: {self.ahead} {first} vs {self.behind} {second}"
        return Answer(_verdict(percent <= limit), ours)


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
        return _together(partial(self._limit, level, row, *item) for row in self.rows for item in self.at_most.items())

    def _limit(self, level: Level, row: str, score: str, limit: float) -> Answer:
        value = level.number(row, score)
        return Answer(_verdict(abs(value) <= limit), f"{row} {rounded(value, _DIGITS)} {score}")


class Sweep(Claim):
    """What a row's tuning trials show along one parameter: the best over its others, the mean over seeds.

    Trials are scored on the validation split. `score` is what tuning went by, which results do not name.
    """

    names = {"row": "row", "parameter": "tuned parameter", "score": "score"}  # noqa: RUF012
    row: str
    parameter: str
    score: str = "rmse_cbf"

    def _at(self, value: float) -> str:
        return f"{self.parameter}={value:g}"

    def _told(self, values: Iterable[float]) -> str:
        low, high = (rounded(value, _DIGITS) for value in (min(values), max(values)))
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
        others = [scored for value, scored in found.items() if value != self.at]
        if self.at not in found or not others:
            raise Missing(f"{self.row}: no trial at {'any other value' if self.at in found else self._at(self.at)}")
        here = found[self.at]
        ours = f"{self.score} on validation: {rounded(here, _DIGITS)}, elsewhere {self._told(others)}"
        return Answer(_verdict(all(level.lead(self.score, other, here) > 0 for other in others)), ours)


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
        kept = [scored for value, scored in found.items() if value >= self.at_or_above]
        if len(kept) < 2:
            raise Missing(f"{self.row}: {len(kept)} trials from {self._at(self.at_or_above)} on, 2 are needed")
        percent = _percent(max(kept) - min(kept), min(kept))
        ours = f"{percent:.1f}%: {self.score} on validation {self._told(kept)} at {len(kept)} values"
        return Answer(_verdict(percent <= self.at_most_percent), ours)


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
        return _together(partial(self._peak, level, row) for row in self.rows)

    def _peak(self, level: Level, row: str) -> Answer:
        peak_s = float(level.curve(row, self.score).idxmax("time"))
        return Answer(_verdict(abs(peak_s - self.near_s) <= self.within_s), f"{row} {peak_s:g} s")


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
        ours = f"{rounded(seconds, _DIGITS)} s on {row['hardware']}{beside}"
        unlike = self._unlike(level.facts[self.row])
        if unlike:
            return Answer("undecided", f"{ours}; unlike the paper: {', '.join(unlike)}")
        return Answer(_verdict(seconds <= self.at_most_s), ours)

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


def _verdict(holds: bool) -> Verdict:
    return "reproduces" if holds else "does not reproduce"


def _together(questions: Iterable[Callable[[], Answer]]) -> Answer:
    """Ask several questions of one level; what is missing for one does not hide the others."""
    answers = []
    for question in questions:
        try:
            answers.append(question())
        except Missing as what:
            answers.append(Answer("undecided", str(what)))
    return Answer(overall(a.verdict for a in answers), "; ".join(dict.fromkeys(a.ours for a in answers)))


def _margin(level: Level, score: str, row: str, other: str) -> tuple[float, str]:
    """How far a row is ahead of another, relative to the larger of the two values, and both as text.

    Rounded, so that what differs by the last bits of a mean is a tie on every machine.
    """
    value, others = level.number(row, score), level.number(other, score)
    first, second = _told_apart(value, others)
    largest = max(abs(value), abs(others)) or 1.0
    return round(level.lead(score, value, others) / largest, 9), f"{score}: {row} {first} vs {other} {second}"


def _told_apart(value: float, other: float) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to see which is the larger."""
    pairs = [(rounded(value, digits), rounded(other, digits)) for digits in range(_DIGITS, 10)]
    return next((pair for pair in pairs if pair[0] != pair[1]), pairs[0])


def _percent(part: float, whole: float) -> float:
    if whole == 0:
        raise Missing("a score of 0, of which there are no percent")
    return 100 * part / abs(whole)
