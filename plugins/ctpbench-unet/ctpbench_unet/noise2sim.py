"""Noise2Sim: the network learns from similar pixels of the same noisy series."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from ctpbench import TrainingCase
from ctpbench_unet.framewise import FramewiseDenoiser

if TYPE_CHECKING:
    from ctpbench_unet.losses import Objective
    from ctpbench_unet.subspace import SubspaceSlice


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("allowed: an odd number")
    return value


class Noise2Sim(FramewiseDenoiser):
    """A UNet trained on noisy series alone: a pixel with a similar curve is a pixel's target.

    The most similar pixels are those in a window whose coefficients in the scan's first temporal components are
    nearest. Each time one of them is drawn at random. Two things keep its noise from being that of the pixel it stands
    for: it lies some pixels apart, beyond most of the correlation of reconstructed noise, and it is found without the
    frame whose target it is and without the early ones. The network and the bias compensation are those of `n2n`.

    Niu, Li, Fan, Wu, Li, Lyu, Wang, "Noise suppression with similarity-based self-supervised deep learning", IEEE Trans
    Med Imaging 42:1590, 2023, who compare patches, or neighbouring slices, rather than curves.
    """

    name, version = "noise2sim", "1"
    learns_from: ClassVar[Literal["noisy", "clean"]] = "noisy"

    similar: Annotated[int, Field(ge=1, le=100, description="similar pixels of each pixel, of which one is drawn")] = 8
    apart_px: Annotated[
        float, Field(ge=0, le=100, description="how far a similar pixel lies from its own at least")
    ] = 3.0
    window_px: Annotated[
        int,
        Field(ge=3, le=101, description="side of the square window in which similar pixels lie, odd"),
        AfterValidator(_odd),
    ] = 21
    rank: Annotated[
        int,
        Field(ge=1, le=20, examples=[2], description="temporal components in which curves are compared"),
    ] = 3

    @model_validator(mode="after")
    def _check_window(self) -> Self:
        farthest_px = math.sqrt(2) * (self.window_px // 2)
        if self.apart_px > farthest_px:
            raise ValueError(
                f"apart_px: got {self.apart_px:g}; allowed: at most {farthest_px:.1f}, with window_px {self.window_px}"
            )
        return self

    def read(self, training: Sequence[TrainingCase]) -> list[SubspaceSlice]:
        """Return the slices that hold tissue, with the basis of their scan."""
        from ctpbench_unet.subspace import subspace_training_slices

        return subspace_training_slices(training, self.rank, multiple=self.multiple, least_px=self.patch_px or 1)

    def objective(self, slices: Sequence[SubspaceSlice]) -> Objective:
        """Return eqs 7 and 9, with the concentration at similar pixels as target."""
        from ctpbench_unet.objectives import noise2sim
        from ctpbench_unet.similar import Likeness, similar_pixels
        from ctpbench_unet.targets import from_similar_pixels

        likeness = Likeness(self.similar, self.window_px, self.apart_px)
        found = cache(lambda number: similar_pixels(slices[number], likeness))  # a second or more for each slice
        return noise2sim(slices, from_similar_pixels(slices, found), self.sampling())
