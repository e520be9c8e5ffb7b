"""Which of two scores is better, as one number that is to be made small."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ctpbench.contract.components import Better

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from ctpbench.arrays import Array

Scores = TypeVar("Scores", float, "Array", "xr.DataArray", "pd.Series[float]")


_ROUNDING = 1e-6
"""Share of itself by which a score may be better than the best there is."""


def least_cost(best: float, better: Better) -> float:
    """Return the cost that no score of a metric is below, whose `best` is this: see `ctpbench.Metric`.

    Raises
    ------
    ValueError
        As `cost`.

    Examples
    --------
    >>> least_cost(0.0, "lower"), least_cost(1.0, "higher")
    (0.0, -1.000001)
    """
    return cost(best, better) - _ROUNDING * abs(best)


def cost(values: Scores, better: Better) -> Scores:
    """Return what is to be made small: a score's value, its negative or its distance from zero.

    Parameters
    ----------
    values : float, ndarray, DataArray or Series
        Scores. NaN stays NaN.
    better : {"lower", "higher", "zero"}
        As of the metric.

    Returns
    -------
    float, ndarray, DataArray or Series
        As given, in the scores' unit.

    Raises
    ------
    ValueError
        Where `better` is none of the three: what ranks nothing has no cost.

    Examples
    --------
    >>> [cost(-2.0, better) for better in ("lower", "higher", "zero")]
    [-2.0, 2.0, 2.0]
    """
    if better == "lower":
        return values
    if better == "higher":
        return -values
    if better == "zero":
        return abs(values)
    raise ValueError(f"better: got {better!r}; allowed: lower, higher, zero")
