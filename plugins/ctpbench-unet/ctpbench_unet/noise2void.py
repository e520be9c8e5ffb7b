"""Noise2Void: the network learns from pixels of single noisy images that are hidden from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ctpbench_unet.framewise import FramewiseDenoiser

if TYPE_CHECKING:
    from ctpbench_unet.losses import Objective
    from ctpbench_unet.slices import Slice


class Noise2Void(FramewiseDenoiser):
    """A UNet trained on noisy images alone: a pixel that is hidden from it is its target.

    In each image some pixels take the value of a neighbour, and the answer at these is compared with what they were.
    From its neighbourhood the network can tell a pixel's signal, but not its noise, provided that noise of different
    pixels is independent. In reconstructed CT images it is not: window and interpolation correlate neighbouring
    pixels, the network predicts that part of the noise too, and keeps it. In use nothing is hidden. The network and
    the bias compensation are those of `n2n`.

    Krull, Buchholz, Jug, "Noise2Void: learning denoising from single noisy images", CVPR 2019.
    """

    name, version = "noise2void", "1"
    learns_from: ClassVar[Literal["noisy", "clean"]] = "noisy"

    hidden_share: Annotated[float, Field(gt=0, le=0.5, description="share of the pixels that are hidden")] = 0.15
    reach_px: Annotated[
        int, Field(ge=1, le=16, description="how far away the neighbour that takes a hidden pixel's place lies at most")
    ] = 2

    def objective(self, slices: Sequence[Slice]) -> Objective:
        """Return the squared error of the answer at hidden pixels."""
        from ctpbench_unet.objectives import noise2void
        from ctpbench_unet.targets import from_itself

        return noise2void(slices, from_itself(slices), self.sampling(), self.hidden_share, self.reach_px)
