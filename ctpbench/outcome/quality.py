"""What the cases of a dataset are like at a noise level, and how much each of them decides the board."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ctpbench.arrays import Float64
from ctpbench.contract.control import NOISELESS
from ctpbench.outcome.scores import Score, case_scores
from ctpbench.outcome.variables import PATIENT, axis_of
from ctpbench.text import NoiseAxis

GROUP = "cases"


@dataclass(frozen=True, eq=False)
class Share:
    """How much each case carries of a row's mean error.

    Attributes
    ----------
    score : Score
        What ranks the board; lower or nearer to zero is better.
    config : str
        The row in the middle of the board.
    values : array, (case,)
        The case's part of the row's mean over patients; they sum to 1. NaN where the case has no score.
    """

    score: Score
    config: str
    values: Float64


@dataclass(frozen=True, eq=False)
class CaseTable:
    """The cases of one dataset at one noise level.

    Attributes
    ----------
    dataset : str
    noise : float
        NaN where the suite names none.
    axis : NoiseAxis
        What the noise level is.
    cases, patients : tuple of str
        `patients` is empty where the results do not say whose each case is.
    numbers : mapping of (str, str) to array, (case,)
        By name and units: those of `ctpbench.running.quality.QUANTITIES` that any case has here. NaN where not known.
    share : Share or None
        None where nothing ranks the board, or higher is better: no case has a part of that error.
    """

    dataset: str
    noise: float
    axis: NoiseAxis
    cases: tuple[str, ...]
    patients: tuple[str, ...]
    numbers: Mapping[tuple[str, str], Float64]
    share: Share | None


def case_tables(tree: xr.DataTree, frame: pd.DataFrame) -> list[CaseTable]:
    """Return a table for each dataset and noise level whose results hold numbers of its cases.

    Parameters
    ----------
    tree : DataTree
        As made by `ctpbench.outcome.results.build`.
    frame : DataFrame
        Its leaderboard.
    """
    tables = [
        _table(str(label), node, j, frame)
        for label, node in tree.children.items()
        if GROUP in node.children
        for j in range(node.sizes["noise"])
    ]
    return [table for table in tables if table.numbers]


def _table(dataset: str, node: xr.DataTree, level: int, frame: pd.DataFrame) -> CaseTable:
    data, found = node.to_dataset(inherit=False), node.children[GROUP].to_dataset(inherit=False)
    noise = float(data["noise"].values[level])
    numbers = {
        (str(name), str(values.attrs["units"])): values.transpose("case", "noise").values[:, level]
        for name, values in found.data_vars.items()
    }
    known = {name: values for name, values in numbers.items() if np.isfinite(values).any()}
    cases = tuple(map(str, data["case"].values))
    patients = tuple(map(str, data[PATIENT].values)) if PATIENT in data.coords else ()
    same = frame["noise"].isna() if np.isnan(noise) else frame["noise"] == noise
    rows = frame[(frame["dataset"] == dataset) & same].to_dict("records")
    return CaseTable(dataset, noise, axis_of(data), cases, patients, known, _share(data, level, patients, rows))


def _share(data: xr.Dataset, level: int, patients: tuple[str, ...], rows: list[dict[Any, Any]]) -> Share | None:
    """Return how much each case carries of the error of the row in the middle of the ranks."""
    ranked = [row for row in rows if not pd.isna(row["rank"]) and row["method"] != NOISELESS]
    if not ranked:
        return None
    middle = ranked[(len(ranked) - 1) // 2]
    score, values = next((s, v) for s, v in case_scores(data) if s.column == middle["rank_by"])
    if score.better not in ("lower", "zero"):
        return None
    row = np.abs(values[data["config"].values.tolist().index(middle["config"]), level])
    seeds = (~np.isnan(row)).sum(axis=0)
    mean = np.divide(np.nansum(row, axis=0), seeds, out=np.full(seeds.shape, np.nan), where=seeds > 0)
    whose = list(patients) or [""] * mean.size
    counts = Counter(patient for patient, value in zip(whose, mean, strict=True) if not np.isnan(value))
    parts = mean / np.array([max(counts[patient], 1) for patient in whose])
    total = float(np.nansum(parts))
    return Share(score, str(middle["config"]), parts / total) if total > 0 else None
