"""What the results of one dataset hold at one noise level, as claims ask for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ctpbench.contract.better import cost
from ctpbench.contract.components import Better
from ctpbench.outcome.comparison import UNKNOWN, Comparison, Where, by_level
from ctpbench.outcome.leaderboard import leaderboard, metric_faults
from ctpbench.outcome.scores import Score, patients_of, score_grids
from ctpbench.outcome.statistics import Estimate, mean_interval, patient_means
from ctpbench.outcome.tuning import Tuning, is_number, noise_of, tunings
from ctpbench.running.index import PlannedCell
from ctpbench.text import UNKNOWN_AXIS, NoiseAxis

_CURVE_DIMS = {"config", "noise", "seed", "case", "time"}


class Missing(Exception):
    """The results do not hold what a claim asks for; the text says what, and why."""


@dataclass(frozen=True)
class Swept:
    """Tuning's trials along one parameter: by its value the best over the other parameters, the mean over seeds.

    `score` is the score that the values are of, `better` which way it is better.
    """

    score: str
    better: Better
    values: Mapping[float, float]


@dataclass(frozen=True)
class Level:
    """One dataset at one noise level.

    Attributes
    ----------
    dataset, noise : str, float or None
    axis : NoiseAxis
        What the noise level is.
    board : mapping
        The leaderboard's rows here by label, each by column.
    scores : mapping
        The leaderboard's score columns by name.
    comparisons : mapping
        The rows here that went well by each score that has a direction, patient by patient.
    curves : Dataset
        Metrics that keep time, (config, seed, case, time).
    tunings : mapping
        What tuning tried here, by row.
    planned : mapping
        How many seeds the run plans for each row, where that is known.
    facts : mapping
        Of each row its parameters as text, the `device` it ran on, and whether any fit was `resumed`.
    """

    dataset: str
    noise: float | None
    axis: NoiseAxis
    board: Mapping[str, Mapping[Any, Any]]
    scores: Mapping[str, Score]
    comparisons: Mapping[str, Comparison]
    curves: xr.Dataset
    tunings: Mapping[str, Tuning]
    planned: Mapping[str, int]
    facts: Mapping[str, Mapping[str, Any]]

    def tuned(self, label: str) -> list[str]:
        """Return the parameters that were tuned for a row and are numbers."""
        return self.tunings[label].numbers() if label in self.tunings else []

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
        """Return a number of a row, a column of the leaderboard.

        Raises
        ------
        Missing
            Where there is none.
        """
        value = float(self.row(label).get(column, np.nan))
        if np.isnan(value):
            raise self._lacking(label, column)
        return value

    def estimate(self, label: str, score: str) -> Estimate:
        """Return a row's mean score over patients. Raises `Missing` where there is none."""
        compared, place = self._place(label, score)
        return compared.means[place]

    def difference(self, score: str, label: str, other: str) -> Estimate:
        """Return how much better a row is than another, the mean over the patients that both have.

        Raises
        ------
        Missing
            Where either has no such score, or no patient has both.
        """
        (compared, first), (_, second) = self._place(label, score), self._place(other, score)
        return self._shared(compared.pair(first, second).difference, score, label, other)

    def percent(self, score: str, label: str, other: str) -> Estimate:
        """Return how much better a row is than another in percent of the other; raises as `difference`, and of 0."""
        (compared, first), (_, second) = self._place(label, score), self._place(other, score)
        return self._shared(compared.lead(first, second), score, label, other)

    def peak_s(self, label: str, metric: str) -> Estimate:
        """Return when a metric over time is largest in a patient, in s: the mean over patients and seeds.

        A patient's curve is the mean over its cases. Raises `Missing` where there is none.
        """
        row = self.row(label)
        if metric not in self.curves or metric in metric_faults(row):
            raise self._lacking(label, metric)
        cases = self.curves[metric].sel(config=label).transpose("time", "seed", "case").values
        patients, groups = patients_of(self.curves)
        curves = patient_means(cases, groups)
        known = np.isfinite(curves).any(axis=0)
        if not known.any():
            raise self._lacking(label, metric)
        largest = np.where(np.isfinite(curves), curves, -np.inf).argmax(axis=0)
        found = mean_interval(np.where(known, self.curves["time"].values[largest], np.nan))
        return found if patients else replace(found, reason=UNKNOWN)

    def _place(self, label: str, score: str) -> tuple[Comparison, int]:
        """Return what compares rows by a score, and a row's place there; raises `Missing` where it has no value."""
        self.number(label, score)
        if score not in self.comparisons:
            raise self._lacking(label, score)
        return self.comparisons[score], self.comparisons[score].place(label)

    def _shared(self, found: Estimate, score: str, *labels: str) -> Estimate:
        if np.isnan(found.value):
            none = f"no patient with {score} of both"
            raise Missing(f"{', '.join(labels)}: {found.reason if found.patients else none}")
        return found

    def _lacking(self, label: str, column: str) -> Missing:
        """Return what to say of a row without a score: that its metric failed, or that there is none."""
        metric = self.scores[column].metric if column in self.scores else column
        failed = metric in metric_faults(self.board[label])
        return Missing(f"{label}: {metric} failed" if failed else f"{label}: no {column}")

    def ranks_nothing(self, score: str) -> bool:
        """Whether the results know a score and no way of it is better."""
        return score in self.scores and self.scores[score].better == "none"

    def better(self, score: str) -> Better:
        """Return which way a score is better.

        Raises
        ------
        Missing
            Where the results have no such score, or it ranks nothing.
        """
        better = self.scores[score].better if score in self.scores else None
        if better is None or self.ranks_nothing(score):
            raise Missing(f"{score} ranks nothing" if better else f"no {score}")
        return better

    def sweep(self, label: str, parameter: str, score: str | None) -> Swept:
        """Return a row's tuning trials along a parameter, whose values are of the validation split.

        Parameters
        ----------
        label, parameter : str
        score : str or None
            The score that tuning is claimed to have gone by; None: whichever it was.

        Raises
        ------
        Missing
            Where there are none, all trials at a value failed, one was stopped early, or tuning went by another score.
        """
        tuning = self.tunings.get(label, Tuning("", "", None, {}))
        if score and tuning.score and score != tuning.score:
            raise Missing(f"{label}: tuned by {tuning.score}, not by {score}")
        by = tuning.score or score or next(iter(self.scores), "score")
        better = tuning.better or self.better(by)
        best: dict[tuple[float, int], float] = {}
        stopped = [t for trials in tuning.trials.values() for t in trials if t.stopped and parameter in t.parameters]
        if stopped:
            at = f"{parameter}={stopped[0].parameters[parameter]}"
            why = f"a trial at {at} was {stopped[0].message}; 'tune: {{stop_early: false}}' scores it"
            raise Missing(f"{label}: {why}")
        for seed, trial in ((seed, trial) for seed, trials in tuning.trials.items() for trial in trials):
            if is_number(trial.parameters.get(parameter)):
                place = (float(trial.parameters[parameter]), seed)
                value = np.nan if trial.value is None else trial.value
                known = [value for value in (best.get(place, np.nan), value) if not np.isnan(value)]
                best[place] = known[int(np.argmin(cost(np.array(known), better)))] if known else np.nan
        if not best:
            raise Missing(f"{label}: no trials of {parameter}")
        failed = [value for (value, _), scored in best.items() if np.isnan(scored)]
        if failed:
            raise Missing(f"{label}: the trials at {parameter}={failed[0]:g} failed")
        values = sorted({value for value, _ in best})
        means = {value: float(np.mean([b for (at, _), b in best.items() if at == value])) for value in values}
        return Swept(by, better, means)


