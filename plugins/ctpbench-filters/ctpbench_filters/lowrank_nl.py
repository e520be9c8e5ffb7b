"""A non-local mean in the space of a slice's first temporal components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ctpbench import Context
from ctpbench_filters.component_filter import ComponentFilter
from ctpbench_filters.tips import WindowPx

if TYPE_CHECKING:
    from ctpbench.arrays import Float32, Mask


class LowrankNl(ComponentFilter):
    """Non-local mean of temporal components: a pixel becomes the mean of those whose few components are like its own.

    The curves of a slice's tissue are projected on their first `rank` temporal components and their mean over time.
    Pixels i and j of a square window weigh ``exp(-d_ij / (2 h^2 s^2) - |i - j|^2 / (2 sigma_s_px^2))``, d_ij the sum of
    their squared differences less what noise of variance s^2 adds to it, ``2 s^2 (rank + 1)``, and 0 at least. The
    noise is that of the lower half of the components.

    Sources: Buades, Coll and Morel, Multiscale Model Simul 4:490, 2005 (non-local means), and Image Processing On Line
    1:208, 2011 (less what noise adds); Mendrik et al. 2011, Phys Med Biol 56:3857 (curves as what is alike); Tasdizen,
    IEEE Trans Image Process 18:2649, 2009 (in principal components).
    """

    name, version = "lowrank_nl", "2"

    h: Annotated[float, Field(gt=0, le=100, description="width of the similarity, in standard deviations of noise")] = (
        3.0
    )
    sigma_s_px: Annotated[float, Field(ge=0.01, le=1000, description="width of the spatial weight, in pixels")] = 3.5
    window_px: WindowPx = 11

    def smooth(self, features: Float32, inside: Mask, noise_hu2: float, context: Context) -> Float32:
        """Return the weighted means."""
        from ctpbench_filters._similar_kernel import similar_mean  # numba loads when a filter runs

        return similar_mean(
            features,
            inside,
            1 / (2 * self.h**2 * noise_hu2),
            self.sigma_s_px,
            self.window_px,
            expected=2 * noise_hu2 * len(features),
            threads=context.threads,
        )
