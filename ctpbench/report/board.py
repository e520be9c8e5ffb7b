"""One dataset at one noise level of the leaderboard as people read it: its columns as text, its notes, its failures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ctpbench.contract.better import cost
from ctpbench.contract.components import Better
from ctpbench.contract.control import NOISELESS, UNFILTERED
from ctpbench.outcome.comparison import Comparison
from ctpbench.outcome.leaderboard import EDGE, metric_faults
from ctpbench.outcome.scores import Score, decimals, rounded, title_of
from ctpbench.outcome.statistics import LEAST_PATIENTS, Rank, rank_text
from ctpbench.text import level_text

COMPARED_MAPS = ("cbf", "cbv", "mtt")
"""The maps whose scores people compare first; a metric's columns at other maps are further ones."""
FAILED = "failed"
"""What stands in place of a score whose metric failed."""
EQUAL = " ="
"""Behind the rank of a row that is not told apart from the leader."""

_WORDS: Mapping[Better, str] = {
    "lower": "lower is better",
    "higher": "higher is better",
    "zero": "nearer to zero is better",
}


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
    levels = zip(frame["dataset"], frame["noise"], strict=True)
    titles = [level_text(str(dataset), float(noise)) for dataset, noise in levels]
    for title in dict.fromkeys(titles):
        block = frame[[other == title for other in titles]]
        faults = [metric_faults(row) for row in block.to_dict("records")]
        shown = _shown(block, frame.attrs["scores"], {name for named in faults for name in named})
        by = next((score for score in shown if score.column == block["rank_by"].iloc[0]), None)
        if by:
            shown = sorted(shown, key=lambda score: (score.metric != by.metric, score != by))
        compared = {score.metric for score in shown if score.map in COMPARED_MAPS}
        first = [s for s in shown if s == by or s.map in ("", *COMPARED_MAPS) or s.metric not in compared]
        seconds = zip(block["total_s"], block["contended"], strict=True)
        yield Board(
            title,
            ranks=[_rank(row) for row in block.to_dict("records")],
            labels=list(block["config"]),
            tuned=list(block["tuned"]),
            relative=_relative(block),
            seconds=[rounded(total_s, 3) + "*" * contended for total_s, contended in seconds],
            statuses=list(block["status"]),
            families=_families(block, first, faults, spread),
            further=_families(block, [score for score in shown if score not in first], faults, spread),
            notes=_notes(block, by, shown, frame.attrs["comparisons"].get(_place(block)), spread),
            failures=_failures(block, faults),
        )


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
    for score in scores:
        texts = [
            FAILED if score.metric in named else text
            for text, named in zip(_texts(block, score.column, spread), faults, strict=True)
        ]
        best = frozenset(_best(well[score.column], score.better))
        families.setdefault(score.metric, []).append(Column(score, texts, best))
    return list(families.values())


def _best(values: pd.Series[float], better: Better | None) -> list[int]:
    """Places of the best value, where there is another to be better than."""
    if better is None or values.notna().sum() < 2:
        return []
    costs = cost(np.asarray(values, dtype=np.float64), better)
    return [int(place) for place in np.flatnonzero(costs == np.nanmin(costs))]


def _place(block: pd.DataFrame) -> tuple[str, float | None]:
    first = block.iloc[0]
    return str(first["dataset"]), None if pd.isna(first["noise"]) else float(first["noise"])


def _rank(row: Mapping[Any, Any]) -> str:
    """Return a row's rank with its interval, and a mark where it is not told apart from the leader."""
    if pd.isna(row["rank"]):
        return ""
    known = not pd.isna(row["rank_low"])
    text = rank_text(Rank(int(row["rank"]), int(row["rank_low"]), int(row["rank_high"]))) if known else str(row["rank"])
    return text + EQUAL * row["equals_leader"]


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


def _notes(
    block: pd.DataFrame, by: Score | None, shown: Sequence[Score], comparison: Comparison | None, spread: bool
) -> list[str]:
    """Say how to read the table: what ranks, what numbers are means of, what marks mean, where it was timed."""
    ranked = f"Ranked by {by.title}, {_WORDS[by.better]}." if by and by.better else "Not ranked: no score applies."
    notes = [ranked, *_certainty(block, comparison, spread), *_scale(block)]
    for dims in dict.fromkeys(score.over for score in shown if score.over):
        titles = dict.fromkeys(title_of(score.metric) for score in shown if score.over == dims)
        notes.append(f"Mean over {' and '.join(dims)}: {', '.join(titles)}.")
    notes.append("s/case: median seconds for denoising and maps.")
    if block["contended"].any():
        notes.append("*: timed while other cells ran on the same machine.")
    if block["tuned"].str.contains(EDGE, regex=False).any():
        notes.append("(edge): the end of the values tried; a wider range may do better.")
    return [*notes, *_remarks(block, shown)]


