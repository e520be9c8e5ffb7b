"""Noise2Noise on temporal coefficients: the network learns from noisy series alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ctpbench_unet.subspace_denoiser import SubspaceDenoiser

if TYPE_CHECKING:
    from ctpbench_unet.objectives import Objective
    from ctpbench_unet.subspace import SubspaceSlice


class SubspaceNoise2Noise(SubspaceDenoiser):
    """A UNet on the temporal coefficients of noisy series: some frames are its input, the others its target.

    Curves are projected on the scan's own first temporal components and their mean over time. In training the
    coefficients are fitted to frames drawn at random; what the network makes of them is compared with the frames that
    were left out, at their times. Their noise is independent of its input, so that no noiseless series is needed
    (Noise2Noise), nor any assumption on how the signal changes from frame to frame, no kappa and no bias
    compensation. In use it sees the coefficients of all frames, a slice at once.

    Sources: Lehtinen et al., "Noise2Noise: learning image restoration without clean data", ICML 2018; Wu, Ren, Li, eqs
    2 and 3; Liang, "Spatiotemporal imaging with partially separable functions", IEEE ISBI 2007 (few components).
    """

    name, version = "subspace_n2n", "2"
    learns_from: ClassVar[Literal["noisy", "clean"]] = "noisy"

    target_share: Annotated[
        float, Field(gt=0, lt=1, description="share of the frames that are left out of the input and make the target")
    ] = 0.2

    def objective(self, slices: Sequence[SubspaceSlice]) -> Objective:
        """Return the mean square of what is missed of the frames that were left out."""
        from ctpbench_unet.objectives import left_out_frames

        return left_out_frames(slices, self.batch, self.patch_px, self.target_share)
