"""The control that shows what the best denoiser could reach: the noiseless series itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctpbench.contract.components import Context, Denoiser, FrameDenoiser
from ctpbench.contract.hookspecs import hookimpl

if TYPE_CHECKING:
    import xarray as xr

UNFILTERED, NOISELESS = "none", "noiseless"
"""What the two controls of a leaderboard are called: the frames as they are, and those without noise."""


class Noiseless(FrameDenoiser):
    """The control at the upper end: the noiseless series, which the harness hands to this row and to no other.

    No denoiser can know more, so its scores say what the deconvolution alone costs. Beside ``none``, which says what
    the noise costs, it makes the scale that leaderboards show from 0 (none) to 1 (noiseless). Only for datasets that
    know their noiseless frames.
    """

    name, version = NOISELESS, "1"

    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        """Return a copy of the frames, (time, z, y, x), float32, HU."""
        return frames.copy()


def is_noiseless(denoiser: Denoiser) -> bool:
    """Whether a denoiser is the control itself, under its own name: no heir, no namesake and no alias of it is."""
    return type(denoiser) is Noiseless and denoiser.name == NOISELESS


@hookimpl
def ctpbench_denoisers() -> list[type[FrameDenoiser]]:
    """Return the control."""
    return [Noiseless]
