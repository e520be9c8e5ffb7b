"""The joint bilateral filter: the scan's mean over time says where edges are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from ctpbench import Context, FrameDenoiser, Observation
from ctpbench_filters.tips import WindowPx

if TYPE_CHECKING:
    import xarray as xr


class Bilateral(FrameDenoiser):
    """Joint bilateral filter: in every frame a pixel becomes the mean of those that are as bright over time.

    Neighbours i and j in a square window weigh
    ``exp(-(m_i - m_j)^2 / (2 sigma_r_hu^2)) exp(-|i - j|^2 / (2 sigma_s_px^2))``, m a pixel's mean over all frames,
    which is far less noisy than a frame. One set of weights serves all frames. It keeps the edges that show in that
    mean, between gray and white matter and fluid, and a lesion as far as it does. Only tissue, brain without vessels,
    is filtered and averaged; all other pixels pass unchanged.

    Sources: Tomasi and Manduchi, ICCV 1998; Petschnigg et al., ACM Trans Graph 23:664, 2004 (guided by another image);
    Manhart et al., IEEE Trans Med Imaging 32:1336, 2013 (of CT perfusion, guided by the scan over time).
    """

    name, version = "bilateral", "1"

    sigma_r_hu: Annotated[
        float, Field(ge=0.01, le=1000, description="width of the similarity of two means over time, in HU")
    ] = 3.0
    sigma_s_px: Annotated[float, Field(ge=0.01, le=1000, description="width of the spatial weight, in pixels")] = 3.5
    window_px: WindowPx = 11

    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        """Return filtered frames, (time, z, y, x), float32, HU."""
        from ctpbench_filters._similar_kernel import similar_mean  # numba loads when a filter runs

        tissue = Observation(frames).tissue
        smooth = np.empty(frames.shape, np.float32)
        for z, inside in enumerate(tissue):
            series = frames.values[:, z]
            guided = similar_mean(
                np.concatenate([series.mean(axis=0, keepdims=True), series]),
                inside,
                1 / (2 * self.sigma_r_hu**2),
                self.sigma_s_px,
                self.window_px,
                compared=1,
                threads=context.threads,
            )
            smooth[:, z] = guided[1:]
            context.progress((z + 1) / len(tissue), f"slice {z + 1} of {len(tissue)}")
        return frames.copy(data=smooth)
