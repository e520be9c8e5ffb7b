"""What the results of one dataset hold at one noise level, as claims ask for it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from ctpbench.outcome.leaderboard import Score, cost, leaderboard

Where = tuple[str, float | None]

_CURVE_DIMS = {"config", "noise", "seed", "case", "time"}


class Missing(Exception):
    """The results do not hold what a claim asks for; the text says what, and why."""


@dataclass(frozen=True)
class Trial:
    """One set of parameters that tuning tried for a row, and its value on the validation split; NaN where it failed."""

    config: str
    seed: int
    parameters: Mapping[str, Any]
    value: float


@dataclass(frozen=True)
class Level:
    """One dataset at one noise level.

    Attributes
    ----------
    dataset, noise : str, float or None
    board : mapping
        The leaderboard's rows here by label, each by column.
    scores : mapping
        The leaderboard's score columns by name.
    curves : Dataset
        Metrics that keep time, (config, seed, case, time).
    trials : sequence of Trial
        What tuning tried here.
    planned : mapping
        How many seeds the run plans for each row, where that is known.
    facts : mapping
        Of each row its parameters as text, the `device` it ran on, and whether any fit was `resumed`.
    """

    dataset: str
    noise: float | None
    board: Mapping[str, Mapping[Any, Any]]
    scores: Mapping[str, Score]
    curves: xr.Dataset
    trials: Sequence[Trial]
    planned: Mapping[str, int]
    facts: Mapping[str, Mapping[str, Any]]

    def tuned(self, label: str) -> list[str]:
        """Return the parameters that were tuned for a row and are numbers."""
        tried = [item for trial in self.trials if trial.config == label for item in trial.parameters.items()]
        return list(dict.fromkeys(name for name, value in tried if _is_number(value)))

    def row(self, label: str) -> Mapping[Any, Any]:
        """Return a row of the leaderboard.

        Raises
        ------
        Missing
            Where it has no result, or a seed failed or is not finished.
        """
        if label not in self.board:
            raise Missing(f"{label}: no result")
        row = self.board[label]
        if row["status"] != "ok":
            raise Missing(f"{label}: {row['status']}")
        if row["n_seeds"] < self.planned.get(label, 0):
            raise Missing(f"{label}: {row['n_seeds']} of {self.planned[label]} seeds finished")
        return row

    def number(self, label: str, column: str) -> float:
        """Return a number of a row: a column of the leaderboard, or a metric over time averaged over time.

        Raises
        ------
        Missing
            Where there is none.
        """
        row = self.row(label)
        if column in self.curves:
            return float(self.curve(label, column).mean())
        value = float(row.get(column, np.nan))
        if np.isnan(value):
            raise Missing(f"{label}: no {column}")
        return value

    def curve(self, label: str, metric: str) -> xr.DataArray:
        """Return a metric over time, (time,): the mean over seeds and cases.

        Raises
        ------
        Missing
            Where there is none.
        """
        self.row(label)
        if metric in self.curves:
            curve = self.curves[metric].sel(config=label).mean(("seed", "case"))
            if curve.notnull().any():
                return curve
        raise Missing(f"{label}: no {metric}")

    def better(self, score: str) -> str:
        """Return which way a score is better: lower, higher or zero.

        Raises
        ------
        Missing
            Where the results have no such score.
        """
        if score in self.scores:
            return self.scores[score].better
        if score in self.curves:
            return str(self.curves[score].attrs["better"])
        raise Missing(f"no {score}")

    def lead(self, score: str, value: float, other: float) -> float:
        """Return how much better a value of a score is than another, in the score's units."""
        first, second = cost(np.array([value, other]), self.better(score))
        return float(second - first)

    def sweep(self, label: str, parameter: str, score: str) -> dict[float, float]:
        """Return a row's tuning trials along a parameter: the best over its other parameters, the mean over seeds.

        The values are of the validation split; `score` says which way they are better.

        Raises
        ------
        Missing
            Where there are none, or all trials at a value failed.
        """
        better = self.better(score)
        best: dict[tuple[float, int], float] = {}
        for trial in self.trials:
            if trial.config == label and _is_number(trial.parameters.get(parameter)):
                place = (float(trial.parameters[parameter]), trial.seed)
                known = [value for value in (best.get(place, np.nan), trial.value) if not np.isnan(value)]
                costs = cost(np.array(known), better)
                best[place] = known[int(np.argmin(costs))] if known else np.nan
        if not best:
            raise Missing(f"{label}: no trials of {parameter}")
        failed = [value for (value, _), scored in best.items() if np.isnan(scored)]
        if failed:
            raise Missing(f"{label}: the trials at {parameter}={failed[0]:g} failed")
        values = sorted({value for value, _ in best})
        return {value: float(np.mean([b for (at, _), b in best.items() if at == value])) for value in values}


