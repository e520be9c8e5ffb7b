"""Time-intensity profile similarity: a bilateral filter whose range is the whole curve of a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import AfterValidator, Field

from ctpbench import Context, FrameDenoiser, Observation

if TYPE_CHECKING:
    import xarray as xr


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("allowed: an odd number, so that the window has a middle")
    return value


WindowPx = Annotated[
    int, Field(ge=3, le=41, description="side of the square window, odd, in pixels"), AfterValidator(_odd)
]


class Tips(FrameDenoiser):
    """TIPS: every pixel becomes the mean of the neighbours whose curves resemble its own.

    Neighbours i and j in a square window weigh
    ``exp(-SSD_ij / (2 T sigma_t_hu^2)) exp(-|i - j|^2 / (2 sigma_s_px^2))``, SSD the sum of squared differences
    over all T frames in HU, baseline included. One set of weights serves all frames of a pixel. Only tissue, brain
    without vessels, is filtered and averaged; all other pixels pass unchanged.

    Mendrik et al. 2011, Phys Med Biol 56:3857, in the form of Wu, Ren, Li, section V-E3. They chose
    (sigma_t, sigma_s) = (11.25, 3), (7.5, 2) and (3.75, 2) at N0 = 1e5, 2e5 and 1e6, window 11.
    """

    name, version = "tips", "1"

    sigma_t_hu: Annotated[
        float, Field(ge=0.01, le=1000, description="width of the similarity of two curves, in HU")
    ] = 7.5
    sigma_s_px: Annotated[float, Field(ge=0.01, le=1000, description="width of the spatial weight, in pixels")] = 2.0
    window_px: WindowPx = 11

    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        """Return filtered frames, (time, z, y, x), float32, HU."""
        # Numba loads when a filter runs, not when it is listed.
        from ctpbench_filters._similar_kernel import similar_mean

        tissue = Observation(frames).tissue
        similarity = 1 / (2 * frames.sizes["time"] * self.sigma_t_hu**2)
        smooth = np.empty(frames.shape, np.float32)
        for z in range(frames.sizes["z"]):
            smooth[:, z] = similar_mean(
                frames.values[:, z],
                tissue[z],
                similarity,
                self.sigma_s_px,
                self.window_px,
                threads=context.threads,
            )
            context.progress((z + 1) / frames.sizes["z"], f"slice {z + 1} of {frames.sizes['z']}")
        return frames.copy(data=smooth)
