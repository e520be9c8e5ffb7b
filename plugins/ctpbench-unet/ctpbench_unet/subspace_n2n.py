"""Noise2Noise on temporal coefficients: the network learns from noisy series alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from ctpbench_unet.subspace_denoiser import SubspaceDenoiser

if TYPE_CHECKING:
    from ctpbench_unet.losses import Objective
    from ctpbench_unet.subspace import SubspaceSlice


class SubspaceNoise2Noise(SubspaceDenoiser):
    """A UNet on the temporal coefficients of noisy series: some frames are its input, the others its target.

    Curves are projected on the scan's own first temporal components, found after smoothing in the slice, and their mean
    over time. In training the coefficients are fitted to frames drawn at random, and filtered by a non-local mean; what
    the network makes of both is compared with the coefficients of the frames that were left out. Their noise is
    independent of its input, so that no noiseless series is needed (Noise2Noise), nor any assumption on how the signal
    changes from frame to frame, no kappa and no bias compensation. The error counts as far as it changes the residue
    that the scan's AIF deconvolves, and a little as it stands. In use the network sees the coefficients of all frames,
    a slice at once; the AIF is for training alone.

    Of few pixels it would in the end learn the noise by heart: on a scan of three slices CBF's error was 7.5 by
    `lowrank_nl`, 6.9 after each pixel had been seen 80 to 120 times, 8.1 after 320 and 27 after 4000. So training ends
    after `most_visits`, whatever its budget.

    A network learns the curves of the scans that it is shown, and does worse on others. With `fine_tune_steps` a copy
    of it learns on from each scan that it is to denoise, a few seconds for 150 steps.

    Sources: Lehtinen et al., "Noise2Noise: learning image restoration without clean data", ICML 2018; Wu, Ren, Li, eqs
    2 and 3; Liang, "Spatiotemporal imaging with partially separable functions", IEEE ISBI 2007 (few components);
    Buades, Coll and Morel, Multiscale Model Simul 4:490, 2005 (non-local means).
    """

    name, version = "subspace_n2n", "3"
    learns_from: ClassVar[Literal["noisy", "clean"]] = "noisy"

    target_share: Annotated[
        float, Field(gt=0, lt=1, description="share of the frames that are left out of the input and make the target")
    ] = 0.4
    divisions: Annotated[
        int, Field(ge=1, le=1000, examples=[2], description="in how many ways the frames of a slice are divided")
    ] = 6

    most_visits: Annotated[
        float | None,
        Field(gt=0, description="how often training sees a pixel at most, on average; null: as its budget has it"),
    ] = 120.0

    fine_tune_steps: Annotated[
        int, Field(ge=0, le=10_000, examples=[3], description="steps that it learns on from each scan it denoises")
    ] = 0
    fine_tune_rate: Annotated[float, Field(gt=0, le=1, description="learning rate of these steps")] = 1e-3

    def use(self) -> dict[str, Any]:
        """Return also how the network is fine-tuned, where it is."""
        names = ("batch", "patch_px", "target_share", "residue_share", "divisions", "clip", "precision")
        tuning = {
            "steps": self.fine_tune_steps,
            "learning_rate": self.fine_tune_rate,
            **{name: getattr(self, name) for name in names},
        }
        return {**super().use(), "fine_tuning": tuning if self.fine_tune_steps else None}

    def most_steps(self, slices: Sequence[SubspaceSlice]) -> float:
        """Return after how many steps every pixel to learn from has been seen `most_visits` times."""
        if self.most_visits is None:
            return math.inf
        pixels = sum(float(part.solid.sum()) for part in slices)
        mean_px = sum(part.solid.numel() for part in slices) / len(slices)
        a_step = self.batch * (mean_px if self.patch_px is None else self.patch_px**2)
        return max(math.ceil(self.most_visits * pixels / a_step), 1)

    def objective(self, slices: Sequence[SubspaceSlice]) -> Objective:
        """Return the mean square of what is missed of the coefficients of the frames that were left out."""
        from ctpbench_unet.subspace_objectives import left_out_frames

        return left_out_frames(
            slices,
            self.batch,
            self.patch_px,
            target_share=self.target_share,
            residue_share=self.residue_share,
            divisions=self.divisions,
        )
