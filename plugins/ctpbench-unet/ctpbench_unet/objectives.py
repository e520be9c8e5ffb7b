"""What training makes small: a function that draws a batch and returns the terms of the loss on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ctpbench.arrays import Index
from ctpbench_unet.losses import low_frequencies, mean_square
from ctpbench_unet.network import CONCENTRATION_HU
from ctpbench_unet.pairs import Example, batch_of, draw
from ctpbench_unet.slices import Slice
from ctpbench_unet.targets import Maker


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


Objective = Callable[[Callable[[Tensor], Tensor], np.random.Generator], Terms]


def regression(slices: Sequence[Slice], maker: Maker, sampling: Sampling) -> Objective:
    """Return the objective of Noise2Noise and of supervised learning: eqs 7 and 9, or 14 and 9."""

    def terms(network: Callable[[Tensor], Tensor], rng: np.random.Generator) -> Terms:
        batch = drawn(slices, maker, sampling, rng)
        answer = network(batch.images)
        return Terms(
            mean_square((answer - batch.target) / CONCENTRATION_HU, batch.mask),
            low_frequencies((answer - batch.noisy) / CONCENTRATION_HU, batch.mask),
        )

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
