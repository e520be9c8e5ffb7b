"""Bias and noise of the concentration in flat normal white matter: what can be measured without a noiseless scan."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from ctpbench import Metric, ScoredCase
from ctpbench.arrays import Float32, Float64, Mask
from ctpbench_metrics.scores import one, per_frame

if TYPE_CHECKING:
    import xarray as xr


def roi_mask(case: ScoredCase, name: str) -> Mask:
    """Return a region of interest of a case without its vessels, (z, y, x), bool: empty where there is none."""
    if name not in case.rois["roi"].values:
        return np.zeros_like(case.observation.tissue)
    return case.rois.sel(roi=name).values & case.observation.tissue


class WhiteMatterMetric(Metric):
    """Base of the metrics of the concentration in white matter, frame by frame."""

    over_time: Annotated[
        Literal["each", "mean"], Field(description="a score for each frame, or one: the mean of their sizes")
    ] = "each"

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"concentration", "rois"})

    @abstractmethod
    def measure(self, curves: Float64, noisy: Float32) -> Float64:
        """Return the score of each frame, (time), from the method's concentration and the noisy frames.

        Both (time, voxel) in the region and not empty, HU.
        """

    def score(self, case: ScoredCase) -> xr.DataArray:
        """Return the score of each frame, (time), or one number."""
        inside = roi_mask(case, "white_matter")
        scores = np.full(case.concentration.sizes["time"], np.nan)
        if inside.any():
            curves = case.concentration.values[:, inside].astype(np.float64)
            scores = self.measure(curves, case.observation.frames.values[:, inside])
        if self.over_time == "mean":
            return one(np.abs(scores).mean())
        return per_frame(scores, case.observation.times_s)


class RoiBias(WhiteMatterMetric):
    """Mean of the method's concentration minus that of the noisy scan in flat normal white matter, in HU.

    Frame by frame, with its sign: what the method adds to or takes from a curve that needs no filter, as the mean
    over a region has little noise. That noise is the reference's, so a perfect method scores near 0, not 0. With
    `over_time` mean, the mean of the frames' absolute values, as in the paper's published code (BiasStdEvals). NaN
    where no white matter is known or found.

    Source: Wu, Ren and Li, section V-C and Fig. 8 (a box plot of all frames).
    """

    name, version = "roi_bias", "1"
    better, units = "zero", "HU"

    baseline_frames: Annotated[int, Field(ge=1, description="early frames that make the noisy scan's baseline")] = 2

    def measure(self, curves: Float64, noisy: Float32) -> Float64:
        from ctpbench.perfusion import subtract_baseline  # loads scipy, which listing the metrics need not

        reference = subtract_baseline(noisy, self.baseline_frames)
        return curves.mean(axis=1) - reference.mean(axis=1, dtype=np.float64)


class RoiStd(WhiteMatterMetric):
    """Standard deviation of the method's concentration over the voxels of flat normal white matter, in HU.

    Frame by frame, over all slices together and over n: noise, with what structure the region has. With `over_time`
    mean, the mean over the frames. Oversmoothing lowers it too; see `roi_bias` and `edge_fwhm`. NaN where no white
    matter is known or found.

    Source: Wu, Ren and Li, section V-C and Fig. 8 (a box plot of all frames).
    """

    name, version = "roi_std", "1"
    better, units, best = "lower", "HU", 0.0

    def measure(self, curves: Float64, noisy: Float32) -> Float64:
        return curves.std(axis=1)
