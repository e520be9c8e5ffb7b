"""Infarct core and penumbra by fixed thresholds: the rules that readers of maps go by."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from ctpbench import Metric, Observation, ScoredCase, class_mask
from ctpbench.arrays import CSF_HU, RCBF_THRESHOLD, TMAX_THRESHOLD_S, Mask
from ctpbench_metrics.references import reference_maps

if TYPE_CHECKING:
    import xarray as xr

ROIS = ("core", "penumbra")
_MAP_OF = {"core": "cbf", "penumbra": "tmax"}


class LesionRules(Metric):
    """Base of the metrics that draw core and penumbra, the core in it included, on maps."""

    rcbf_threshold: Annotated[
        float, Field(gt=0, lt=1, description="core: CBF below this part of the other side's mean CBF")
    ] = RCBF_THRESHOLD
    tmax_threshold_s: Annotated[float, Field(gt=0, description="penumbra: Tmax above this")] = TMAX_THRESHOLD_S
    csf_hu: Annotated[
        float | None,
        Field(description="a voxel whose mean over all frames is below is fluid and left out; null: none is"),
    ] = CSF_HU

    def draw(self, maps: xr.DataArray, domains: Mapping[str, Mask], brain: Mask) -> dict[str, Mask | None]:
        """Return core and penumbra by the rules, (z, y, x), bool; None where a rule cannot be applied.

        Parameters
        ----------
        maps : DataArray, (map, z, y, x), float32
        domains : mapping of ndarray, (z, y, x), bool
            The voxels that may be core, and those that may be penumbra.
        brain : ndarray, (z, y, x), bool
            Its middle is the midline.
        """
        from ctpbench.perfusion import hypoperfused, infarct_core, side_of  # which load scipy

        rules = {
            "core": partial(infarct_core, sides=side_of(brain), rcbf_threshold=self.rcbf_threshold),
            "penumbra": partial(hypoperfused, tmax_threshold_s=self.tmax_threshold_s),
        }
        values = {roi: maps.reindex(map=[name]).values[0].astype(np.float64) for roi, name in _MAP_OF.items()}
        return {roi: rule(values[roi], domains[roi]) for roi, rule in rules.items()}

    def drawn(self, case: ScoredCase) -> dict[str, Mask | None]:
        """Return core and penumbra on a method's maps, in all solid tissue."""
        return self.draw(case.maps, dict.fromkeys(ROIS, self.solid(case.observation)), brain_of(case))

    def wanted(self, case: ScoredCase, against: str) -> tuple[dict[str, Mask | None], dict[str, Mask]]:
        """Return core and penumbra of a reference, and the voxels in which the method is held against each.

        `against` is as in `reference_maps`, or ``"labels"`` for the true classes, which no rule draws. Of maps, voxels
        without a reference are left out.
        """
        solid = self.solid(case.observation)
        if against == "labels":
            return true_lesion(case), dict.fromkeys(ROIS, solid)
        references = reference_maps(case, against)
        known = references.reindex(map=list(_MAP_OF.values()))
        domains = {roi: solid & np.isfinite(known.sel(map=name).values) for roi, name in _MAP_OF.items()}
        return self.draw(references, domains, brain_of(case)), domains

    def solid(self, observation: Observation) -> Mask:
        """Return the tissue without fluid, (z, y, x), bool: from the scan, so the same for every method."""
        return observation.tissue if self.csf_hu is None else observation.solid(self.csf_hu)


def brain_of(case: ScoredCase) -> Mask:
    """Return the brain, (z, y, x), bool."""
    return np.asarray(case.observation.frames["brain"].values, dtype=bool)


def true_lesion(case: ScoredCase) -> dict[str, Mask | None]:
    """Return the true core, and the true penumbra with the core in it, (z, y, x), bool; None where unknown."""
    tissue = case.observation.tissue
    core, penumbra = (None if case.truth is None else class_mask(case.truth, kind) for kind in ROIS)
    whole = None if core is None or penumbra is None else core | penumbra
    return {roi: None if mask is None else tissue & mask for roi, mask in (("core", core), ("penumbra", whole))}


def voxel_ml(observation: Observation) -> float:
    """Return the volume of a voxel in mL."""
    return float(np.prod(observation.frames.attrs["spacing_mm"])) / 1000
