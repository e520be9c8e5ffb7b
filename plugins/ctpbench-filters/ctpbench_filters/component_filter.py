"""What the filters share that work on temporal components: slice by slice, to them and back."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from ctpbench import Context, FrameDenoiser, Observation

if TYPE_CHECKING:
    import xarray as xr

    from ctpbench.arrays import Float32, Mask
    from ctpbench.perfusion import TemporalComponents

LEAST_NOISE_HU2 = 1e-6
"""What stands for the noise's variance of a series without any."""


class ComponentFilter(FrameDenoiser):
    """Base of the filters of a slice's first temporal components and mean over time: its features.

    The components are found after smoothing in the slice: see `ctpbench.perfusion.smooth_components`. Only tissue,
    brain without vessels, takes part; all other pixels pass unchanged.
    """

    rank: Annotated[int, Field(ge=1, le=50, description="temporal components beside the mean over time")] = 3

    def rank_of(self, components: TemporalComponents, pixels: int) -> int:
        """Return how many components of a slice of so many pixels are kept, fewer than frames."""
        return min(self.rank, components.variances.size)

    def components_of(self, series: Float32, inside: Mask) -> TemporalComponents:
        """Return the components of a slice's tissue: by default those of its smoothed curves."""
        from ctpbench.perfusion import smooth_components  # loads scipy, which listing the filters need not

        return smooth_components(series[:, None], inside[None])

    @abstractmethod
    def smooth(self, features: Float32, inside: Mask, noise_hu2: float, context: Context) -> Float32:
        """Return the features, (rank + 1, y, x), HU, filtered where `inside`, (y, x), holds; elsewhere they are 0.

        `noise_hu2` is the variance of noise in each of them.
        """

    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        """Return filtered frames, (time, z, y, x), float32, HU."""
        from ctpbench_filters._component_kernel import write_curves  # numba loads when a filter runs

        tissue = Observation(frames).tissue
        noisy = np.ascontiguousarray(frames.values)
        answer = np.empty_like(noisy)
        for z, inside in enumerate(tissue):
            if inside.any():
                components = self.components_of(noisy[:, z], inside)
                basis = components.with_mean(self.rank_of(components, int(inside.sum()))).astype(np.float32)
                features = np.where(inside, np.tensordot(basis.T, noisy[:, z], axes=1), np.float32(0))
                smooth = self.smooth(features, inside, max(components.noise_variance, LEAST_NOISE_HU2), context)
                write_curves(answer, z, basis, smooth, inside, noisy, threads=context.threads)
            else:
                answer[:, z] = noisy[:, z]
            context.progress((z + 1) / len(tissue), f"slice {z + 1} of {len(tissue)}")
        return frames.copy(data=answer)
