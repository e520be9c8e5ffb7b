"""Which cases of a level the image browser shows: not all, for images are what a site's size is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from ctpbench.contract.better import cost
from ctpbench.contract.control import NOISELESS
from ctpbench.outcome.scores import case_scores


@dataclass(frozen=True)
class Chosen:
    """A case, and why it is shown."""

    case: str
    why: str


def chosen_cases(
    tree: xr.DataTree, frame: pd.DataFrame, dataset: str, noise: float, cases: Sequence[str], count: int
) -> list[Chosen]:
    """Return `count` cases of a level from the worst to the best, by the ranking score of the row in the middle.

    Parameters
    ----------
    tree : DataTree
        Results.
    frame : DataFrame
        Their leaderboard.
    dataset : str
    noise : float
        NaN where there is none.
    cases : sequence of str
        Those that there are: the first ones where no score says which is worst.
    count : int
    """
    at = frame["noise"].isna() if np.isnan(noise) else frame["noise"] == noise
    level = frame[(frame["dataset"] == dataset) & at]
    ranked = level[level["rank"].notna() & (level["method"] != NOISELESS)].to_dict("records")
    if not ranked:
        return [Chosen(case, "") for case in cases[:count]]
    middle = ranked[(len(ranked) - 1) // 2]
    data = tree.children[dataset].to_dataset(inherit=False)
    score, values = next((s, v) for s, v in case_scores(data) if s.column == middle["rank_by"])
    levels = data["noise"].values
    j = int(np.flatnonzero(np.isnan(levels) if np.isnan(noise) else levels == noise)[0])
    row = values[data["config"].values.tolist().index(middle["config"]), j]
    seeds = np.isfinite(row).sum(axis=0)
    mean = np.divide(np.nansum(row, axis=0), seeds, out=np.full(seeds.shape, np.nan), where=seeds > 0)
    costs = dict(zip(map(str, data["case"].values), cost(mean, score.better or "lower"), strict=True))
    order = sorted((case for case in cases if np.isfinite(costs.get(case, np.nan))), key=lambda case: -costs[case])
    if not order:
        return [Chosen(case, "") for case in cases[:count]]
    places = _spread(len(order), count)
    by = f"by {score.title} of {middle['config']}"
    return [Chosen(order[place], f"{_position(place, len(order))} {by}") for place in places]


def _spread(size: int, count: int) -> list[int]:
    """Return `count` places of so many, evenly spread with both ends among them; the middle where it is one."""
    if count == 1:
        return [(size - 1) // 2]
    return sorted({int(place) for place in np.linspace(0, size - 1, min(count, size))})


def _position(place: int, size: int) -> str:
    if size == 1:
        return "the only one"
    if place in (0, size - 1):
        return f"the {'best' if place else 'worst'} of {size}"
    return f"{'the median' if place == (size - 1) // 2 else f'number {place + 1} from the worst'} of {size}"
