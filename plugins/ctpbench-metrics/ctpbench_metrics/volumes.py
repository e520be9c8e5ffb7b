"""Volumes of core and penumbra in mL, case by case; how far they agree over patients, the core computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ctpbench import ScoredCase
from ctpbench.arrays import Mask
from ctpbench_metrics.lesion import AgainstLesion
from ctpbench_metrics.lesion_rules import ROIS, LesionRules, true_lesion, voxel_ml
from ctpbench_metrics.references import reference_needs
from ctpbench_metrics.scores import per_roi

if TYPE_CHECKING:
    import xarray as xr


def volumes_ml(masks: dict[str, Mask | None], size_ml: float) -> dict[str, float]:
    """Return the volume of core and penumbra in mL, NaN where they could not be drawn."""
    return {roi: np.nan if masks[roi] is None else int(masks[roi].sum()) * size_ml for roi in ROIS}


class Volume(LesionRules):
    """Volume of infarct core and penumbra on the method's maps, in mL.

    By the rules of `lesion_dice`: core where CBF is below 30% of the other side's mean, penumbra where Tmax is above
    6 s, the core in it included. It serves agreement with `reference_volume` over patients, and ranks nothing: a volume
    is not better for being small. NaN where the maps or a side of the brain are missing.

    Sources: those of `lesion_dice`.
    """

    name, version = "volume", "1"
    better, units = "none", "mL"
    agrees_with = "reference_volume"

    def score(self, case: ScoredCase) -> xr.DataArray:
        """Return the volume of core and penumbra, (roi)."""
        return per_roi(volumes_ml(self.drawn(case), voxel_ml(case.observation)).values())


class ReferenceVolume(LesionRules):
    """Volume of infarct core and penumbra in a reference, in mL: the same for every method.

    By the rules of `volume` on the maps that `against` says, or, with `against` labels, the volume of the true classes,
    the penumbra's with the core in it. It ranks nothing. NaN where the maps or a side of the brain are missing, or the
    classes unknown.

    Sources: those of `lesion_dice`.
    """

    name, version = "reference_volume", "1"
    better, units = "none", "mL"

    against: AgainstLesion = "noiseless"

    @property
    def needs(self) -> frozenset[str]:
        return reference_needs(self.against)

    def score(self, case: ScoredCase) -> xr.DataArray:
        """Return the volume of core and penumbra, (roi)."""
        wanted, _ = self.wanted(case, self.against)
        return per_roi(volumes_ml(wanted, voxel_ml(case.observation)).values())


class VolumeWithoutLesion(Volume):
    """Volume of core and penumbra on the method's maps of a case that has no lesion, in mL: all of it is false.

    By the rules of `volume`. NaN where the case truly has a core or a penumbra, by labels or by the truth's regions of
    interest, where that is not known, and where the maps or a side of the brain are missing.

    Sources: those of `lesion_dice`.
    """

    name, version = "volume_without_lesion", "1"
    better, units, best = "lower", "mL", 0.0
    agrees_with = ""

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"truth"})

    def score(self, case: ScoredCase) -> xr.DataArray:
        """Return the false volume of core and penumbra, (roi)."""
        whole = true_lesion(case)["penumbra"]
        return per_roi([np.nan] * len(ROIS)) if whole is None or whole.any() else super().score(case)
