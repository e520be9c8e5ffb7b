"""Errors of perfusion maps, voxel by voxel: RMSE, MAE, bias and Lin's concordance."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field, field_validator

from ctpbench import MAPS, Metric, ScoredCase
from ctpbench.arrays import Float64, Mask
from ctpbench_metrics.references import Against, reference_maps, reference_needs
from ctpbench_metrics.regions import Region, region_mask, region_needs
from ctpbench_metrics.scores import per_map

if TYPE_CHECKING:
    import xarray as xr


def rmse(prediction: Float64, reference: Float64) -> float:
    """Return the root-mean-square error, in the arrays' unit; both of one shape, float64."""
    return float(np.sqrt(np.mean((prediction - reference) ** 2)))


def mae(prediction: Float64, reference: Float64) -> float:
    """Return the mean absolute error, in the arrays' unit; both of one shape, float64."""
    return float(np.mean(np.abs(prediction - reference)))


def bias(prediction: Float64, reference: Float64) -> float:
    """Return the mean of prediction - reference, in the arrays' unit; both of one shape, float64."""
    return float(np.mean(prediction - reference))


def concordance(prediction: Float64, reference: Float64) -> float:
    """Return Lin's concordance correlation coefficient, from -1 to 1, of two arrays of one shape, float64.

    NaN where both are the same constant: there is nothing to correlate.

    Notes
    -----
    Lin 1989, Biometrics 45:255-268, with the moments over n that he uses:
    ``2 cov(p, r) / (var(p) + var(r) + (mean(p) - mean(r))^2)``.
    """
    spread = np.var(prediction) + np.var(reference) + (np.mean(prediction) - np.mean(reference)) ** 2
    if spread == 0:
        return float("nan")
    covariance = np.mean((prediction - np.mean(prediction)) * (reference - np.mean(reference)))
    return float(2 * covariance / spread)


class MapMetric(Metric):
    """Base of the metrics that give one number a map: it picks the reference, clips MTT and finds the voxels.

    Compared are the voxels of the region whose reference is finite. A map without any scores NaN.
    """

    against: Against = "noiseless"
    region: Region = "parenchyma"
    mtt_range_s: Annotated[
        tuple[float, float] | None,
        Field(description="both sides' MTT is clipped to it first; null: not clipped"),
    ] = (0.0, 10.0)

    @field_validator("mtt_range_s")
    @classmethod
    def _in_order(cls, limits: tuple[float, float] | None) -> tuple[float, float] | None:
        if limits is not None and not limits[0] < limits[1]:
            raise ValueError(f"got {list(limits)}; allowed: [low, high] with low below high, or null")
        return limits

    @property
    def needs(self) -> frozenset[str]:
        return reference_needs(self.against) | region_needs(self.region)

    @abstractmethod
    def compare(self, name: str, prediction: Float64, reference: Float64, mask: Mask) -> float:
        """Return the score of the map `name`: arrays (z, y, x), float64, and a mask, bool, not empty."""

    def score(self, case: ScoredCase) -> xr.DataArray:
        """Return the score of each map, (map)."""
        references, inside = reference_maps(case, self.against), region_mask(case, self.region)
        names = [name for name in case.maps["map"].values.tolist() if name in MAPS]
        scores = []
        for name in names:
            prediction = case.maps.sel(map=name).values.astype(np.float64)
            reference = references.sel(map=name).values.astype(np.float64)
            if name == "mtt" and self.mtt_range_s is not None:
                prediction, reference = (np.clip(side, *self.mtt_range_s) for side in (prediction, reference))
            mask = inside & np.isfinite(reference)
            scores.append(self.compare(name, prediction, reference, mask) if mask.any() else np.nan)
        return per_map(scores, names)


class Rmse(MapMetric):
    """Root-mean-square error of each map over a region, in the map's unit.

    The paper's figure of merit (Wu, Ren and Li, section V-C), there against the noiseless maps. As its
    authors did, MTT is clipped to 0-10 s on both sides first. A penumbra's MTT is longer (11-13 s in the
    phantom) and then counts as 10 s: widen `mtt_range_s`, or set it to null, to see errors there. NaN where
    the region has no voxel with a reference.
    """

    name, version = "rmse", "2"
    better, units, best = "lower", "map", 0.0

    def compare(self, name: str, prediction: Float64, reference: Float64, mask: Mask) -> float:
        return rmse(prediction[mask], reference[mask])


class Mae(MapMetric):
    """Mean absolute error of each map over a region, in the map's unit.

    Unlike RMSE it is not ruled by a few voxels far off. MTT is clipped to 0-10 s on both sides first, as the
    paper's authors (Wu, Ren and Li) do for RMSE; see `mtt_range_s`. NaN where the region has no voxel with a
    reference.
    """

    name, version = "mae", "2"
    better, units, best = "lower", "map", 0.0

    def compare(self, name: str, prediction: Float64, reference: Float64, mask: Mask) -> float:
        return mae(prediction[mask], reference[mask])


class Bias(MapMetric):
    """Mean of the method's map minus the reference over a region, in the map's unit, with its sign.

    Positive: the method overestimates. The maximum in CBF turns noise into positive bias (paper: Wu, Ren and Li,
    eq. 17 and section VI-C). MTT is clipped to 0-10 s on both sides first; see `mtt_range_s`. NaN where the region
    has no voxel with a reference.
    """

    name, version = "bias", "2"
    better, units = "zero", "map"

    def compare(self, name: str, prediction: Float64, reference: Float64, mask: Mask) -> float:
        return bias(prediction[mask], reference[mask])


class Concordance(MapMetric):
    """Lin's concordance correlation coefficient of each map over a region, from -1 to 1.

    One where method and reference are equal; unlike Pearson's r it falls with a wrong scale or offset too.
    MTT is clipped to 0-10 s on both sides first; see `mtt_range_s`. NaN where both are one constant, or the region
    has no voxel with a reference.

    Source: L. I-K. Lin, "A concordance correlation coefficient to evaluate reproducibility", Biometrics 45
    (1989) 255-268.
    """

    name, version = "ccc", "2"
    better, units, best = "higher", "1", 1.0

    def compare(self, name: str, prediction: Float64, reference: Float64, mask: Mask) -> float:
        return concordance(prediction[mask], reference[mask])
