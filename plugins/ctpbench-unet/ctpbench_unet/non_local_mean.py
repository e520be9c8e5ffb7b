"""A non-local mean of images of several channels: what a network on temporal coefficients corrects."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ctpbench.arrays import Float32
from ctpbench_unet.runtime import threads

SIMILARITY = 3.5
"""Width h of the similarity, in standard deviations of noise."""
SIGMA_PX = 5.0
"""Width of the spatial weight, in pixels."""
WINDOW_PX = 15
"""Side of the square window."""
FLOATS_A_CHANNEL = 40
"""How many numbers `by_torch` holds at once for each pixel and channel: above all two rows of the window."""


def non_local_mean(images: Tensor, tissue: Tensor, noise_variance: float) -> Tensor:
    """Return each pixel's weighted mean of the pixels around it that are like it in all channels.

    Pixels i and j of a window weigh ``exp(-d_ij / (2 h^2 s^2) - |i - j|^2 / (2 SIGMA_PX^2))``, d_ij the sum of their
    squared differences less what noise of variance s^2 adds to it, and 0 at least.

    Parameters
    ----------
    images : Tensor, (..., channel, y, x), float32
        Zero outside the tissue; noise of one variance in every channel.
    tissue : Tensor, (..., y, x), float32
        1 where pixels count, 0 elsewhere.
    noise_variance : float
        In the square of the images' unit.

    Returns
    -------
    Tensor, (..., channel, y, x), float32
        Zero outside the tissue.

    Notes
    -----
    On a CPU it is computed by a kernel of its own, with as many threads as torch has; torch's operations, each over all
    of the images, take four times as long there.

    Sources: Buades, Coll and Morel, Multiscale Model Simul 4:490, 2005, and Image Processing On Line 1:208, 2011 (less
    what noise adds); Tasdizen, IEEE Trans Image Process 18:2649, 2009 (in principal components).
    """
    *leading, channels, rows, columns = images.shape
    expected, rate = 2 * noise_variance * channels, 1 / (2 * SIMILARITY**2 * noise_variance)
    if images.device.type != "cpu":
        return by_torch(images, tissue, expected, rate)
    from ctpbench_unet import _non_local_kernel as kernel  # numba loads when the filter runs

    slices = images.reshape(-1, channels, rows, columns).numpy(), tissue.reshape(-1, rows, columns).numpy()
    count = torch.get_num_threads()
    with threads(count):  # afterwards as before: numba's first use changes torch's number where they share OpenMP
        means = [kernel.non_local_mean(*both, expected, rate, _penalty(), count) for both in zip(*slices, strict=True)]
    return torch.from_numpy(np.stack(means)).view(*leading, channels, rows, columns)


def by_torch(images: Tensor, tissue: Tensor, expected: float, rate: float) -> Tensor:
    """Return the same by torch's operations, a row of the window after another; parameters as of the kernel."""
    reach = WINDOW_PX // 2
    images, inside = (pad(each, (reach, reach, reach, reach)) for each in (images, tissue))
    penalty = torch.from_numpy(_penalty()).to(images.device)
    rows = images.shape[-2] - 2 * reach
    own = images[..., reach:-reach, reach:-reach, None]
    total, sums = torch.zeros_like(own[..., 0, :, :, 0]), torch.zeros_like(own[..., 0])
    for dy in range(WINDOW_PX):
        there, within = (each[..., dy : dy + rows, :].unfold(-1, WINDOW_PX, 1) for each in (images, inside))
        beyond = (own - there).square_().sum(dim=-4).sub_(expected).clamp_(min=0)
        weights = beyond.mul_(-rate).sub_(penalty[dy]).exp_().mul_(within)
        total += weights.sum(dim=-1)
        sums += (weights[..., None, :, :, :] * there).sum(dim=-1)
    return torch.where(tissue[..., None, :, :] > 0, sums / total.clamp(min=1e-30)[..., None, :, :], 0)


def _penalty() -> Float32:
    """Return what the exponent of a weight loses for the distance, for each place of the window."""
    square = (np.arange(-(WINDOW_PX // 2), WINDOW_PX // 2 + 1) / SIGMA_PX) ** 2
    return np.asarray(np.add.outer(square, square) / 2, dtype=np.float32)
