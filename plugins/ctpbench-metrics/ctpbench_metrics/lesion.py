"""How well core and penumbra survive a method: the overlap and the volume of what is drawn on its maps."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from ctpbench import ScoredCase
from ctpbench.arrays import Mask
from ctpbench_metrics.lesion_rules import ROIS, LesionRules, brain_of, voxel_ml
from ctpbench_metrics.references import reference_needs
from ctpbench_metrics.scores import per_roi

if TYPE_CHECKING:
    import xarray as xr

AgainstLesion = Annotated[
    Literal["noiseless", "truth", "exact", "labels"],
    Field(
        description="what the reference is drawn on: maps of the noiseless frames through the same deconvolution, the "
        "true maps as far as the scanner resolves them, or the true maps; labels: the true classes themselves"
    ),
]


def dice(prediction: Mask, reference: Mask) -> float:
    """Return 2 |P and R| / (|P| + |R|): 0 where one mask alone is empty, NaN where both are."""
    size = int(prediction.sum()) + int(reference.sum())
    return 2 * int((prediction & reference).sum()) / size if size else float("nan")


def volume_error(prediction: Mask, reference: Mask, voxel_ml: float) -> float:
    """Return the absolute difference of two masks' volumes in mL, wherever the voxels lie."""
    return abs(int(prediction.sum()) - int(reference.sum())) * voxel_ml


class LesionMetric(LesionRules):
    """Base of the metrics that hold core and penumbra on a method's maps against those of a reference."""

    against: AgainstLesion = "noiseless"

    @property
    def needs(self) -> frozenset[str]:
        return reference_needs(self.against)

    @abstractmethod
    def compare(self, prediction: Mask, reference: Mask, voxel_ml: float) -> float:
        """Return the score of one region from its two masks, (z, y, x), bool, and a voxel's volume."""

    def score(self, case: ScoredCase) -> xr.DataArray:
        """Return the score of core and penumbra, (roi)."""
        wanted, domains = self.wanted(case, self.against)
        drawn = self.draw(case.maps, domains, brain_of(case))
        size = voxel_ml(case.observation)
        pairs = [(drawn[roi], wanted[roi]) for roi in ROIS]
        return per_roi(np.nan if p is None or r is None else self.compare(p, r, size) for p, r in pairs)


class LesionDice(LesionMetric):
    """Dice overlap of infarct core and penumbra, drawn alike on the method's maps and on the reference.

    Core: CBF below 30% of the mean CBF of the tissue on the other side of the midline, which is the sagittal
    plane through the middle of the brain mask; both sides are tested, so no side need be known to be ill.
    Penumbra: Tmax above 6 s, the core in it included. Fluid (mean over all frames below `csf_hu`) has no flow
    and would pass for core, so it is in neither and in no mean. Voxels without a reference are left out. With
    `against` labels the reference is not drawn but known: see `class_dice`.

    1: the same voxels; 0: none in common, or one side empty; NaN: both empty, the maps or a side of the brain
    missing, or the classes unknown. CBF alone also marks white matter of low flow (Campbell 2011), on the reference
    as on the method's maps.

    Sources: B. C. V. Campbell et al., "Cerebral blood flow is the optimal CT perfusion parameter for
    assessing infarct core", Stroke 42 (2011) 3435-3440. J.-M. Olivot et al., "Optimal Tmax threshold for
    predicting penumbral tissue in acute stroke", Stroke 40 (2009) 469-475. L. R. Dice, Ecology 26
    (1945) 297-302.
    """

    name, version = "lesion_dice", "2"
    better, units, best = "higher", "1", 1.0

    def compare(self, prediction: Mask, reference: Mask, voxel_ml: float) -> float:
        return dice(prediction, reference)


class ClassDice(LesionDice):
    """Dice overlap of core and penumbra, drawn on the method's maps, with the true classes of the tissue.

    `lesion_dice` with `against` labels: the same rules on the method's side, and the truth's own classes on the other.
    It counts what the rules themselves get wrong, of which a low flow in healthy white matter is the most. The true
    penumbra has the core in it, as the drawn one. By labels, else by the truth's regions of interest.

    1: the same voxels; 0: none in common, or one side empty; NaN: both empty, the classes unknown, or the maps or a
    side of the brain missing.

    Source: L. R. Dice, Ecology 26 (1945) 297-302. The rules' are those of `lesion_dice`.
    """

    name, version = "class_dice", "1"

    against: Literal["labels"] = "labels"


class LesionVolumeError(LesionMetric):
    """Absolute error of the volumes of infarct core and penumbra in mL, by the same thresholds on both sides.

    Core: CBF below 30% of the mean CBF of the tissue on the other side of the midline, which is the sagittal
    plane through the middle of the brain mask; both sides are tested, so no side need be known to be ill.
    Penumbra: Tmax above 6 s, the core in it included. Fluid (mean over all frames below `csf_hu`) has no flow
    and would pass for core, so it is in neither and in no mean. Voxels without a reference are left out.

    With `against` labels the reference is not drawn but known. The place does not count: see `lesion_dice`. NaN where
    the maps or a side of the brain are missing, or the classes unknown.

    Sources: B. C. V. Campbell et al., "Cerebral blood flow is the optimal CT perfusion parameter for
    assessing infarct core", Stroke 42 (2011) 3435-3440. J.-M. Olivot et al., "Optimal Tmax threshold for
    predicting penumbral tissue in acute stroke", Stroke 40 (2009) 469-475.
    """

    name, version = "lesion_volume_error", "2"
    better, units, best = "lower", "mL", 0.0

    def compare(self, prediction: Mask, reference: Mask, voxel_ml: float) -> float:
        return volume_error(prediction, reference, voxel_ml)
