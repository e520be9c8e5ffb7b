"""Errors of concentration frames, moment by moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ctpbench import Metric, ScoredCase
from ctpbench_metrics.maps import rmse
from ctpbench_metrics.regions import Region, region_mask, region_needs
from ctpbench_metrics.scores import per_frame

if TYPE_CHECKING:
    import xarray as xr


class FrameRmse(Metric):
    """Root-mean-square error of the concentration over a region, frame by frame, in HU.

    Concentration is HU above baseline; the reference is that of the noiseless frames. Not applicable to a
    method that emits no frames; NaN where the region has no voxel.

    Source: Wu, Ren and Li, Fig. 5: the curve peaks where the AIF does.
    """

    name, version = "frame_rmse", "2"
    better, units, best = "lower", "HU", 0.0

    region: Region = "parenchyma"

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"concentration", "noiseless_concentration"}) | region_needs(self.region)

    def score(self, case: ScoredCase) -> xr.DataArray:
        """Return the error of each frame, (time)."""
        inside = region_mask(case, self.region)
        if inside.any():
            pairs = zip(case.concentration.values, case.noiseless_concentration.values, strict=True)
            errors = [rmse(frame[inside].astype(np.float64), clean[inside]) for frame, clean in pairs]
        else:
            errors = [np.nan] * case.concentration.sizes["time"]
        return per_frame(errors, case.observation.times_s)
