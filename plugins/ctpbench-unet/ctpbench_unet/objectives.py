"""What training makes small: a function that draws a batch and returns the terms of the loss on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ctpbench.arrays import Index
from ctpbench_unet.losses import low_frequencies, mean_square
from ctpbench_unet.network import CONCENTRATION_HU
from ctpbench_unet.pairs import Example, batch_of, draw, window_in
from ctpbench_unet.slices import Slice
from ctpbench_unet.subspace import SubspaceSlice
from ctpbench_unet.targets import Maker, RandomMaker


@dataclass(frozen=True)
class Sampling:
    """How a batch is drawn: see `ctpbench_unet.pairs.draw`."""

    batch: int
    patch_px: int | None
    near_peak: float


@dataclass(frozen=True)
class Terms:
    """The two terms of the loss of one batch, scalars: eq. 7 or 14, and eq. 9."""

    fit: Tensor
    bias: Tensor


Patch = tuple[SubspaceSlice, tuple[slice, slice], list[int]]
"""A slice, rows and columns of it, and the axes along which it is flipped."""
Objective = Callable[[Callable[[Tensor], Tensor], np.random.Generator], Terms]


def regression(slices: Sequence[Slice], maker: Maker, sampling: Sampling) -> Objective:
    """Return the objective of Noise2Noise and of supervised learning: eqs 7 and 9, or 14 and 9."""

    def terms(network: Callable[[Tensor], Tensor], rng: np.random.Generator) -> Terms:
        batch = drawn(slices, maker, sampling, rng)
        return _compared(network(batch.images), batch)

    return terms


def noise2sim(slices: Sequence[Slice], maker: RandomMaker, sampling: Sampling) -> Objective:
    """Return the objective of Noise2Sim: eqs 7 and 9, with a target that is drawn each time anew."""

    def terms(network: Callable[[Tensor], Tensor], rng: np.random.Generator) -> Terms:
        batch = drawn(slices, lambda place: maker(place, rng), sampling, rng)
        return _compared(network(batch.images), batch)

    return terms


def noise2void(
    slices: Sequence[Slice], maker: Maker, sampling: Sampling, hidden_share: float, reach_px: int
) -> Objective:
    """Return the objective of Noise2Void (Krull, Buchholz, Jug 2019, section 3.3).

    In each image pixels are hidden, and the network's answer is compared with the target at these alone; the bias
    compensation looks at all of it.
    """

    def terms(network: Callable[[Tensor], Tensor], rng: np.random.Generator) -> Terms:
        batch = drawn(slices, maker, sampling, rng)
        images, hidden = hide(batch.images, batch.mask, hidden_share, reach_px, rng)
        return _compared(network(images), batch, hidden)

    return terms


def neighbor2neighbor(slices: Sequence[Slice], maker: Maker, sampling: Sampling, gamma: float) -> Objective:
    """Return the objective of Neighbor2Neighbor (Huang et al. 2021, eq. 9).

    Two subimages are drawn, in each cell of 2 x 2 pixels one pixel and one of its neighbours. The network turns the
    first into the second; the regulariser asks that the two differ as the subimages of its answer to the whole do.
    """

    def terms(network: Callable[[Tensor], Tensor], rng: np.random.Generator) -> Terms:
        batch = drawn(slices, maker, sampling, rng)
        first, second = sub_samplers(batch.mask.shape, rng, batch.mask.device)
        with torch.no_grad():
            whole = network(batch.images)
        answer = network(first(batch.images))
        mask = first(batch.mask) * second(batch.mask)
        error = (answer - second(batch.target)) / CONCENTRATION_HU
        expected = (first(whole) - second(whole)) / CONCENTRATION_HU
        fit = mean_square(error, mask) + gamma * mean_square(error - expected, mask)
        return Terms(fit, low_frequencies((answer - first(batch.noisy)) / CONCENTRATION_HU, mask, sigma_px=3.0))

    return terms


def hide(images: Tensor, mask: Tensor, share: float, reach_px: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Let pixels take the value of one of their neighbours, in all channels alike.

    A pixel is hidden where it and its neighbour lie in the mask and the neighbour is not to be hidden itself: what is
    hidden is nowhere in the images.

    Parameters
    ----------
    images : Tensor, (batch, channels, y, x)
    mask : Tensor, (batch, 1, y, x)
    share : float
        How many of the pixels are to be hidden.
    reach_px : int
        How far away the neighbour lies at most along either axis.
    rng : Generator

    Returns
    -------
    tuple of Tensor
        The images, and where pixels are hidden: 1 there and 0 elsewhere, (batch, 1, y, x).
    """
    batch, channels, rows, columns = images.shape
    chosen = rng.random((batch, rows, columns), dtype=np.float32) < share
    number, y, x = np.nonzero(chosen)
    side = 2 * reach_px + 1
    step = rng.integers(side**2 - 1, size=len(number))
    dy, dx = np.divmod(step + (step >= side**2 // 2), side)
    there_y, there_x = y + dy - reach_px, x + dx - reach_px
    exists = (there_y >= 0) & (there_y < rows) & (there_x >= 0) & (there_x < columns)
    number, y, x, there_y, there_x = (index[exists] for index in (number, y, x, there_y, there_x))
    shown = ~chosen[number, there_y, there_x]
    place, there = (
        torch.from_numpy(np.ravel_multi_index((number, *at), chosen.shape)[shown]).to(images.device)
        for at in ((y, x), (there_y, there_x))
    )
    flat = images.movedim(1, 0).reshape(channels, -1)
    inside = mask.flatten()
    hidden = torch.zeros_like(inside)
    hidden[place] = inside[place] * inside[there]
    replaced = flat.clone()
    replaced[:, place] = torch.where(hidden[place] > 0, flat[:, there], flat[:, place])
    return replaced.view(channels, batch, rows, columns).movedim(0, 1), hidden.view_as(mask)


def left_out_frames(
    slices: Sequence[SubspaceSlice], batch: int, patch_px: int | None, target_share: float
) -> Objective:
    """Return the objective of Noise2Noise on temporal coefficients.

    In each patch a share of the frames is drawn at random and left out of the coefficients that the network sees; the
    curves of its answer are compared with them.
    """

    def terms(network: Callable[[Tensor], Tensor], rng: np.random.Generator) -> Terms:
        patches = _patches(slices, batch, patch_px, rng)
        divided = [_divided(part, target_share, rng) for part, _, _ in patches]
        seen = [part.coefficients(window, kept) for (part, window, _), (kept, _) in zip(patches, divided, strict=True)]
        answers = _answers(network, seen, patches)
        fit = [
            mean_square(
                (part.series(answer, left_out) - part.frames[:, *window][left_out]) / part.unit_hu,
                part.solid[window].expand(len(left_out), -1, -1),
            )
            for answer, (part, window, _), (_, left_out) in zip(answers, patches, divided, strict=True)
        ]
        return _without_bias(fit)

    return terms


def clean_coefficients(slices: Sequence[SubspaceSlice], batch: int, patch_px: int | None) -> Objective:
    """Return the objective of supervised learning on temporal coefficients."""

    def terms(network: Callable[[Tensor], Tensor], rng: np.random.Generator) -> Terms:
        patches = _patches(slices, batch, patch_px, rng)
        answers = _answers(network, [part.coefficients(window) for part, window, _ in patches], patches)
        fit = [
            mean_square(answer - part.clean_coefficients(window), part.solid[window].expand_as(answer))
            for answer, (part, window, _) in zip(answers, patches, strict=True)
        ]
        return _without_bias(fit)

    return terms


def _compared(answer: Tensor, batch: Example, where: Tensor | None = None) -> Terms:
    """Return eq. 7 or 14, over part of the tissue where that is given, and eq. 9."""
    return Terms(
        mean_square((answer - batch.target) / CONCENTRATION_HU, batch.mask if where is None else where),
        low_frequencies((answer - batch.noisy) / CONCENTRATION_HU, batch.mask),
    )


def _patches(
    slices: Sequence[SubspaceSlice], batch: int, patch_px: int | None, rng: np.random.Generator
) -> list[Patch]:
    """Draw slices, patches of them and along which axes to flip them."""
    chosen = [slices[int(rng.integers(len(slices)))] for _ in range(batch)]
    return [(part, window_in(part, patch_px, rng), [axis for axis in (-2, -1) if rng.integers(2)]) for part in chosen]


def _divided(part: SubspaceSlice, target_share: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Divide a slice's frames at random: those that the network sees, and a share that is left out, one at least."""
    count, least = part.basis.shape
    shuffled = torch.from_numpy(rng.permutation(count)).to(part.frames.device)
    left_out = min(max(round(target_share * count), 1), count - least)
    return shuffled[left_out:], shuffled[:left_out]


def _answers(network: Callable[[Tensor], Tensor], seen: Sequence[Tensor], patches: Sequence[Patch]) -> list[Tensor]:
    """Return what the network makes of images, each flipped on the way in and back on the way out.

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


def _without_bias(fit: Sequence[Tensor]) -> Terms:
    mean = torch.stack(list(fit)).mean()
    return Terms(mean, torch.zeros_like(mean))


def drawn(slices: Sequence[Slice], maker: Maker, sampling: Sampling, rng: np.random.Generator) -> Example:
    """Return a batch with random flips."""
    places = draw(slices, rng, **vars(sampling))
    return batch_of(places, maker, rng)


def sub_samplers(
    shape: Sequence[int], rng: np.random.Generator, device: torch.device
) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """Return two functions that take (batch, channels, y, x) to subimages of half the size.

    In each cell of 2 x 2 pixels the first takes one at random, the second one of the two beside it; the same
    pixels for all channels.
    """
    batch, _, rows, columns = shape
    cells = (batch, rows // 2, columns // 2)
    row, column = rng.integers(2, size=cells), rng.integers(2, size=cells)
    along_row = rng.integers(2, size=cells).astype(bool)
    first = 2 * row + column
    second = np.where(along_row, 2 * row + (1 - column), 2 * (1 - row) + column)

    def taking(which: Index) -> Callable[[Tensor], Tensor]:
        index = torch.from_numpy(which).to(device)[:, None]

        def take(images: Tensor) -> Tensor:
            size, channels = images.shape[:2]
            cell = images.view(size, channels, rows // 2, 2, columns // 2, 2).permute(0, 1, 2, 4, 3, 5).flatten(4)
            return cell.gather(4, index.expand(-1, channels, -1, -1)[..., None]).squeeze(4)

        return take

    return taking(first), taking(second)
