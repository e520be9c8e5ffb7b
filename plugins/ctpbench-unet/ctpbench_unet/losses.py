"""The terms of the loss: masked squares, and the squares of what a low-pass leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

LOW_PASS_PX = 6.0
"""Standard deviation of the Gaussian G of eq. 9."""
_LEAST_WEIGHT = 1e-20  # far below what float32 notices; denormal numbers would make a low-pass 20 times slower


@dataclass(frozen=True)
class Terms:
    """The two terms of the loss of one batch, scalars: eq. 7 or 14, and eq. 9."""

    fit: Tensor
    bias: Tensor


Objective = Callable[[Callable[[Tensor], Tensor], np.random.Generator], Terms]
"""Draws a batch with the random numbers given, and returns the terms of the loss of a network on it."""


def mean_square(difference: Tensor, mask: Tensor) -> Tensor:
    """Return the mean square of (batch, 1, y, x) where `mask`, of the same shape, is 1."""
    return (mask * difference).square().sum() / mask.sum().clamp(min=1)


def low_frequencies(difference: Tensor, mask: Tensor, sigma_px: float = LOW_PASS_PX) -> Tensor:
    """Return the mean square, inside the mask, of the low-passed difference: the bias compensation of eq. 9.

    `difference` is the network's answer minus the noisy concentration of its input. What lies outside the mask is
    left out before the low-pass, so that no vessel leaks in.
    """
    return mean_square(low_pass(mask * difference, sigma_px), mask)


def low_pass(images: Tensor, sigma_px: float = LOW_PASS_PX) -> Tensor:
    """Return (batch, 1, y, x) after a Gaussian whose weights sum to 1 at the border too.

    It is separable: one small matrix on either side, which beats two convolutions with so wide a kernel.
    """
    rows, columns = images.shape[-2:]
    return _gaussian(rows, sigma_px, images.device) @ images @ _gaussian(columns, sigma_px, images.device).T


@lru_cache(maxsize=32)
def _gaussian(size: int, sigma_px: float, device: torch.device) -> Tensor:
    place = torch.arange(size, device=device, dtype=torch.float32)
    weights = torch.exp(-((place[:, None] - place) ** 2) / (2 * sigma_px**2))
    weights = weights.where(weights > _LEAST_WEIGHT, 0)
    return weights / weights.sum(dim=1, keepdim=True)
