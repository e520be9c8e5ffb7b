"""A non-local mean of images of several channels: what a network on temporal coefficients corrects."""

from __future__ import annotations

from itertools import product

from torch import Tensor

from ctpbench_unet.runtime import threads

SIMILARITY = 3.5
"""Width h of the similarity, in standard deviations of noise."""
SIGMA_PX = 5.0
"""Width of the spatial weight, in pixels."""
WINDOW_PX = 15
"""Side of the square window."""


def non_local_mean(images: Tensor, tissue: Tensor, noise_variance: float) -> Tensor:
    """Return each pixel's weighted mean of the pixels around it that are like it in all channels.

    Pixels i and j of a window weigh ``exp(-d_ij / (2 h^2 s^2) - |i - j|^2 / (2 SIGMA_PX^2))``, d_ij the sum of their
    squared differences less what noise of variance s^2 adds to it, and 0 at least.

    Parameters
    ----------
    images : Tensor, (channel, y, x), float32
        Zero outside the tissue; noise of one variance in every channel.
    tissue : Tensor, (y, x), float32
        1 where pixels count, 0 elsewhere.
    noise_variance : float
        In the square of the images' unit.

    Returns
    -------
    Tensor, (channel, y, x), float32
        Zero outside the tissue.

    Notes
    -----
    A pair of pixels weighs the same either way: half the window serves both.

    Sources: Buades, Coll and Morel, Multiscale Model Simul 4:490, 2005, and Image Processing On Line 1:208, 2011 (less
    what noise adds); Tasdizen, IEEE Trans Image Process 18:2649, 2009 (in principal components).
    """
    with threads(1):  # of hundreds of small steps, for each of which to wake another takes longer than the step
        return _mean(images, tissue, 2 * noise_variance * len(images), 1 / (2 * SIMILARITY**2 * noise_variance))


def _mean(images: Tensor, tissue: Tensor, expected: float, rate: float) -> Tensor:
    total, sums = tissue.clone(), images.clone()
    rows, columns = tissue.shape
    for dy, dx in _half_window(rows, columns):
        here = slice(0, rows - dy), slice(max(-dx, 0), columns - max(dx, 0))
        there = slice(dy, rows), slice(max(dx, 0), columns - max(-dx, 0))
        one, other = images[:, *here], images[:, *there]
        beyond = (one - other).square_().sum(dim=0).sub_(expected).clamp_(min=0)
        weight = beyond.mul_(-rate).sub_((dy**2 + dx**2) / (2 * SIGMA_PX**2)).exp_()
        weight.mul_(tissue[here]).mul_(tissue[there])
        for place, neighbour in ((here, other), (there, one)):
            total[place] += weight
            sums[:, *place].addcmul_(weight, neighbour)
    return sums / total.clamp(min=1)


def _half_window(rows: int, columns: int) -> list[tuple[int, int]]:
    """Return the steps down and across to half of the pixels around one, those that an image has room for."""
    down, across = (min(WINDOW_PX // 2, size - 1) for size in (rows, columns))
    steps = product(range(down + 1), range(-across, across + 1))
    return [(dy, dx) for dy, dx in steps if (dy, dx) > (0, 0)]
