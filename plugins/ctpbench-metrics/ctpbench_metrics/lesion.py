"""Infarct core and penumbra by fixed thresholds: how well their shape and volume survive a method."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import Annotated

import numpy as np
import numpy.typing as npt
import xarray as xr
from pydantic import Field

from ctpbench import Metric, Observation, ScoredCase
from ctpbench.arrays import Float64, Mask
from ctpbench_metrics.maps import Against, reference_maps

ROIS = ("core", "penumbra")


def side_of(brain: Mask) -> npt.NDArray[np.int8]:
    """Return -1, 0 or 1, (x): columns before, on and behind the middle of the brain's extent along x.

    `brain` is bool, (z, y, x). One sagittal plane serves all slices.
    """
    columns = np.flatnonzero(brain.any(axis=(0, 1)))
    return np.sign(2 * np.arange(brain.shape[2]) - (columns[0] + columns[-1])).astype(np.int8)


def infarct_core(cbf: Float64, domain: Mask, sides: npt.NDArray[np.int8], rcbf_threshold: float) -> Mask | None:
    """Return where CBF is below `rcbf_threshold` times the mean CBF of the other side, or None.

    Parameters
    ----------
    cbf : ndarray, (z, y, x), float64, any unit
    domain : ndarray, (z, y, x), bool
        The voxels that may be core and that the means are taken over.
    sides : ndarray, (x), int8
        From `side_of`. On the midline, where neither side is the other, the larger mean (the healthier side)
        counts.
    rcbf_threshold : float

    Returns
    -------
    ndarray, (z, y, x), bool, or None
        None where the rule cannot be applied: a side without a voxel, or NaN in the domain.
    """
    halves = [cbf[domain & (sides == side)] for side in (-1, 1)]
    if not all(half.size for half in halves) or not np.isfinite(cbf[domain]).all():
        return None
    before, behind = (half.mean() for half in halves)
    other = np.select([sides < 0, sides > 0], [behind, before], max(before, behind))
    return domain & (cbf < rcbf_threshold * other)


def hypoperfused(tmax: Float64, domain: Mask, tmax_threshold_s: float) -> Mask | None:
    """Return where Tmax (s) exceeds the threshold, (z, y, x), bool; None for an empty domain or NaN in it."""
    if not domain.any() or not np.isfinite(tmax[domain]).all():
        return None
    return domain & (tmax > tmax_threshold_s)


def dice(prediction: Mask, reference: Mask) -> float:
    """Return 2 |P and R| / (|P| + |R|): 0 where one mask alone is empty, NaN where both are."""
    size = int(prediction.sum()) + int(reference.sum())
    return 2 * int((prediction & reference).sum()) / size if size else float("nan")


def volume_error(prediction: Mask, reference: Mask, voxel_ml: float) -> float:
    """Return the absolute difference of two masks' volumes in mL, wherever the voxels lie."""
    return abs(int(prediction.sum()) - int(reference.sum())) * voxel_ml


class LesionMetric(Metric):
    """Base of the lesion metrics: draws core and penumbra on the method's maps and on the reference alike."""

    against: Against = "noiseless"
    rcbf_threshold: Annotated[
        float, Field(gt=0, lt=1, description="core: CBF below this part of the other side's mean CBF")
    ] = 0.3
    tmax_threshold_s: Annotated[float, Field(gt=0, description="penumbra: Tmax above this")] = 6.0
    csf_hu: Annotated[
        float | None,
        Field(description="a voxel whose mean over all frames is below is fluid and left out; null: none is"),
    ] = 20.0

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({self.against})

    @abstractmethod
    def compare(self, prediction: Mask, reference: Mask, voxel_ml: float) -> float:
        """Return the score of one region from its two masks, (z, y, x), bool, and a voxel's volume."""

    def score(self, case: ScoredCase) -> xr.DataArray:
        """Return the score of core and penumbra, (roi)."""
        sides = side_of(case.observation.frames["brain"].values)
        rules = {
            "cbf": partial(infarct_core, sides=sides, rcbf_threshold=self.rcbf_threshold),
            "tmax": partial(hypoperfused, tmax_threshold_s=self.tmax_threshold_s),
        }
        voxel_ml = float(np.prod(case.observation.frames.attrs["spacing_mm"])) / 1000
        references, solid = reference_maps(case, self.against), self._solid(case.observation)
        scores = []
        for name, rule in rules.items():
            prediction, reference = (
                maps.reindex(map=[name]).values[0].astype(np.float64) for maps in (case.maps, references)
            )
            domain = solid & np.isfinite(reference)
            drawn, wanted = rule(prediction, domain), rule(reference, domain)
            known = drawn is not None and wanted is not None
            scores.append(self.compare(drawn, wanted, voxel_ml) if known else np.nan)
        return xr.DataArray(np.array(scores, dtype=np.float64), dims=("roi",), coords={"roi": list(ROIS)})

    def _solid(self, observation: Observation) -> Mask:
        """Return the tissue without fluid, (z, y, x), bool: from the scan, so the same for every method."""
        if self.csf_hu is None:
            return observation.tissue
        return observation.tissue & (observation.frames.values.mean(axis=0) >= self.csf_hu)


class LesionDice(LesionMetric):
    """Dice overlap of infarct core and penumbra, drawn alike on the method's maps and on the reference.

    Core: CBF below 30% of the mean CBF of the tissue on the other side of the midline, which is the sagittal
    plane through the middle of the brain mask; both sides are tested, so no side need be known to be ill.
    Penumbra: Tmax above 6 s, the core in it included. Fluid (mean over all frames below `csf_hu`) has no flow
    and would pass for core, so it is in neither and in no mean. Voxels without a reference are left out.

    1: the same voxels; 0: none in common, or one side empty; NaN: both empty, or the maps or a side missing.
    CBF alone also marks white matter of low flow (Campbell 2011), on the reference as on the method's maps.

    Sources: B. C. V. Campbell et al., "Cerebral blood flow is the optimal CT perfusion parameter for
    assessing infarct core", Stroke 42 (2011) 3435-3440. J.-M. Olivot et al., "Optimal Tmax threshold for
    predicting penumbral tissue in acute stroke", Stroke 40 (2009) 469-475. L. R. Dice, Ecology 26
    (1945) 297-302.
    """

    name, version = "lesion_dice", "1"
    better, units = "higher", "1"

    def compare(self, prediction: Mask, reference: Mask, voxel_ml: float) -> float:
        return dice(prediction, reference)


class LesionVolumeError(LesionMetric):
    """Absolute error of the volumes of infarct core and penumbra in mL, by the same thresholds on both sides.

    Core: CBF below 30% of the mean CBF of the tissue on the other side of the midline, which is the sagittal
    plane through the middle of the brain mask; both sides are tested, so no side need be known to be ill.
    Penumbra: Tmax above 6 s, the core in it included. Fluid (mean over all frames below `csf_hu`) has no flow
    and would pass for core, so it is in neither and in no mean. Voxels without a reference are left out.

    The place does not count: see `lesion_dice`. NaN where the maps or a side of the brain are missing.

    Sources: B. C. V. Campbell et al., "Cerebral blood flow is the optimal CT perfusion parameter for
    assessing infarct core", Stroke 42 (2011) 3435-3440. J.-M. Olivot et al., "Optimal Tmax threshold for
    predicting penumbral tissue in acute stroke", Stroke 40 (2009) 469-475.
    """

    name, version = "lesion_volume_error", "1"
    better, units = "lower", "mL"

    def compare(self, prediction: Mask, reference: Mask, voxel_ml: float) -> float:
        return volume_error(prediction, reference, voxel_ml)
