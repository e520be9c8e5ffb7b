"""Metrics become columns of numbers: one for each map and region that a metric keeps, and how numbers are shown."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from ctpbench.arrays import Array, Float64
from ctpbench.contract.components import Better
from ctpbench.outcome.rows import faults
from ctpbench.outcome.statistics import patient_means
from ctpbench.outcome.variables import PATIENT

Grid = Array
"""One value for each row of the suite and noise level, (config, noise)."""

CURVE_DIMS = ("time", "frequency")

_TABLE_DIMS = {"config", "noise", "seed", "case", "map", "roi", *CURVE_DIMS}
_ACRONYMS = {"aif", "cbf", "cbv", "ccc", "cnr", "fwhm", "hu", "mae", "mtt", "nps", "psnr", "rmse", "roi", "ssim", "ttp"}


@dataclass(frozen=True)
class Score:
    """A score column: one metric, at one map and region where it has those.

    Attributes
    ----------
    column : str
        ``metric[_map][_roi]``.
    title, units : str
        As people read them; no units where the score has none.
    better : {"lower", "higher", "zero", "none"} or None
        None for a metric that failed in every cell, of which nothing is known.
    metric, map, roi : str
        The metric's label, and the map and region where it has those.
    over : tuple of str
        What the column is the mean over, of a metric that keeps time or frequency.
    """

    column: str
    title: str
    units: str
    better: Better | None
    metric: str
    map: str = ""
    roi: str = ""
    over: tuple[str, ...] = ()

    def __deepcopy__(self, memo: object) -> Score:
        """Return itself: pandas copies what a table's attributes hold with every operation."""
        return self

    @property
    def ranks(self) -> bool:
        """Whether any way of it is better."""
        return self.better not in (None, "none")


@dataclass(frozen=True)
class ScoreGrid:
    """The values of a score, patient by patient.

    Attributes
    ----------
    score : Score
    patients : tuple of str
        Whose the values are, in order; empty where older results do not say: then all cases count as one's.
    values : array, (config, noise, seed, patient)
        The mean over a patient's cases, and over time or frequency where the metric keeps those.
    """

    score: Score
    patients: tuple[str, ...]
    values: Float64


def score_grids(data: xr.Dataset) -> Iterator[ScoreGrid]:
    """Yield every score that has a value in a dataset's group, by patient.

    Where the metric failed in a seed of a row, the mean over the others is no score of the row: NaN.
    """
    patients, groups = patients_of(data)
    failed = faults(data)
    for score, values in case_scores(data):
        lost = np.array([[score.metric in named for named in row] for row in failed], dtype=bool).reshape(failed.shape)
        means = patient_means(values, groups)
        if np.isfinite(means).any():
            yield ScoreGrid(score, patients, np.where(lost[..., None, None], np.nan, means))


def patients_of(data: xr.Dataset) -> tuple[tuple[str, ...], list[str]]:
    """Return the patients of a dataset's group, none where it does not say, and for each case whose it is."""
    groups = [str(patient) for patient in data[PATIENT].values] if PATIENT in data.coords else []
    return tuple(dict.fromkeys(groups)), groups or [""] * data.sizes["case"]


def case_scores(data: xr.Dataset) -> Iterator[tuple[Score, Float64]]:
    """Yield every score with its values, (config, noise, seed, case); over time or frequency it is the mean."""
    for name, per_case in _per_case(data):
        values = data[name]
        over = tuple(dim for dim in CURVE_DIMS if dim in values.dims)
        axes = [dim for dim in ("map", "roi") if dim in values.dims]
        for labels in product(*(values[dim].values for dim in axes)):
            where = dict(zip(axes, labels, strict=True))
            part = per_case.sel(where).transpose("config", "noise", "seed", "case").values
            column = "_".join(map(str, (name, *labels)))
            at_map, at_roi = (str(where.get(dim, "")) for dim in ("map", "roi"))
            units = units_text(values.attrs, at_map)
            score = Score(
                column, title_of(column), units, values.attrs["better"] or None, str(name), at_map, at_roi, over
            )
            yield score, part


def count_cases(data: xr.Dataset, by: str = "case") -> Grid:
    """Return how many cases, or with `by` how many of another coordinate of theirs, have any score, (config, noise)."""
    counted = xr.zeros_like(data["denoise_s"].isel(seed=0), dtype=bool)
    for _, per_case in _per_case(data):
        known = per_case.notnull()
        counted = counted | known.any(set(known.dims) - set(counted.dims))
    if by != "case":
        counted = counted.groupby(by).any()
    return counted.sum(by).transpose("config", "noise").values


def _per_case(data: xr.Dataset) -> Iterator[tuple[Hashable, xr.DataArray]]:
    """Yield each metric with its mean over time and frequency, (config, noise, seed, case[, map][, roi])."""
    for name, values in data.data_vars.items():
        if "better" in values.attrs and set(values.dims) <= _TABLE_DIMS:
            per_case = values
            for dim in (dim for dim in CURVE_DIMS if dim in values.dims):
                per_case = per_case.mean(dim)
            yield name, per_case


def title_of(name: str) -> str:
    """Return a label or column as people read it.

    >>> title_of("rmse_cbf"), title_of("ssim_tmax"), title_of("lesion_dice_core")
    ('RMSE CBF', 'SSIM Tmax', 'lesion dice core')
    """
    parts = [part.upper() if part in _ACRONYMS else part for part in name.split("_")]
    return " ".join(parts).replace("tmax", "Tmax")


def units_text(attrs: Mapping[str, Any], at_map: str) -> str:
    """Return a metric's units as people write them; those of the map where the metric has the maps' units."""
    if attrs["units"] == "map":
        return str(attrs.get(f"units_{at_map}", ""))
    return "" if attrs["units"] == "1" else str(attrs["units"])


def decimals(value: float, digits: int) -> int:
    """Return how many decimals show `digits` significant digits; 0 for zero and for NaN."""
    if not np.isfinite(value) or value == 0:
        return 0
    return min(max(digits - 1 - int(np.floor(np.log10(abs(value)))), 0), 9)


def rounded(value: float, digits: int) -> str:
    """Return a number with `digits` significant digits and no exponent; nothing for NaN."""
    return "" if np.isnan(value) else f"{value:.{decimals(value, digits)}f}"


def interval_text(value: float, low: float, high: float) -> str:
    """Return a value with its interval, to two significant digits of half the interval's width.

    >>> interval_text(0.1234, -0.0321, 0.2789), interval_text(12.0, 11.0, 13.2)
    ('0.12 [-0.03, 0.28]', '12.0 [11.0, 13.2]')
    """
    common = decimals((high - low) / 2, 2)
    shown, *ends = (f"{round(number, common) + 0.0:.{common}f}" for number in (value, low, high))  # no -0.00
    return f"{shown} [{', '.join(ends)}]"