def lead(better: Better, value: float, other: float) -> float:
    """Return how much better a value is than another, in their units."""
    first, second = cost(np.array([value, other]), better)
    return float(second - first)


def levels(tree: xr.DataTree, cells: Sequence[PlannedCell] = (), frame: pd.DataFrame | None = None) -> list[Level]:
    """Return every level of a results tree, and those without a result of the cells that a run plans.

    `frame` is the leaderboard of the tree, where somebody has it already.
    """
    frame, compared = leaderboard(tree) if frame is None else frame, _compared(tree)
    scores = {score.column: score for score in frame.attrs["scores"]}
    planned: dict[Where, Counter[str]] = {}
    for cell in cells:
        planned.setdefault((cell.dataset, cell.noise), Counter())[cell.config] += 1
    boards: dict[Where, dict[str, Mapping[Any, Any]]] = {}
    for row in frame.to_dict("records"):
        boards.setdefault((row["dataset"], noise_of(row["noise"])), {})[row["config"]] = row
    tried: dict[Where, dict[str, Tuning]] = {}
    for dataset, node in tree.children.items():
        for (config, noise), tuning in tunings(node).items():
            tried.setdefault((dataset, noise), {})[config] = tuning
    return [
        Level(
            dataset,
            noise,
            frame.attrs["axes"].get(dataset, UNKNOWN_AXIS),
            boards.get((dataset, noise), {}),
            scores,
            compared.get((dataset, noise), {}),
            _curves(tree, dataset, noise),
            tried.get((dataset, noise), {}),
            planned.get((dataset, noise), {}),
            _facts(tree, dataset, noise),
        )
        for dataset, noise in dict.fromkeys([*planned, *boards])
    ]


def _compared(tree: xr.DataTree) -> dict[Where, dict[str, Comparison]]:
    """Return the comparisons of each level by score."""
    found: dict[Where, dict[str, Comparison]] = {}
    for label, node in tree.children.items():
        data = node.to_dataset(inherit=False)
        for grid in score_grids(data):
            for noise, comparison in by_level(data, grid).items():
                found.setdefault((str(label), noise), {})[grid.score.column] = comparison
    return found


def _curves(tree: xr.DataTree, dataset: str, noise: float | None) -> xr.Dataset:
    if dataset not in tree.children:
        return xr.Dataset()
    data = tree.children[dataset].to_dataset(inherit=False)
    names = [name for name, v in data.data_vars.items() if "better" in v.attrs and set(v.dims) == _CURVE_DIMS]
    here = [j for j, level in enumerate(data["noise"].values) if noise_of(level) == noise]
    return data.isel(noise=here[0])[names] if here else xr.Dataset()


def _facts(tree: xr.DataTree, dataset: str, noise: float | None) -> dict[str, dict[str, Any]]:
    if dataset not in tree.children:
        return {}
    data = tree.children[dataset].to_dataset(inherit=False)
    here = data.isel(noise=[j for j, level in enumerate(data["noise"].values) if noise_of(level) == noise])
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
