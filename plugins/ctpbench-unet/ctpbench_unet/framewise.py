"""What the networks share that denoise frame by frame: from an image and an early frame to its concentration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ctpbench import TrainingCase
from ctpbench_unet.learned import LearnedDenoiser

if TYPE_CHECKING:
    from ctpbench_unet.fitted import FittedFramewise
    from ctpbench_unet.network import FramewiseArchitecture
    from ctpbench_unet.objectives import Sampling
    from ctpbench_unet.slices import Slice

PAPER = {
    "width": 32,
    "depth": 4,
    "inputs": "frames",
    "residual": False,
    "resampling": "strided",
    "precision": "float32",
    "batch": 20,
    "patch_px": None,
    "near_peak": 0.5,
    "beta": 12.5,
    "epochs": 100,
    "steps": None,
    "learning_rate": 1e-4,
    "warmup": 0.0,
    "schedule": "constant",
    "clip": None,
    "ema": 0.0,
}
"""Wu, Ren, Li, section V-D; the network is that of their published code."""


class FramewiseDenoiser(LearnedDenoiser):
    """Base of the networks that see an image and an early frame and answer with the image's concentration."""

    preset: Annotated[
        Literal["default", "paper"],
        Field(description="paper: Wu, Ren, Li's own values for what is not given; minutes on a GPU, days without"),
    ] = "default"
    beta: Annotated[float, Field(ge=0, le=1e4, description="weight of the bias compensation, eq. 10")] = 12.5
    inputs: Annotated[
        Literal["frames", "differences"],
        Field(
            description="frames as they are, or all but the early one minus the early one: the same, easier to learn"
        ),
    ] = "differences"
    residual: Annotated[
        bool, Field(description="whether the network learns what is to be removed from the noisy concentration")
    ] = False
    resampling: Annotated[
        Literal["pooling", "strided"],
        Field(description="between the network's levels: maximum and repetition, or convolutions, as the authors do"),
    ] = "pooling"
    near_peak: Annotated[
        float, Field(ge=0, le=1, description="share of a batch from within 2 frames of the bolus's peak, eq. 11")
    ] = 0.5
    inference_batch: Annotated[
        int | None,
        Field(
            ge=1,
            le=4096,
            examples=[8],
            description="images denoised at once, halved where memory runs out; null: 16, on a GPU what fits into it",
        ),
    ] = None

    @classmethod
    def preset_values(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the paper's values where its preset is asked for."""
        return PAPER if given.get("preset") == "paper" else {}

    @property
    def bias_weight(self) -> float:
        """Weight of the bias compensation, eq. 10."""
        return self.beta

    @property
    def neighbours(self) -> int:
        """How many frames to either side of a frame are part of the input."""
        return 0

    def architecture(self) -> FramewiseArchitecture:
        """Return what must be known of its network to make it and to use it."""
        from ctpbench_unet.network import FramewiseArchitecture

        return FramewiseArchitecture(
            width=self.width,
            depth=self.depth,
            inputs=self.inputs,
            residual=self.residual,
            resampling=self.resampling,
            neighbours=self.neighbours,
            precision=self.precision,
            inference_batch=self.inference_batch,
        )

    def fitted_type(self) -> type[FittedFramewise]:
        """Return the denoiser of concentration that a trained network is."""
        from ctpbench_unet.fitted import FittedFramewise

        return FittedFramewise

    def read(self, training: Sequence[TrainingCase]) -> list[Slice]:
        """Return the slices that hold tissue; the cases are loaded one at a time."""
        from ctpbench_unet.slices import training_slices

        return training_slices(training, multiple=self.multiple, least_px=self.patch_px or 1)

    def images_in(self, slices: Sequence[Slice]) -> int:
        """Return how many frames there are to learn from: all but the first and the last of each slice."""
        return sum(len(part.frames) - 2 for part in slices)

    def sampling(self) -> Sampling:
        """Return how batches are drawn."""
        from ctpbench_unet.objectives import Sampling

        return Sampling(self.batch, self.patch_px, self.near_peak)
