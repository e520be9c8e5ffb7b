"""What training frame by frame makes small: a function that draws a batch and returns the terms of the loss on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ctpbench.arrays import Index
from ctpbench_unet.losses import Objective, Terms, low_frequencies, mean_square
from ctpbench_unet.network import CONCENTRATION_HU
from ctpbench_unet.pairs import Example, batch_of, draw
from ctpbench_unet.slices import Slice
from ctpbench_unet.targets import Maker, RandomMaker


@dataclass(frozen=True)
class Sampling:
    """How a batch is drawn: see `ctpbench_unet.pairs.draw`."""

    batch: int
    patch_px: int | None
    near_peak: float


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
    """Return the objective of Noise2Void (Krull, Buchholz, Jug 2019).

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


def _compared(answer: Tensor, batch: Example, where: Tensor | None = None) -> Terms:
    """Return eq. 7 or 14, over part of the tissue where that is given, and eq. 9."""
    return Terms(
        mean_square((answer - batch.target) / CONCENTRATION_HU, batch.mask if where is None else where),
        low_frequencies((answer - batch.noisy) / CONCENTRATION_HU, batch.mask),
    )


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
