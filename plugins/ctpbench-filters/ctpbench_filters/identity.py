"""The denoiser that does nothing: what every other one must beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctpbench import Context, FrameDenoiser

if TYPE_CHECKING:
    import xarray as xr


class Identity(FrameDenoiser):
    """No filter: the frames as they are.

    The maps then come from the deconvolution alone, whose Tikhonov term is the only thing that holds noise
    down (Wu, Ren, Li, section V-E1).
    """

    name, version = "none", "1"

    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        """Return a copy of the frames, (time, z, y, x), float32, HU."""
        return frames.copy()
