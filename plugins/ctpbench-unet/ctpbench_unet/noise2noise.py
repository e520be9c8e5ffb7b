"""Noise2Noise: the network learns from noisy series alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from ctpbench_unet.framewise import FramewiseDenoiser

if TYPE_CHECKING:
    from ctpbench_unet.losses import Objective
    from ctpbench_unet.slices import Slice


def _not_one(frames: int) -> int:
    if frames == 1:
        raise ValueError("allowed: 0, or 2 or more; 1 adds no frame, for those before and after make the target")
    return frames


class Noise2Noise(FramewiseDenoiser):
    """A UNet trained on noisy series alone: the mean of a frame's neighbours is its target.

    The network is shown a frame x(t) and one early frame x(t0) and answers with the concentration. Its target is
    ``kappa (x(t-1) + x(t+1)) / 2 - x(3 - t0)``: other frames, whose noise is independent of what it is shown. A
    strong low-pass ties the answer to the noisy concentration, so that the mean of the neighbours does not bend the
    bolus. The answers with either early frame are averaged.

    Noise makes the kappa of eq. 6 too small, so that curves come out too low; the authors' own code takes the ratio of
    the sums over the tissue instead, which noise does not bend, and so does this.

    Wu, Ren, Li, eqs 4 to 11. They chose beta = 25, 12.5 and 12.5 at N0 = 1e5, 2e5 and 1e6; ``preset: paper``
    takes their network and their training.
    """

    name, version = "n2n", "2"
    learns_from: ClassVar[Literal["noisy", "clean"]] = "noisy"

    kappa: Annotated[
        Literal["ratio", "least_squares"],
        Field(description="correction of the neighbours' mean: the ratio of the sums over the tissue, or eq. 6"),
    ] = "ratio"
    context_frames: Annotated[
        int,
        Field(ge=0, le=50, description="k: t-k .. t+k are shown too, but for t-1 and t+1, of which the target is made"),
        AfterValidator(_not_one),
    ] = 0

    @property
    def neighbours(self) -> int:
        """How many frames to either side of a frame are part of the input."""
        return self.context_frames

    def objective(self, slices: Sequence[Slice]) -> Objective:
        """Return eqs 7 and 9."""
        from ctpbench_unet.objectives import regression
        from ctpbench_unet.targets import from_adjacent_frames

        maker = from_adjacent_frames(slices, ratio=self.kappa == "ratio", neighbours=self.neighbours)
        return regression(slices, maker, self.sampling())
