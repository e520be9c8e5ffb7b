"""Scores as metrics return them: one number, or one for each map, frame, frequency or region."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float64
from ctpbench_metrics.lesion_rules import ROIS

if TYPE_CHECKING:
    import xarray as xr


def one(score: float) -> xr.DataArray:
    """Return a score that is one number."""
    return _scores(score)


def per_map(scores: Sequence[float], names: Sequence[str]) -> xr.DataArray:
    """Return a score of each map that is named, (map)."""
    return _scores(scores, map=names)


def per_frame(scores: Float64 | Sequence[float], times_s: Float64) -> xr.DataArray:
    """Return a score of each frame, (time), at times in s."""
    return _scores(scores, {"units": "s"}, time=times_s)


def per_frequency(scores: Float64, frequencies: Float64) -> xr.DataArray:
    """Return a score of each frequency, (frequency), in 1/mm."""
    return _scores(scores, {"units": "1/mm"}, frequency=frequencies)


def per_roi(scores: Iterable[float]) -> xr.DataArray:
    """Return a score of core and penumbra, (roi)."""
    return _scores(list(scores), roi=list(ROIS))


def _scores(values: npt.ArrayLike, attrs: Mapping[str, str] | None = None, **along: Any) -> xr.DataArray:
    import xarray as xr  # loads when something is scored: a command that only looks at metrics waits for nothing

    coords = {dim: xr.Variable(dim, labels, attrs) for dim, labels in along.items()}
    return xr.DataArray(np.asarray(values, dtype=np.float64), coords=coords, dims=tuple(along))
