"""A non-local mean in the space of a slice's first temporal components."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from ctpbench import Context, FrameDenoiser, Observation
from ctpbench_filters.tips import WindowPx

_LEAST_NOISE_HU2 = 1e-6  # of a series without any


class LowrankNl(FrameDenoiser):
    """Non-local mean of temporal components: a pixel becomes the mean of those whose few components are like its own.

    The curves of a slice's tissue are projected on their first `rank` temporal components and their mean over time.
    Pixels i and j of a square window weigh ``exp(-d_ij / (2 h^2 s^2) - |i - j|^2 / (2 sigma_s_px^2))``, d_ij the sum of
    their squared differences less what noise of variance s^2 adds to it, ``2 s^2 (rank + 1)``, and 0 at least. The
    noise is that of the lower half of the components. Only tissue, brain without vessels, is filtered and averaged;
    all other pixels pass unchanged.

    Sources: Buades, Coll and Morel, Multiscale Model Simul 4:490, 2005 (non-local means), and Image Processing On Line
    1:208, 2011 (less what noise adds); Mendrik et al. 2011, Phys Med Biol 56:3857 (curves as what is alike); Tasdizen,
    IEEE Trans Image Process 18:2649, 2009 (in principal components).
    """

    name, version = "lowrank_nl", "1"

    rank: Annotated[int, Field(ge=1, le=50, description="temporal components beside the mean over time")] = 3
    h: Annotated[float, Field(gt=0, le=100, description="width of the similarity, in standard deviations of noise")] = (
        3.0
    )
    sigma_s_px: Annotated[float, Field(ge=0.01, le=1000, description="width of the spatial weight, in pixels")] = 3.5
    window_px: WindowPx = 11

    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        """Return filtered frames, (time, z, y, x), float32, HU."""
        # Numba loads when a filter runs, not when it is listed.
        from ctpbench.perfusion import temporal_components
        from ctpbench_filters._similar_kernel import similar_mean

        tissue = Observation(frames).tissue
        smooth = frames.values.copy()
        rank = min(self.rank, frames.sizes["time"] - 1)
        for z, inside in enumerate(tissue):
            if inside.any():
                series = frames.values[:, z].astype(np.float64)
                components = temporal_components(series[:, inside])
                basis, noise = components.with_mean(rank), max(components.noise_variance, _LEAST_NOISE_HU2)
                features = similar_mean(
                    np.tensordot(basis.T, series, axes=1),
                    inside,
                    1 / (2 * self.h**2 * noise),
                    self.sigma_s_px,
                    self.window_px,
                    expected=2 * noise * (rank + 1),
                    threads=context.threads,
                )
                smooth[:, z, inside] = basis @ features[:, inside]
            context.progress((z + 1) / len(tissue), f"slice {z + 1} of {len(tissue)}")
        return frames.copy(data=smooth)
