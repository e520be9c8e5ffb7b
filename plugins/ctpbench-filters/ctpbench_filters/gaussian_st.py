"""The Gaussian filter in space and over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from ctpbench import Context, Observation
from ctpbench_filters.gaussian import Gaussian

if TYPE_CHECKING:
    import xarray as xr


class GaussianSt(Gaussian):
    """Gaussian filter in the image plane, normalised inside the tissue, and over time.

    In space as `gaussian`. Over time each frame of a tissue's pixel becomes the mean of all its frames, weighted by
    ``exp(-(t - t')^2 / (2 sigma_t_s^2))``, the weights of each frame adding to 1: at the ends of the scan it is
    one-sided. Smoothing over time widens the bolus in tissue and not in the AIF, so that MTT grows and CBF falls.
    """

    name, version = "gaussian_st", "1"

    sigma_t_s: Annotated[float, Field(gt=0, le=100, description="standard deviation over time, in s")] = 1.0

    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        """Return filtered frames, (time, z, y, x), float32, HU."""
        smooth = super().denoise(frames, context)
        scan = Observation(frames)
        apart = (scan.times_s[:, None] - scan.times_s) / self.sigma_t_s
        weights = np.exp(-(apart**2) / 2)
        weights /= weights.sum(axis=1, keepdims=True)
        answer = smooth.values
        answer[:, scan.tissue] = weights @ answer[:, scan.tissue]
        return frames.copy(data=answer)
