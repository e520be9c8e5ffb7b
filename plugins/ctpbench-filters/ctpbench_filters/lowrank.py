"""Truncation to the temporal components that stand above noise, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from ctpbench import Context
from ctpbench_filters.component_filter import ComponentFilter

if TYPE_CHECKING:
    from ctpbench.arrays import Float32, Mask
    from ctpbench.perfusion import TemporalComponents


class Lowrank(ComponentFilter):
    """Principal components: each curve is replaced by its first temporal components and its mean over time.

    Without `rank` as few are kept as leave no more than noise: the variances of the others then lie as near to one
    another as those of noise do in so many pixels P, the largest less the smallest within
    ``4 sqrt(m / P) s^2`` of their mean s^2, m being how many they are. Noise that neighbouring pixels share is that of
    fewer pixels, and more are kept. No pixel is averaged with another.

    Sources: Marchenko and Pastur, Math USSR Sb 1:457, 1967; Veraart et al. 2016, NeuroImage 142:394 (MP-PCA).
    """

    name, version = "lowrank", "1"

    rank: Annotated[
        int | None, Field(ge=0, le=50, description="temporal components beside the mean over time; null: by the noise")
    ] = None

    def components_of(self, series: Float32, inside: Mask) -> TemporalComponents:
        """Return the components of the curves as they are: the rank goes by what noise does to their variances."""
        from ctpbench.perfusion import temporal_components  # loads scipy, which listing the filters need not

        return temporal_components(series[:, inside])

    def rank_of(self, components: TemporalComponents, pixels: int) -> int:
        """Return the rank that is given, or the least that leaves no more than noise."""
        variances = components.variances
        if self.rank is not None:
            return super().rank_of(components, pixels)
        for rank in range(variances.size):
            rest = variances[rank:]
            if rest[0] - rest[-1] <= 4 * np.sqrt(rest.size / pixels) * rest.mean():
                return rank
        return variances.size

    def smooth(self, features: Float32, inside: Mask, noise_hu2: float, context: Context) -> Float32:
        """Return the features as they are."""
        return features
