"""What the networks share that denoise the temporal coefficients of a scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ctpbench import TrainingCase
from ctpbench_unet.learned import LearnedDenoiser

if TYPE_CHECKING:
    from ctpbench_unet.fitted import FittedSubspace
    from ctpbench_unet.network import SubspaceArchitecture
    from ctpbench_unet.subspace import SubspaceSlice


class SubspaceDenoiser(LearnedDenoiser):
    """Base of the networks that see all of a slice at once, as images of its first temporal coefficients.

    A network is shown the noisy coefficients and their non-local mean, which it corrects.
    """

    rank: Annotated[
        int, Field(ge=1, le=20, examples=[2], description="temporal components beside the mean over time")
    ] = 3
    steps: Annotated[int | None, Field(ge=1, examples=[12], description="budget of training in steps of one batch")] = (
        5000
    )
    batch: Annotated[int, Field(ge=1, le=4096, examples=[4], description="images or patches in a batch")] = 6
    learning_rate: Annotated[float, Field(gt=0, le=1, description="of Adam")] = 3e-3
    ema: Annotated[
        float, Field(ge=0, lt=1, description="decay of the average of weights that is kept; 0: the last weights")
    ] = 0.995

    residue_share: Annotated[
        float,
        Field(ge=0, le=1, description="share of the loss that is the error of the deconvolved residue, not of frames"),
    ] = 0.8

    mirrors: Annotated[
        Literal[1, 2, 4],
        Field(description="over how many mirror images of a slice its answer is averaged: fewer are faster"),
    ] = 4

    def use(self) -> dict[str, Any]:
        """Return over how many mirror images it averages."""
        return {"mirrors": self.mirrors}

    def architecture(self) -> SubspaceArchitecture:
        """Return what must be known of its network to make it and to use it."""
        from ctpbench_unet.network import SubspaceArchitecture

        return SubspaceArchitecture(width=self.width, depth=self.depth, precision=self.precision, rank=self.rank)

    def fitted_type(self) -> type[FittedSubspace]:
        """Return the denoiser of frames that a trained network is."""
        from ctpbench_unet.fitted import FittedSubspace

        return FittedSubspace

    def read(self, training: Sequence[TrainingCase]) -> list[SubspaceSlice]:
        """Return the slices that hold tissue; the cases are loaded one at a time."""
        from ctpbench_unet.subspace import subspace_training_slices

        return subspace_training_slices(training, self.rank, multiple=self.multiple, least_px=self.patch_px or 1)

    def images_in(self, slices: Sequence[SubspaceSlice]) -> int:
        """Return how many slices there are to learn from: each is one image of a few channels."""
        return len(slices)
