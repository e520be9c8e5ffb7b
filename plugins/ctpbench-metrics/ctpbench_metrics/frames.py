"""Errors of concentration frames, moment by moment."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ctpbench import Metric, ScoredCase
from ctpbench_metrics.maps import rmse


class FrameRmse(Metric):
    """Root-mean-square error of the concentration over the tissue, frame by frame, in HU.

    Concentration is HU above baseline; the reference is that of the noiseless frames. Not applicable to a
    method that emits no frames. Source: Wu, Ren and Li, Fig. 5: the curve peaks where the AIF does.
    """

    name, version = "frame_rmse", "1"
    better, units = "lower", "HU"

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"concentration", "noiseless_concentration"})

    def score(self, case: ScoredCase) -> xr.DataArray:
        """Return the error of each frame, (time)."""
        tissue = case.observation.tissue
        if tissue.any():
            pairs = zip(case.concentration.values, case.noiseless_concentration.values, strict=True)
            errors = [rmse(frame[tissue].astype(np.float64), clean[tissue]) for frame, clean in pairs]
        else:
            errors = [np.nan] * case.concentration.sizes["time"]
        times = xr.Variable("time", case.observation.times_s, {"units": "s"})
        return xr.DataArray(np.array(errors), dims=("time",), coords={"time": times})
