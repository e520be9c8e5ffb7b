"""Neighbor2Neighbor: the network learns from neighbouring pixels of single noisy images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ctpbench_unet.framewise import FramewiseDenoiser

if TYPE_CHECKING:
    from ctpbench_unet.losses import Objective
    from ctpbench_unet.slices import Slice


class Neighbor2Neighbor(FramewiseDenoiser):
    """A UNet trained on noisy images alone: a pixel's neighbour in the same image is its target.

    Of each image two subimages of half the size are drawn; the network turns one into the other. That takes the
    noise of neighbouring pixels to be independent, which reconstructed CT images are not: the reconstruction's
    window and interpolation correlate them. The network and the bias compensation are those of `n2n`.

    Huang, Li, Jia, Lu, Liu, "Neighbor2Neighbor: self-supervised denoising from single noisy images", CVPR 2021.
    """

    name, version = "neighbor2neighbor", "2"
    learns_from: ClassVar[Literal["noisy", "clean"]] = "noisy"

    gamma: Annotated[float, Field(ge=0, le=100, description="weight of the regulariser")] = 2.0

    @property
    def multiple(self) -> int:
        """Twice that of the network: it is trained on images of half the size."""
        return 2 * super().multiple

    def objective(self, slices: Sequence[Slice]) -> Objective:
        """Return the reconstruction loss and its regulariser."""
        from ctpbench_unet.objectives import neighbor2neighbor
        from ctpbench_unet.targets import from_itself

        return neighbor2neighbor(slices, from_itself(slices), self.sampling(), self.gamma)
