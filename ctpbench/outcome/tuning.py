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

_COLUMNS = ("trial_config", "trial_noise", "trial_seed", "parameters", "value", "status", "message")
_TUNED_BY = ("tuned_by_metric", "tuned_by_map", "tuned_by_better")  # which older results do not have


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
    objectives = zip(*(table[name].values if name in table else blank for name in _TUNED_BY), strict=True)
    rows = zip(*(table[name].values for name in _COLUMNS), strict=True)
    for (config, noise, seed, *trial), objective in zip(rows, objectives, strict=True):
        place = (str(config), noise_of(noise))
        tried.setdefault(place, {}).setdefault(int(seed), []).append(_trial(*trial))
        went_by.setdefault(place, [str(part) for part in objective])
    data = node.to_dataset(inherit=False)
    return {place: Tuning(*_score(data, *went_by[place]), trials) for place, trials in tried.items()}


def _trial(parameters: str, value: float, status: Status, message: str) -> Trial:
    known = None if np.isnan(value) else float(value)
    return Trial(parameters=json.loads(parameters), value=known, status=status, message=message)


def _score(data: xr.Dataset, metric: str, at_map: str, better: Any) -> tuple[str, str, Better | None]:
    """Return the column, the units and the direction of what tuning went by."""
    if metric not in data:
        return metric, "", better or None
    column = f"{metric}_{at_map}" if "map" in data[metric].dims else metric
    return column, units_text(data[metric].attrs, at_map), better or None


def noise_of(noise: float) -> float | None:
    """Return a noise level as suites have it; results hold NaN where there is none."""
    return None if np.isnan(noise) else float(noise)


def is_number(value: Any) -> bool:
    """Whether a parameter's value is a number, which true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)
