"""One dataset at one noise level of the leaderboard as people read it: its columns as text, its notes, its failures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ctpbench.contract.better import cost
from ctpbench.contract.control import NOISELESS
from ctpbench.outcome.leaderboard import metric_faults
from ctpbench.outcome.scores import Score, decimals, rounded, title_of
from ctpbench.outcome.statistics import Rank, rank_text
from ctpbench.outcome.tuning import noise_of
from ctpbench.report.notes import EQUAL, REUSED, differs_from_own, failures_of, notes_of, stopped_note
from ctpbench.text import level_text

COMPARED_MAPS = ("cbf", "cbv", "mtt")
"""The maps whose scores people compare first; a metric's columns at other maps are further ones."""
FAILED = "failed"
"""What stands in place of a score whose metric failed."""


@dataclass(frozen=True)
class Column:
    """A score column: its text in each row, and the rows that are set in bold."""

    score: Score
    texts: list[str]
    best: frozenset[int]


Family = Sequence[Column]
"""The columns of one metric."""


@dataclass(frozen=True)
class Board:
    """One dataset at one noise level.

    Attributes
    ----------
    title : str
    ranks, labels, tuned, relative, seconds, statuses : list of str
        Of each row; `relative` is empty where the controls are missing.
    families : sequence of families
        The ranking metric's first, with the ranking column first in it, then the others' in the suite's order.
    further : sequence of families
        The columns of metrics with maps at those maps that are not `COMPARED_MAPS`.
    notes, failures : list of str
        What is said below.
    """

    title: str
    ranks: list[str]
    labels: list[str]
    tuned: list[str]
    relative: list[str]
    seconds: list[str]
    statuses: list[str]
    families: Sequence[Family]
    further: Sequence[Family]
    notes: list[str]
    failures: list[str]


def boards(frame: pd.DataFrame, spread: bool) -> Iterator[Board]:
    """Yield what people read of a leaderboard, dataset by dataset and level by level; `spread` adds the intervals."""
    bare = frame.copy()
    bare.attrs = {}  # which pandas copies, deep, with every selection
    levels = zip(bare["dataset"], bare["noise"], strict=True)
    titles = [level_text(str(dataset), float(noise), frame.attrs["axes"][dataset]) for dataset, noise in levels]
    for title in dict.fromkeys(titles):
        block = bare[[other == title for other in titles]]
        dataset, noise = block["dataset"].iloc[0], noise_of(block["noise"].iloc[0])
        saved = frame.attrs["stopped"].get(dataset, {}).get(noise)
        faults = [metric_faults(row) for row in block.to_dict("records")]
        shown = _shown(block, frame.attrs["scores"], {name for named in faults for name in named})
        by = next((score for score in shown if score.column == block["rank_by"].iloc[0]), None)
        if by:
            shown = sorted(shown, key=lambda score: (score.metric != by.metric, score != by))
        compared = {score.metric for score in shown if score.map in COMPARED_MAPS}
        first = [s for s in shown if s == by or s.map in ("", *COMPARED_MAPS) or s.metric not in compared]
        yield Board(
            title,
            ranks=[_rank(row) for row in block.to_dict("records")],
            labels=list(block["config"]),
            tuned=list(block["tuned"]),
            relative=_relative(block),
            seconds=[_seconds(row) for row in block.to_dict("records")],
            statuses=list(block["status"]),
            families=_families(block, first, faults, spread),
            further=_families(block, [score for score in shown if score not in first], faults, spread),
            notes=[*notes_of(block, by, shown, frame.attrs["metrics"][dataset], spread), *stopped_note(saved)],
            failures=failures_of(block, faults),
        )


def _seconds(row: Mapping[Any, Any]) -> str:
    """Return the seconds of a case, marked where cells ran beside it or another run measured it; and the method's own.

    Those only where they differ.
    """
    own = f" ({rounded(row['own_total_s'], 3)})" if differs_from_own(row) else ""
    return f"{rounded(row['total_s'], 3)}{'*' * row['contended']}{REUSED * row['reused']}{own}"


