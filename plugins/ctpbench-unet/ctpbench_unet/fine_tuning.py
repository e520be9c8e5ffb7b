"""Fine-tuning: a trained network on temporal coefficients learns on from the very scan that it is to denoise."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import nn

from ctpbench import Context
from ctpbench_unet.subspace import SubspaceSlice
from ctpbench_unet.subspace_objectives import left_out_frames
from ctpbench_unet.training import Recipe, train


@dataclass(frozen=True)
class FineTuning:
    """How a network is fine-tuned: see `ctpbench_unet.subspace_n2n.SubspaceNoise2Noise` for what is not told here.

    Attributes
    ----------
    steps : int
    learning_rate : float
        Of Adam; it rises over the first twentieth of the steps and falls to zero.
    batch : int
    patch_px : int or None
    target_share, residue_share : float
    divisions : int
    clip : float or None
    precision : str
    """

    steps: int
    learning_rate: float
    batch: int
    patch_px: int | None
    target_share: float
    residue_share: float
    divisions: int
    clip: float | None
    precision: str

    def tuned(self, network: nn.Module, slices: Sequence[SubspaceSlice], context: Context) -> nn.Module:
        """Return a copy of the network that learnt on from these noisy slices; the network stays as it is."""
        tuned = copy.deepcopy(network)
        objective = left_out_frames(
            [part.to(context.device) for part in slices],
            self.batch,
            self.patch_px,
            target_share=self.target_share,
            residue_share=self.residue_share,
            divisions=self.divisions,
        )
        recipe = Recipe(
            steps=self.steps,
            seconds=None,
            learning_rate=self.learning_rate,
            warmup=0.05,
            cosine=True,
            clip=self.clip,
            beta=0.0,
            ema=0.0,
            precision=self.precision,
            compile=False,
        )
        with TemporaryDirectory(dir=context.scratch) as folder:  # of its own: no scan goes on from another's checkpoint
            apart = replace(context, checkpoints=Path(folder))
            train(tuned, objective, recipe, context.rng, apart)
        return tuned.eval().to("cpu")