def _certainty(block: pd.DataFrame, comparison: Comparison | None, spread: bool) -> list[str]:
    """Say what the scores are means over, how sure the order is, and what lead so many patients can show."""
    scored = block[block["n_cases"] > 0]
    if scored.empty:
        return []
    cases = _counted(scored["n_cases"], "case")
    seeds = f" and {_counted(scored['n_seeds'], 'seed')}" if scored["n_seeds"].max() > 1 else ""
    patients = scored["n_patients"]
    if not patients.max():
        return [f"Scores: mean over {cases}{seeds}. No interval: these results do not say whose each case is."]
    over = (
        f"{_counted(patients, 'patient')} ({cases}){seeds}"
        if not patients.equals(scored["n_cases"])
        else (f"{_counted(patients, 'patient')}{seeds}")
    )
    if patients.max() < LEAST_PATIENTS:
        why = f"No interval: {_counted(patients, 'patient')}; one needs {LEAST_PATIENTS}."
        return [f"Scores: mean over {over}.", why]
    shown = "mean [95% interval]" if spread else "mean"
    notes = [f"Scores: {shown} over {over}; ranks with their 95% interval."]
    if block["equals_leader"].any():
        notes.append(f"{EQUAL.strip()}: not told apart from the leader (paired t-test over patients, Holm).")
    if comparison and (lead := comparison.told_apart):
        units = f" {comparison.score.units}" if comparison.score.units else ""
        notes.append(f"A lead of {rounded(lead, 2)}{units} over the next row would be seen with a power of 80%.")
    return notes


def _scale(block: pd.DataFrame) -> list[str]:
    """Say what the scale between the controls is, and who is beyond its ends."""
    share = block["relative"].to_numpy(dtype=float)
    if np.isnan(share).all():
        return []
    notes = [f"0-1: where the ranking score lies between {UNFILTERED} (0) and {NOISELESS} (1)."]
    for names, what in (
        (block["config"][share < 0], f"Worse than {UNFILTERED}"),
        (
            block["config"][(share > 1) & (block["method"] != NOISELESS)],
            f"Better than {NOISELESS}, which asks for a look",
        ),
    ):
        notes += [f"{what}: {', '.join(names)}."] if len(names) else []
    return notes


def _remarks(block: pd.DataFrame, shown: Sequence[Score]) -> list[str]:
    """Say what is so of this block alone: training, what rows learnt from, what was left out, the machines."""
    notes = []
    fitted = block[block["fit_s"].notna()]
    if len(fitted):
        seconds = zip(fitted["config"], fitted["fit_s"], strict=True)
        notes.append(f"Trained in: {', '.join(f'{config} {rounded(fit_s, 3)} s' for config, fit_s in seconds)}.")
    learnt = block[block["trained_on"] != ""]
    notes += [
        f"{config} learnt from {where}." for config, where in zip(learnt["config"], learnt["trained_on"], strict=True)
    ]
    notes += [f"Left out: {cases}." for cases in dict.fromkeys(block["left_out"]) if cases]
    asked = block.attrs["metrics"][block["dataset"].iloc[0]]
    if shown and (absent := [title_of(name) for name in asked if name not in {score.metric for score in shown}]):
        notes.append(f"Without a value here: {', '.join(absent)}.")
    if machines := sorted(set(block["hardware"]) - {""}):
        notes.append(f"Timed on {' and '.join(machines)}.")
    return notes


def _failures(block: pd.DataFrame, faults: Sequence[Mapping[str, str]]) -> list[str]:
    """Say which rows failed and why, then which metrics did: what is the same in several rows is said once."""
    rows = block[block["status"] != "ok"].itertuples()
    failed: dict[tuple[str, str], list[str]] = {}
    for label, named in zip(block["config"], faults, strict=True):
        for metric, message in named.items():
            failed.setdefault((metric, message), []).append(label)
    return [
        *(f"{row.config}: {row.status}: {row.message}" for row in rows),
        *(f"{title_of(metric)} failed in {', '.join(labels)}: {why}" for (metric, why), labels in failed.items()),
    ]


def _counted(numbers: pd.Series[int], noun: str) -> str:
    least, most = int(numbers.min()), int(numbers.max())
    return f"{most if least == most else f'{least} to {most}'} {noun}{'' if most == 1 else 's'}"