def units_note(families: Sequence[Family]) -> str:
    """Return the units of scores in a few words: metrics of the same units together, map by map where they differ."""
    metrics: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for family in families:
        units = {column.score.title.removeprefix(_metric_title(column)): column.score.units for column in family}
        alike = {"": next(iter(units.values()))} if len(set(units.values())) == 1 else units
        if any(alike.values()):
            metrics.setdefault(tuple(alike.items()), []).append(_metric_title(family[0]))
    parts = []
    for found, titles in metrics.items():
        of = ", ".join(f"{part.strip()} in {unit}" if part else f"in {unit}" for part, unit in found if unit)
        parts.append(f"{', '.join(titles)}{' ' if found[0][0] == '' else ': '}{of}")
    return f"Units: {'; '.join(parts)}." if parts else ""


def _metric_title(column: Column) -> str:
    return title_of(column.score.metric)


def _shown(block: pd.DataFrame, scores: Sequence[Score], failing: set[str]) -> list[Score]:
    """Return the scores that have a value in a block, and those of metrics that have none because they failed."""
    valued = [score for score in scores if block[score.column].notna().any()]
    lost = failing - {score.metric for score in valued}
    return [score for score in scores if score in valued or score.metric in lost]


def _families(
    block: pd.DataFrame, scores: Sequence[Score], faults: Sequence[Mapping[str, str]], spread: bool
) -> list[list[Column]]:
    families: dict[str, list[Column]] = {}
    well = block[block["status"] == "ok"]  # these come first: places in it are places in the block
    rivals = well.where(well["method"] != NOISELESS)
    for score in scores:
        texts = [
            FAILED if score.metric in named else text
            for text, named in zip(_texts(block, score.column, spread), faults, strict=True)
        ]
        best = frozenset(_best(rivals[score.column], score))
        families.setdefault(score.metric, []).append(Column(score, texts, best))
    return list(families.values())


def _best(values: pd.Series[float], score: Score) -> list[int]:
    """Places of the best value, where there is another to be better than."""
    if score.better is None or not score.ranks or values.notna().sum() < 2:
        return []
    costs = cost(np.asarray(values, dtype=np.float64), score.better)
    return [int(place) for place in np.flatnonzero(costs == np.nanmin(costs))]


def _rank(row: Mapping[Any, Any]) -> str:
    """Return a row's rank with its interval, and a mark where it is not told apart from the leader."""
    if pd.isna(row["rank"]):
        return ""
    known = not pd.isna(row["rank_low"])
    text = rank_text(Rank(int(row["rank"]), int(row["rank_low"]), int(row["rank_high"]))) if known else str(row["rank"])
    return f"{text}{EQUAL}" if row["equals_leader"] else text


def _relative(block: pd.DataFrame) -> list[str]:
    """Return where each row lies between the controls; empty texts where any of them is missing."""
    return ["" if np.isnan(share) else f"{share:.2f}" for share in block["relative"]]


def _texts(block: pd.DataFrame, column: str, spread: bool) -> list[str]:
    """One column's scores with decimals in common, so that they compare at a glance."""
    values, lows, highs = (block[name].to_numpy() for name in (column, f"{column}_low", f"{column}_high"))
    largest = np.max(np.abs(values), initial=0, where=np.isfinite(values))
    common = decimals(largest, 4 if largest >= 1 else 3)
    texts = []
    for value, low, high in zip(values, lows, highs, strict=True):
        own = max(common, decimals(value, 2))  # a value far below the others keeps two digits
        spread_text = f" [{low:.{own}f}, {high:.{own}f}]" if spread and np.isfinite(low) else ""
        texts.append("" if np.isnan(value) else f"{value:.{own}f}{spread_text}")
    return texts
