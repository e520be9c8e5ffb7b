"""TIPS on temporal components: curves are compared, and averaged, by the few components that hold signal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ctpbench import Context
from ctpbench_filters.component_filter import ComponentFilter
from ctpbench_filters.tips import WindowPx

if TYPE_CHECKING:
    from ctpbench.arrays import Float32, Mask


class TipsPca(ComponentFilter):
    """TIPS on principal components: every pixel becomes the mean of those whose first components are like its own.

    The curves of a slice's tissue are projected on their first `rank` temporal components and their mean over time.
    Pixels i and j in a square window weigh
    ``exp(-d_ij / (2 (rank + 1) sigma_c_hu^2)) exp(-|i - j|^2 / (2 sigma_s_px^2))``, d_ij the sum of squared
    differences of these. Noise counts in d_ij: without any difference it is ``2 (rank + 1)`` times noise's variance.

    Sources: Mendrik et al. 2011, Phys Med Biol 56:3857 (TIPS); Tasdizen, IEEE Trans Image Process 18:2649, 2009
    (neighbourhoods compared by principal components).
    """

    name, version = "tips_pca", "2"

    sigma_c_hu: Annotated[
        float, Field(ge=0.01, le=1000, description="width of the similarity of two components, in HU")
    ] = 15.0
    sigma_s_px: Annotated[float, Field(ge=0.01, le=1000, description="width of the spatial weight, in pixels")] = 3.5
    window_px: WindowPx = 11

    def smooth(self, features: Float32, inside: Mask, noise_hu2: float, context: Context) -> Float32:
        """Return the weighted means."""
        from ctpbench_filters._similar_kernel import similar_mean  # numba loads when a filter runs

        similarity = 1 / (2 * len(features) * self.sigma_c_hu**2)
        return similar_mean(features, inside, similarity, self.sigma_s_px, self.window_px, threads=context.threads)
