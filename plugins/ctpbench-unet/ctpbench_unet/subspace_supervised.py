"""Supervised learning on temporal coefficients: the target is those of the noiseless series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from ctpbench_unet.subspace_denoiser import SubspaceDenoiser

if TYPE_CHECKING:
    from ctpbench_unet.losses import Objective
    from ctpbench_unet.subspace import SubspaceSlice


class SubspaceSupervised(SubspaceDenoiser):
    """The network of `subspace_n2n` trained on noiseless series: what it can reach at best.

    Its input are the coefficients of all noisy frames in the scan's own first temporal components and their non-local
    mean, its target the coefficients of the noiseless frames in the same components.
    """

    name, version = "subspace_supervised", "2"
    learns_from: ClassVar[Literal["noisy", "clean"]] = "clean"

    def objective(self, slices: Sequence[SubspaceSlice]) -> Objective:
        """Return the mean square of what is missed of the noiseless coefficients."""
        from ctpbench_unet.subspace_objectives import clean_coefficients

        return clean_coefficients(slices, self.batch, self.patch_px, residue_share=self.residue_share)
