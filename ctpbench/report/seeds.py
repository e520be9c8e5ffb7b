"""Curves of several seeds as one: their median, and the range that they span."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ctpbench.arrays import Float64


@dataclass(frozen=True, eq=False)
class Curve:
    """A curve of one seed, or of several: their median.

    Attributes
    ----------
    x, y : array, (points)
        x rises from point to point.
    range : pair of arrays, (points), or None
        The least and the greatest y of the seeds; None for a single one.
    seeds : int
    """

    x: Float64
    y: Float64
    range: tuple[Float64, Float64] | None = None
    seeds: int = 1


def curve_of(of_seeds: Sequence[tuple[Float64, Float64]], *, between: bool) -> Curve:
    """Return the curve of seeds, each given as x and y, at every x that one of them has.

    Parameters
    ----------
    of_seeds : sequence of (array, array), (points)
        One or more, each with x that rises.
    between : bool
        Whether a seed has a value between two of its points: then it counts there, on the line through them.

    Examples
    --------
    >>> one, other = ([0, 1, 2], [5, 4, 3]), ([0, 2], [7, 7])
    >>> seen = curve_of([tuple(map(np.array, seed)) for seed in (one, other)], between=True)
    >>> seen.y.tolist(), [end.tolist() for end in seen.range]
    ([6.0, 5.5, 5.0], [[5.0, 4.0, 3.0], [7.0, 7.0, 7.0]])
    """
    if len(of_seeds) == 1:
        return Curve(*of_seeds[0])
    x = np.unique(np.concatenate([at for at, _ in of_seeds]))
    values = np.full((len(of_seeds), x.size), np.nan)
    for row, (at, y) in zip(values, of_seeds, strict=True):
        if between:
            row[:] = np.interp(x, at, y, left=np.nan, right=np.nan)
        else:
            row[np.searchsorted(x, at)] = y
    ends = (np.nanmin(values, axis=0), np.nanmax(values, axis=0))
    return Curve(x, np.nanmedian(values, axis=0), ends, len(of_seeds))