def levels(tree: xr.DataTree, cells: Sequence[Mapping[str, Any]] = ()) -> list[Level]:
    """Return every level of a results tree, and those without a result of the cells that a run plans."""
    frame = leaderboard(tree)
    scores = {score.column: score for score in frame.attrs["scores"]}
    planned: dict[Where, Counter[str]] = {}
    for cell in cells:
        planned.setdefault((cell["dataset"], cell["noise"]), Counter())[cell["config"]] += 1
    boards: dict[Where, dict[str, Mapping[Any, Any]]] = {}
    for row in frame.to_dict("records"):
        boards.setdefault((row["dataset"], _noise(row["noise"])), {})[row["config"]] = row
    return [
        Level(
            dataset,
            noise,
            boards.get((dataset, noise), {}),
            scores,
            _curves(tree, dataset, noise),
            _trials(tree, dataset, noise),
            planned.get((dataset, noise), {}),
            _facts(tree, dataset, noise),
        )
        for dataset, noise in dict.fromkeys([*planned, *boards])
    ]


def _curves(tree: xr.DataTree, dataset: str, noise: float | None) -> xr.Dataset:
    if dataset not in tree.children:
        return xr.Dataset()
    data = tree.children[dataset].to_dataset(inherit=False)
    names = [name for name, v in data.data_vars.items() if "better" in v.attrs and set(v.dims) == _CURVE_DIMS]
    here = [j for j, level in enumerate(data["noise"].values) if _noise(level) == noise]
    return data.isel(noise=here[0])[names] if here else xr.Dataset()


def _facts(tree: xr.DataTree, dataset: str, noise: float | None) -> dict[str, dict[str, Any]]:
    if dataset not in tree.children:
        return {}
    data = tree.children[dataset].to_dataset(inherit=False)
    here = data.isel(noise=[j for j, level in enumerate(data["noise"].values) if _noise(level) == noise])
    facts: dict[str, dict[str, Any]] = {}
    for config in here["config"].values:
        row = here.sel(config=config)
        given = {
            str(n).removeprefix("parameter_"): str(v.values) for n, v in row.coords.items() if "parameter_" in str(n)
        }
        devices = {str(device) for device in row["device"].values.ravel()} - {""}
        resumed = "fit_resumed" in row and bool(row["fit_resumed"].values.any())
        facts[str(config)] = {**given, "device": " and ".join(sorted(devices)), "resumed": resumed}
    return facts


def _trials(tree: xr.DataTree, dataset: str, noise: float | None) -> list[Trial]:
    node = tree.children.get(dataset)
    if node is None or "trials" not in node.children:
        return []
    tried = node.children["trials"].to_dataset(inherit=False)
    columns = ("trial_noise", "trial_config", "trial_seed", "parameters", "value")
    return [
        Trial(str(config), int(seed), json.loads(str(parameters)), float(value))
        for level, config, seed, parameters, value in zip(*(tried[name].values for name in columns), strict=True)
        if _noise(level) == noise
    ]


def _noise(noise: float) -> float | None:
    """Return a noise level as suites have it; results hold NaN where there is none."""
    return None if np.isnan(noise) else float(noise)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
