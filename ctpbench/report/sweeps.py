"""What tuning tried along one parameter: for each of its values the best of the others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from ctpbench.arrays import Float64, Mask
from ctpbench.contract.better import cost
from ctpbench.contract.components import Better
from ctpbench.outcome.tuning import Tuning, is_number, noise_of, tunings
from ctpbench.report.seeds import Curve, curve_of
from ctpbench.running.record import Trial

STOPPED = "stopped: can no longer win"
"""What a value is of which every trial was stopped."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """Validation scores of one row at one noise level along a tuned parameter that is a number.

    Attributes
    ----------
    config : str
    noise : float or None
    parameter : str
    tuning : Tuning
        What it is of.
    joined : bool
        Whether a line leads through the points: none does through what is on no grid.
    curves : tuple of Curve
        One over all seeds where points are joined, else one for each seed.
    chosen : tuple of (float, float)
        The value that each seed chose, with its score.
    stopped : tuple of (float, float)
        The values of each seed of which every trial was stopped, with the best mean of the cases that these were scored
        on: not joined, for it is of fewer cases than the curve's.
    """

    config: str
    noise: float | None
    parameter: str
    tuning: Tuning
    joined: bool
    curves: tuple[Curve, ...]
    chosen: tuple[tuple[float, float], ...]
    stopped: tuple[tuple[float, float], ...]


def sweeps(node: xr.DataTree) -> Iterator[Sweep]:
    """Yield the sweeps of a dataset's group of a results tree, row by row and level by level."""
    data = node.to_dataset(inherit=False)
    for (config, noise), tuning in tunings(node).items():
        of_seeds: dict[str, list[_Points]] = {}
        for seed, trials in tuning.trials.items():
            for name, points in _of_seed(tuning.better, trials, _choice(data, config, noise, seed)):
                of_seeds.setdefault(name, []).append(points)
        for name, found in of_seeds.items():
            joined = all(points.joined for points in found)
            each = [(points.x, points.y) for points in found]
            curves = (curve_of(each, between=False),) if joined else tuple(Curve(*seed) for seed in each)
            chosen = tuple(points.chosen for points in found if points.chosen)
            stopped = tuple(point for points in found for point in points.stopped)
            yield Sweep(config, noise, name, tuning, joined, curves, chosen, stopped)


@dataclass(frozen=True, eq=False)
class _Points:
    """The points of one seed along a parameter; see `Sweep`."""

    x: Float64
    y: Float64
    joined: bool
    chosen: tuple[float, float] | None
    stopped: tuple[tuple[float, float], ...]


def _of_seed(
    better: Better | None, trials: Sequence[Trial], choice: Mapping[str, Any]
) -> Iterator[tuple[str, _Points]]:
    """Yield each numeric parameter with its points: the best trial for each of its values; failed ones lack.

    A value has the best of its stopped trials where it has no other: what was stopped is of fewer cases.
    """
    whole = [trial for trial in trials if trial.value is not None]
    tried = [*whole, *(trial for trial in trials if trial.stopped)]
    values = np.array([trial.so_far if trial.stopped else trial.value for trial in tried], dtype=np.float64)
    place = next((number for number, trial in enumerate(whole) if trial.parameters == choice), None)
    costs = _costs(values, better, place)
    for name in tried[0].parameters if whole else ():
        if not all(is_number(trial.parameters[name]) for trial in tried):
            continue
        x = np.array([trial.parameters[name] for trial in tried], dtype=np.float64)
        grid = np.unique(x)
        if grid.size > 1:
            best = {float(at): _best(x == at, len(whole), costs) for at in grid}
            known = [(at, float(values[trial]), trial < len(whole)) for at, trial in best.items()]
            curve = np.array([(at, value) for at, value, complete in known if complete])
            stopped = tuple((at, value) for at, value, complete in known if not complete)
            chosen = None if place is None else (float(x[place]), float(values[best[float(x[place])]]))
            joined = len(tried[0].parameters) == 1 or grid.size < x.size
            yield name, _Points(curve[:, 0], curve[:, 1], joined, chosen, stopped)


def _best(here: Mask, whole: int, costs: Float64) -> int:
    """Return the trial of least cost among those that are here: among the first, the `whole` ones, if any is."""
    found = np.flatnonzero(here)
    return int(min(found[found < whole] if (found < whole).any() else found, key=costs.__getitem__))


def _choice(data: xr.Dataset, config: str, noise: float | None, seed: int) -> Mapping[str, Any]:
    """Return what tuning chose for a cell."""
    texts = data["tuned_parameters"].sel(config=config, seed=seed).transpose("noise").values
    text = next(text for level, text in zip(data["noise"].values, texts, strict=True) if noise_of(level) == noise)
    chosen: Mapping[str, Any] = json.loads(text or "{}")
    return chosen


def _costs(values: Float64, better: Better | None, chosen: int | None) -> Float64:
    """Return what is small where a score is good.

    Results of before tuning's metric was kept do not say which way it is better: there, the chosen trial is the best.
    """
    if better or chosen is None:
        return cost(values, better or "lower")
    if values[chosen] <= values.min():
        return cost(values, "lower")
    return cost(values, "higher" if values[chosen] >= values.max() else "zero")
