"""Claims held against results: a finding at each noise level, a verdict over all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import xarray as xr

from ctpbench.outcome.claims.claim import Claim, Name, Verdict, overall
from ctpbench.outcome.claims.file import Claims
from ctpbench.outcome.claims.level import Level, Missing, levels
from ctpbench.running.index import PlannedCell
from ctpbench.text import UNKNOWN_AXIS, NoiseAxis, did_you_mean, noise_column, noise_text
from ctpbench.written.document import Place
from ctpbench.written.faults import Faults


@dataclass(frozen=True)
class Finding:
    """What the results say to a claim at one noise level."""

    noise: float | None
    ours: str
    verdict: Verdict
    reason: str = ""
    """Why the verdict goes by values without an interval; empty where it does not."""
    axis: NoiseAxis = UNKNOWN_AXIS

    @property
    def level(self) -> str:
        """The noise level as a column of a table shows it."""
        return noise_column(self.noise, self.axis)

    @property
    def text(self) -> str:
        """The verdict as people read it."""
        return f"{self.verdict} (no interval: {self.reason})" if self.reason else self.verdict


_NOTHING = Finding(None, "no cell has finished", "undecided")


@dataclass(frozen=True)
class Judgement:
    """A claim, what its paper reports, and the findings at each noise level."""

    says: str
    paper: str
    findings: tuple[Finding, ...]
    comment: str = ""

    @property
    def verdict(self) -> Verdict:
        """A claim holds where it does at every noise level."""
        return self._overall[0]

    @property
    def by_values(self) -> bool:
        """Whether the verdict goes by values without an interval, at a level that it needs."""
        return bool(self._overall[1])

    @property
    def _overall(self) -> tuple[Verdict, str]:
        return overall((finding.verdict, finding.reason) for finding in self.findings)


def judge(
    claims: Claims, tree: xr.DataTree, cells: Sequence[PlannedCell] = (), frame: pd.DataFrame | None = None
) -> list[Judgement]:
    """Hold claims against results.

    Parameters
    ----------
    claims : Claims
    tree : DataTree
        As made by `ctpbench.outcome.results.build`.
    cells : sequence of PlannedCell
        The cells that the run plans, as `ctpbench.running.store.Store.index` has them: what the results lack of them is
        undecided, where without it would be unknown.
    frame : DataFrame, optional
        The leaderboard of the tree, where somebody has it already.

    Raises
    ------
    InputError
        Where claims name a dataset, noise level, row, score or parameter that is unknown: one line each.
    """
    found = levels(tree, cells, frame)
    faults = Faults(claims.document)
    places: list[Place] = [("claims", i) for i in range(len(claims.claims))]
    meant = [
        _checked(claim, _of_dataset(claim, found, place, faults), place, faults)
        for claim, place in zip(claims.claims, places, strict=True)
    ]
    faults.raise_if_any()
    return [
        Judgement(
            claim.says, claim.paper, tuple(_finding(claim, level) for level in here) or (_NOTHING,), claim.comment
        )
        for claim, here in zip(claims.claims, meant, strict=True)
    ]


def _of_dataset(claim: Claim, found: Sequence[Level], place: Place, faults: Faults) -> list[Level]:
    """Return the levels of the dataset that a claim means."""
    datasets = list(dict.fromkeys(level.dataset for level in found))
    if claim.dataset is None and len(datasets) > 1:
        faults.add(place, f"'dataset' is missing; the results have {', '.join(datasets)}")
    if claim.dataset is not None and datasets and claim.dataset not in datasets:
        _unknown("dataset", claim.dataset, datasets, (*place, "dataset"), faults)
    meant = claim.dataset if claim.dataset is not None or len(datasets) != 1 else datasets[0]
    return [level for level in found if level.dataset == meant]


def _checked(claim: Claim, here: Sequence[Level], place: Place, faults: Faults) -> list[Level]:
    """Return the levels that a claim is about, after noting names that the results do not know."""
    known = _known(claim, here)
    for field, kind in claim.names.items():
        for inner, name in _named(getattr(claim, field)):
            if known[kind] and name not in known[kind]:
                _unknown(kind.removeprefix("ranking "), name, known[kind], (*place, field, *inner), faults)
            elif kind == "ranking score" and any(level.ranks_nothing(name) for level in here):
                text = f"{name!r} ranks nothing; allowed: a score of which lower, higher or nearer to zero is better"
                faults.add((*place, field, *inner), text)
    if claim.noise is None:
        return list(here)
    noise = {level.noise: level for level in here}
    for i, value in enumerate(claim.noise):
        if noise and value not in noise:
            has = ", ".join("none" if other is None else noise_text(other) for other in noise)
            faults.add((*place, "noise", i), f"the results have no noise {noise_text(value)}; they have {has}")
    return [noise[value] for value in claim.noise if value in noise]


def _known(claim: Claim, here: Sequence[Level]) -> dict[Name, list[str]]:
    """Return what a dataset's results know by name; where that is nothing, no name is wrong yet."""
    curves = [str(name) for level in here for name in level.curves]
    scores = [*(name for level in here for name in level.scores), *curves]
    names: dict[Name, list[str]] = {
        "row": [label for level in here for label in (*level.planned, *level.board)],
        "score": scores,
        "ranking score": scores,
        "score over time": curves,
        "tuned parameter": [name for level in here for name in level.tuned(getattr(claim, "row", ""))],
    }
    return {kind: list(dict.fromkeys(known)) for kind, known in names.items()}


def _named(value: str | Sequence[str] | Mapping[str, Any] | None) -> Iterator[tuple[Place, str]]:
    """Yield the names in a field, each with its place in it; none where it was left out."""
    if value is None:
        return
    if isinstance(value, str):
        yield (), value
    elif isinstance(value, Mapping):
        yield from (((name,), name) for name in value)
    else:
        yield from (((i,), name) for i, name in enumerate(value))


def _unknown(kind: str, name: str, known: Sequence[str], place: Place, faults: Faults) -> None:
    faults.add(place, f"the results have no {kind} {name!r}{did_you_mean(name, known)}; they have {', '.join(known)}")


def _finding(claim: Claim, level: Level) -> Finding:
    try:
        answer = claim.answer(level)
    except Missing as what:
        return Finding(level.noise, str(what), "undecided", axis=level.axis)
    return Finding(level.noise, answer.ours, answer.verdict, answer.reason, level.axis)
