"""Supervised learning: the target is the noiseless concentration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from ctpbench_unet.framewise import FramewiseDenoiser

if TYPE_CHECKING:
    from ctpbench_unet.losses import Objective
    from ctpbench_unet.slices import Slice


class Supervised(FramewiseDenoiser):
    """A UNet trained on pairs of noisy and noiseless frames: what the network of Noise2Noise can reach at best.

    The same network and bias compensation as `n2n`; the target is the noiseless concentration.

    Wu, Ren, Li, eqs 14 and 15. They chose beta = 12.5, 12.5 and 0 at N0 = 1e5, 2e5 and 1e6.
    """

    name, version = "supervised", "2"
    learns_from: ClassVar[Literal["noisy", "clean"]] = "clean"

    def objective(self, slices: Sequence[Slice]) -> Objective:
        """Return eqs 14 and 9."""
        from ctpbench_unet.objectives import regression
        from ctpbench_unet.targets import from_clean

        return regression(slices, from_clean(slices), self.sampling())
