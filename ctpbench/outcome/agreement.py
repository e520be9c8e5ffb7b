"""How far a metric agrees with the one that gives its reference, over the patients of a dataset's noise level.

A reading is one case of each patient, by one training: a scan as a reader meets it. The draws of a patient's noise and
the seeds of a row's training are readings of their own, each held against the reference by itself, and the numbers are
the means over readings, by how many patients each has. Were draws averaged first, the limits would be those of the mean
of several scans, which no reader sees (Bland and Altman 1999, section 5). Intervals are means over readings, too: as
wide as one reading's, for more readings are no more patients.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args

import numpy as np
import pandas as pd
import xarray as xr

from ctpbench.arrays import Float64, Mask
from ctpbench.contract.components import Quantity
from ctpbench.outcome.leaderboard import metric_faults
from ctpbench.outcome.scores import Score, case_scores
from ctpbench.outcome.statistics import (
    BlandAltman,
    Estimate,
    Interval,
    bland_altman,
    cohens_kappa,
    intraclass_correlation,
)
from ctpbench.outcome.variables import PATIENT, axis_of
from ctpbench.text import NoiseAxis

_LEAST = 2  # patients: differences of one have no spread

_ESTIMATES = {"number": ("bias", "lower", "upper", "icc"), "decision": ("kappa",)}
_PLACE = ("dataset", "noise", "config", "metric", "reference", "map", "roi", "quantity", "units")


@dataclass(frozen=True, eq=False)
class Agreement:
    """One row of the suite at one noise level: what its maps say, held against what they should say.

    Attributes
    ----------
    dataset : str
    noise : float
        NaN where the suite names none.
    axis : NoiseAxis
        What the noise level is.
    config : str
        The row's label.
    score, reference : Score
        The metric and the one that it agrees with, at the same map and region.
    quantity : {"number", "decision"}
    first, second : array, (reading, patient)
        The score and its reference; NaN where there is none.
    """

    dataset: str
    noise: float
    axis: NoiseAxis
    config: str
    score: Score
    reference: Score
    quantity: Quantity
    first: Float64
    second: Float64

    @cached_property
    def patients(self) -> int:
        """How many patients have both in any reading."""
        return int(self._known.any(axis=0).sum())

    @cached_property
    def readings(self) -> int:
        """How many readings have both of any patient."""
        return int(self._known.any(axis=1).sum())

    @cached_property
    def limits(self) -> BlandAltman:
        """Bias and limits of agreement, of the score less its reference."""
        each = [bland_altman(*pair) for pair in self._pairs]
        bias, lower, upper = (_over([getattr(limits, name) for limits in each]) for name in ("bias", "lower", "upper"))
        sd = _mean([limits.sd for limits in each], [limits.bias.patients for limits in each])
        return BlandAltman(bias, sd, lower, upper)

    @cached_property
    def icc(self) -> Estimate:
        """ICC(2,1): how far score and reference are one number, as a share of how far patients differ."""
        return _over([intraclass_correlation(np.stack(pair, axis=1)) for pair in self._pairs])

    @cached_property
    def kappa(self) -> Estimate:
        """Cohen's kappa of decisions."""
        return _over([cohens_kappa(*pair) for pair in self._pairs])

    @cached_property
    def agreed(self) -> float:
        """The share of patients about whom both decide alike; NaN of none."""
        alike = (self.first == self.second)[self._known]
        return float(alike.mean()) if alike.size else float("nan")

    @property
    def estimates(self) -> dict[str, Estimate]:
        """What there is of its kind by name: bias, lower, upper and icc of numbers, kappa of decisions."""
        if self.quantity == "decision":
            return {"kappa": self.kappa}
        return {"bias": self.limits.bias, "lower": self.limits.lower, "upper": self.limits.upper, "icc": self.icc}

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why values or intervals are missing, each reason once."""
        return tuple(dict.fromkeys(estimate.reason for estimate in self.estimates.values() if estimate.reason))

    @property
    def _pairs(self) -> list[tuple[Float64, Float64]]:
        return list(zip(self.first, self.second, strict=True))

    @property
    def _known(self) -> Mask:
        return ~np.isnan(self.first) & ~np.isnan(self.second)


def agreements(tree: xr.DataTree, frame: pd.DataFrame) -> list[Agreement]:
    """Return every agreement that a results tree holds: of rows that went well, over two patients or more.

    A metric is held against each metric of the suite that goes by the name it agrees with, whatever their labels.

    Parameters
    ----------
    tree : DataTree
        As made by `ctpbench.outcome.results.build`.
    frame : DataFrame
        Its leaderboard, whose order they have: dataset, noise level, metric, row.
    """
    found = []
    for label, node in tree.children.items():
        data = node.to_dataset(inherit=False)
        pairs = _pairs(data) if PATIENT in data.coords else []
        board = frame[frame["dataset"] == label] if pairs else frame[:0]
        for _, block in board.groupby("noise", sort=False, dropna=False):
            rows = [row for row in block.to_dict("records") if row["status"] == "ok"]
            made = [_agreement(data, pair, row) for pair in pairs for row in rows]
            found += [one for one in made if one is not None and one.patients >= _LEAST]
    return found


def to_table(found: Sequence[Agreement]) -> pd.DataFrame:
    """Return agreements as a table, a row for each: values, with ``_low`` and ``_high`` their intervals."""
    names = [name for quantity in get_args(Quantity) for name in _ESTIMATES[quantity]]
    ends = [column for name in names for column in (name, f"{name}_low", f"{name}_high")]
    columns = [*_PLACE, "n_patients", "n_readings", "sd", *ends, "agreed", "reason"]
    return pd.DataFrame(map(_as_row, found), columns=columns)


_Pair = tuple[tuple[Score, Float64], tuple[Score, Float64]]


def _pairs(data: xr.Dataset) -> list[_Pair]:
    """Return each score that agrees with another, and that other at the same map and region, with their values."""
    scores = [(score, values) for score, values in case_scores(data) if not score.over]
    known = {(score.metric, score.map, score.roi): (score, values) for score, values in scores}
    pairs = []
    for score, values in scores:
        wanted = data[score.metric].attrs.get("agrees_with")
        labels = [name for name in data.data_vars if wanted and data[name].attrs.get("metric") == wanted]
        others = (known.get((str(name), score.map, score.roi)) for name in labels)
        pairs += [((score, values), other) for other in others if other is not None]
    return pairs


def _agreement(data: xr.Dataset, pair: _Pair, row: dict[Hashable, Any]) -> Agreement | None:
    """Return the agreement of a row of the leaderboard; None where one of the two metrics failed in it."""
    (score, values), (reference, others) = pair
    if {score.metric, reference.metric} & metric_faults(row).keys():
        return None
    noise, levels = float(row["noise"]), data["noise"].values
    i = data["config"].values.tolist().index(row["config"])
    j = int(np.flatnonzero((levels == noise) | (np.isnan(levels) & np.isnan(noise)))[0])
    quantity: Quantity = "decision" if data[score.metric].attrs["quantity"] == "decision" else "number"
    first, second = (_readings(array[i, j], data[PATIENT].values.tolist()) for array in (values, others))
    dataset, config = str(row["dataset"]), str(row["config"])
    return Agreement(dataset, noise, axis_of(data), config, score, reference, quantity, first, second)


def _readings(values: Float64, patients: Sequence[Hashable]) -> Float64:
    """Return values (seed, case) as (reading, patient): the first case of each patient, the second, and so on."""
    order = list(dict.fromkeys(patients))
    seen = dict.fromkeys(order, 0)
    places = []
    for patient in patients:
        places.append((seen[patient], order.index(patient)))
        seen[patient] += 1
    readings = np.full((len(values), max(seen.values(), default=0), len(order)), np.nan)
    for case, (reading, patient) in enumerate(places):
        readings[:, reading, patient] = values[:, case]
    return readings.reshape(-1, len(order))


def _over(estimates: Sequence[Estimate]) -> Estimate:
    """Return the mean of what readings say, of value and interval; where no reading has one, why the first has none."""
    whole = [(estimate.interval, estimate.patients) for estimate in estimates if estimate.interval]
    interval = None
    if whole:
        low, high = (_mean([getattr(i, end) for i, _ in whole], [n for _, n in whole]) for end in ("low", "high"))
        interval = Interval(low, high)
    patients = [estimate.patients for estimate in estimates]
    reason = "" if whole else next((estimate.reason for estimate in estimates if estimate.reason), "")
    return Estimate(_mean([estimate.value for estimate in estimates], patients), interval, max(patients), reason)


def _mean(values: Sequence[float], weights: Sequence[int]) -> float:
    """Return the weighted mean of the values that are known; NaN of none."""
    known = [(value, weight) for value, weight in zip(values, weights, strict=True) if not np.isnan(value)]
    if not known:
        return float("nan")
    return float(np.average([value for value, _ in known], weights=[weight for _, weight in known]))


def _as_row(one: Agreement) -> dict[str, Any]:
    place = (one.dataset, one.noise, one.config, one.score.metric, one.reference.metric, one.score.map, one.score.roi)
    row: dict[str, Any] = dict(zip(_PLACE, (*place, one.quantity, one.score.units), strict=True))
    row |= {"n_patients": one.patients, "n_readings": one.readings, "reason": "; ".join(one.reasons)}
    row |= {"agreed": one.agreed} if one.quantity == "decision" else {"sd": one.limits.sd}
    for name, estimate in one.estimates.items():
        row[name] = estimate.value
        if estimate.interval:
            row |= {f"{name}_low": estimate.interval.low, f"{name}_high": estimate.interval.high}
    return row
