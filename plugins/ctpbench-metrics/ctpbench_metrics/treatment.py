"""The decision that a reader takes by core and penumbra: whether to remove the clot late after the stroke's onset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from ctpbench import ScoredCase
from ctpbench.arrays import Mask
from ctpbench_metrics.lesion import AgainstLesion
from ctpbench_metrics.lesion_rules import LesionRules, voxel_ml
from ctpbench_metrics.references import reference_needs
from ctpbench_metrics.scores import one
from ctpbench_metrics.volumes import volumes_ml

if TYPE_CHECKING:
    import xarray as xr


class MismatchRule(LesionRules):
    """Base of the decisions by the mismatch of core and penumbra."""

    quantity = "decision"

    mismatch_ratio: Annotated[float, Field(gt=0, description="penumbra over core, at least")] = 1.8
    mismatch_ml: Annotated[float, Field(ge=0, description="penumbra minus core, at least")] = 15.0
    core_ml: Annotated[float, Field(gt=0, description="core, less than")] = 70.0

    def decide(self, masks: dict[str, Mask | None], size_ml: float) -> xr.DataArray:
        """Return 1.0 or 0.0 from core and penumbra, the core in it included; NaN where one could not be drawn."""
        core, penumbra = volumes_ml(masks, size_ml).values()
        if np.isnan(core + penumbra):
            return one(np.nan)
        mismatch = penumbra >= self.mismatch_ratio * core and penumbra - core >= self.mismatch_ml
        return one(mismatch and core < self.core_ml)


class Treat(MismatchRule):
    """Whether the method's maps speak for thrombectomy by the rule of DEFUSE 3: 1 yes, 0 no.

    Penumbra at least 1.8 times the core, at least 15 mL larger, and a core of less than 70 mL; both by the rules of
    `volume`, the core in the penumbra included. A case must hold the whole lesion: one slice seldom has 15 mL. It
    serves agreement with `treat_reference` over patients, and ranks nothing. NaN where the maps or a side of the brain
    are missing.

    Source: G. W. Albers et al., "Thrombectomy for stroke at 6 to 16 hours with selection by perfusion imaging",
    N. Engl. J. Med. 378 (2018) 708-718.
    """

    name, version = "treat", "1"
    better, units = "none", "1"
    agrees_with = "treat_reference"

    def score(self, case: ScoredCase) -> xr.DataArray:
        """Return 1 or 0, one number."""
        return self.decide(self.drawn(case), voxel_ml(case.observation))


class TreatReference(MismatchRule):
    """Whether a reference speaks for thrombectomy by the rule of `treat`: 1 yes, 0 no, the same for every method.

    On the maps that `against` says, or, with `against` labels, by the true classes. It ranks nothing. NaN where the
    maps or a side of the brain are missing, or the classes unknown.

    Source: that of `treat`.
    """

    name, version = "treat_reference", "1"
    better, units = "none", "1"

    against: AgainstLesion = "noiseless"

    @property
    def needs(self) -> frozenset[str]:
        return reference_needs(self.against)

    def score(self, case: ScoredCase) -> xr.DataArray:
        """Return 1 or 0, one number."""
        wanted, _ = self.wanted(case, self.against)
        return self.decide(wanted, voxel_ml(case.observation))
