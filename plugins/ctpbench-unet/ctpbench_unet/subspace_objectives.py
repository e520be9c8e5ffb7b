"""What training on temporal coefficients makes small: the same of patches, their input and target made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ctpbench import DataError
from ctpbench_unet.losses import Objective, Terms, mean_square
from ctpbench_unet.pairs import window_in
from ctpbench_unet.subspace import SubspaceSlice

Patch = tuple[int, tuple[slice, slice], list[int]]
"""The number of a slice, rows and columns of it, and the axes along which it is flipped."""


@dataclass(frozen=True)
class Task:
    """A slice with what a network is shown of it and what its answer is compared with.

    Attributes
    ----------
    images : Tensor, (channel, y, x)
    target : Tensor, (rank + 1, y, x)
    root : Tensor, (rank + 1, rank + 1)
        The loss of a pixel is the square of root times what is missed of the target.
    """

    images: Tensor
    target: Tensor
    root: Tensor


def left_out_frames(
    slices: Sequence[SubspaceSlice],
    batch: int,
    patch_px: int | None,
    *,
    target_share: float,
    residue_share: float,
    divisions: int,
) -> Objective:
    """Return the objective of Noise2Noise on temporal coefficients.

    A share of the frames is drawn at random and left out of all that the network sees; its answer is compared with the
    coefficients that fit these frames best, which have noise of their own. Each slice is divided in so many ways.

    Parameters
    ----------
    slices : sequence of SubspaceSlice
    batch : int
    patch_px : int or None
    target_share : float
        Of the frames.
    residue_share : float
        Of the loss: how much weighs the error of the deconvolved residue; the rest weighs that of the frames.
    divisions : int
    """

    def task(number: int, division: int) -> Task:
        part, rng = slices[number], np.random.default_rng([number, division])
        kept, left_out = _divided(part, target_share, rng)
        basis = part.basis[left_out]
        frames = basis.T @ basis * (len(part.basis) / len(left_out))
        return Task(part.images(kept), part.coefficients(left_out), _root(part, frames, residue_share))

    return _on_patches(slices, batch, patch_px, task, divisions)


def clean_coefficients(
    slices: Sequence[SubspaceSlice], batch: int, patch_px: int | None, *, residue_share: float
) -> Objective:
    """Return the objective of supervised learning on temporal coefficients; parameters as in `left_out_frames`."""

    def task(number: int, division: int) -> Task:
        part = slices[number]
        frames = torch.eye(part.basis.shape[1], device=part.basis.device)
        return Task(part.images(), part.clean_coefficients(), _root(part, frames, residue_share))

    return _on_patches(slices, batch, patch_px, task, divisions=1)


def _root(part: SubspaceSlice, frames: Tensor, residue_share: float) -> Tensor:
    """Return a matrix R whose square ``R' R`` is the weighted mean of the quadratic forms of frames and of residues."""
    form = (1 - residue_share) * frames + residue_share * part.residue_form()
    values, vectors = torch.linalg.eigh(form.cpu())  # a matrix of a few rows, and not every device can
    return (vectors * values.clamp(min=0).sqrt()).T.to(form.device)


def _on_patches(
    slices: Sequence[SubspaceSlice],
    batch: int,
    patch_px: int | None,
    task: Callable[[int, int], Task],
    divisions: int,
) -> Objective:
    """Return the mean square of what is missed in patches; a task is made when it is first drawn, and kept.

    What a task is does not depend on when: training that was interrupted goes on the same way.
    """
    kept = cache(task)

    def terms(network: Callable[[Tensor], Tensor], rng: np.random.Generator) -> Terms:
        patches = _patches(slices, batch, patch_px, rng)
        tasks = [kept(number, int(rng.integers(divisions))) for number, _, _ in patches]
        shown = [each.images[:, *window] for each, (_, window, _) in zip(tasks, patches, strict=True)]
        answers = _answers(network, shown, patches)
        fit = []
        for answer, each, (number, window, _) in zip(answers, tasks, patches, strict=True):
            missed = torch.tensordot(each.root, answer - each.target[:, *window], dims=1)
            fit.append(mean_square(missed, slices[number].solid[window].expand_as(missed)))
        mean = torch.stack(fit).mean()
        return Terms(mean, torch.zeros_like(mean))

    return terms


def _patches(
    slices: Sequence[SubspaceSlice], batch: int, patch_px: int | None, rng: np.random.Generator
) -> list[Patch]:
    """Draw slices, patches of them and along which axes to flip them."""
    chosen = [int(rng.integers(len(slices))) for _ in range(batch)]
    return [
        (number, window_in(slices[number], patch_px, rng), [axis for axis in (-2, -1) if rng.integers(2)])
        for number in chosen
    ]


def _divided(part: SubspaceSlice, target_share: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Divide a slice's frames at random: those that the network sees, and a share that is left out.

    Either part has as many frames as there are coefficients to fit, or more.
    """
    count, least = part.basis.shape
    if count < 2 * least:
        raise DataError(
            f"frames: got {count}; allowed: {2 * least} or more, twice the coefficients of rank {least - 1}"
        )
    shuffled = torch.from_numpy(rng.permutation(count)).to(part.frames.device)
    left_out = min(max(round(target_share * count), least), count - least)
    return shuffled[left_out:], shuffled[:left_out]


def _answers(network: Callable[[Tensor], Tensor], seen: Sequence[Tensor], patches: Sequence[Patch]) -> list[Tensor]:
    """Return what the network makes of images, each flipped on the way in and its answer back on the way out.

    Images of different sizes are filled up with zeros.
    """
    rows, columns = (max(images.shape[axis] for images in seen) for axis in (-2, -1))
    filled = [
        pad(images.flip(axes), (0, columns - images.shape[-1], 0, rows - images.shape[-2]))
        for images, (_, _, axes) in zip(seen, patches, strict=True)
    ]
    answers = network(torch.stack(filled))
    return [
        answer[:, : images.shape[-2], : images.shape[-1]].flip(axes)
        for answer, images, (_, _, axes) in zip(answers, seen, patches, strict=True)
    ]
