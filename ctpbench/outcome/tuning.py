"""What tuning tried, as the results hold it: the trials of each row, and the score that it went by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from ctpbench.contract.components import Better
from ctpbench.outcome.scores import units_text
from ctpbench.running.record import Status, Trial

_PLACE = ("trial_config", "trial_noise", "trial_seed")
_COLUMNS = ("parameters", "status", "message")
_NUMBERS = ("value", "so_far", "scored_on", "cases")  # the last three are missing in older results,
_TUNED_BY = ("tuned_by_metric", "tuned_by_map", "tuned_by_better")  # as are these in still older ones


@dataclass(frozen=True)
class Tuning:
    """What tuning tried for one row at one noise level.

    Attributes
    ----------
    score, units : str
        The score column that tuning went by, on the validation split, and its units; empty where the results do not
        say.
    better : {"lower", "higher", "zero"} or None
        None where the results do not say.
    trials : mapping
        By seed, in the order they were tried.
    """

    score: str
    units: str
    better: Better | None
    trials: Mapping[int, Sequence[Trial]]

    def numbers(self) -> list[str]:
        """Return the parameters that are numbers in any trial."""
        tried = [item for trials in self.trials.values() for trial in trials for item in trial.parameters.items()]
        return list(dict.fromkeys(name for name, value in tried if is_number(value)))


def tunings(node: xr.DataTree) -> dict[tuple[str, float | None], Tuning]:
    """Return what tuning tried by row and noise level (None where there is none), in the order of the results.

    Parameters
    ----------
    node : DataTree
        A dataset's group of a results tree.
    """
    if "trials" not in node.children:
        return {}
    table = node.children["trials"].to_dataset(inherit=False)
    tried: dict[tuple[str, float | None], dict[int, list[Trial]]] = {}
    went_by: dict[tuple[str, float | None], Sequence[str]] = {}
    blank = np.full(table.sizes["trial"], "")
    unknown = np.full(table.sizes["trial"], np.nan)
    objectives = zip(*(table[name].values if name in table else blank for name in _TUNED_BY), strict=True)
    places = zip(*(table[name].values for name in _PLACE), strict=True)
    texts = zip(*(table[name].values for name in _COLUMNS), strict=True)
    numbers = zip(*(table[name].values if name in table else unknown for name in _NUMBERS), strict=True)
    trials = (_trial(*said, *known) for said, known in zip(texts, numbers, strict=True))
    for (config, noise, seed), trial, objective in zip(places, trials, objectives, strict=True):
        place = (str(config), noise_of(noise))
        tried.setdefault(place, {}).setdefault(int(seed), []).append(trial)
        went_by.setdefault(place, [str(part) for part in objective])
    data = node.to_dataset(inherit=False)
    return {place: Tuning(*_score(data, *went_by[place]), trials) for place, trials in tried.items()}


def stopped_early(node: xr.DataTree) -> dict[float | None, tuple[int, int]]:
    """Return on how many cases trials were scored, and on how many more with none stopped, by noise level.

    Levels at which none was stopped are left out.
    """
    counts: dict[float | None, tuple[int, int]] = {}
    for (_, noise), tuning in tunings(node).items():
        for trial in (trial for trials in tuning.trials.values() for trial in trials):
            done, saved = counts.get(noise, (0, 0))
            known = trial.scored_on or 0
            counts[noise] = done + known, saved + ((trial.cases or 0) - known if trial.stopped else 0)
    return {noise: (done, saved) for noise, (done, saved) in counts.items() if saved}


def _trial(
    parameters: str, status: Status, message: str, value: float, so_far: float, scored_on: float, cases: float
) -> Trial:
    return Trial(
        parameters=json.loads(parameters),
        value=_known(value),
        status=status,
        message=message,
        so_far=_known(so_far),
        scored_on=None if np.isnan(scored_on) else int(scored_on),
        cases=None if np.isnan(cases) else int(cases),
    )


def _score(data: xr.Dataset, metric: str, at_map: str, better: Any) -> tuple[str, str, Better | None]:
    """Return the column, the units and the direction of what tuning went by."""
    if metric not in data:
        return metric, "", better or None
    column = f"{metric}_{at_map}" if "map" in data[metric].dims else metric
    return column, units_text(data[metric].attrs, at_map), better or None


def _known(number: float) -> float | None:
    return None if np.isnan(number) else float(number)


def noise_of(noise: float) -> float | None:
    """Return a noise level as suites have it; results hold NaN where there is none."""
    return None if np.isnan(noise) else float(noise)


def is_number(value: Any) -> bool:
    """Whether a parameter's value is a number, which true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)
