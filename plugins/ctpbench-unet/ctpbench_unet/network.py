"""The network: a two-dimensional UNet without normalisation."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional


class UNet(nn.Module):
    """A UNet with one 3x3 convolution a level on either side (Ronneberger et al. 2015, arXiv:1505.04597).

    Level i has ``width * 2**i`` channels at 1/2**i of the resolution. Down by maximum, up by repetition. Wu, Ren,
    Li use width 32 and depth 4.

    Parameters
    ----------
    channels : int
        Channels of the input; the output has one.
    width, depth : int
        Channels of the first level; number of levels.
    skip : tuple of float, optional
        Adds the input's channels, weighted so, to the output: the network then learns what is to be removed. A
        new network's own part is zero.
    seed : int
        Decides the initial weights; the global random state is left alone.
    """

    def __init__(
        self, channels: int, width: int, depth: int, *, skip: tuple[float, ...] | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        levels = [width * 2**level for level in range(depth)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.first = _Block(channels, levels[0])
            self.down = nn.ModuleList(_Block(fine, coarse) for fine, coarse in itertools.pairwise(levels))
            self.up = nn.ModuleList(_Block(coarse + fine, fine) for fine, coarse in itertools.pairwise(levels))
            self.last = nn.Conv2d(levels[0], 1, 1)
        self.skip = skip
        if skip is not None:
            nn.init.zeros_(self.last.weight)
            nn.init.zeros_(self.last.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return (batch, 1, y, x) for (batch, channels, y, x); y and x are multiples of ``2**(depth - 1)``."""
        fine = [self.first(images)]
        for block in self.down:
            fine.append(block(functional.max_pool2d(fine[-1], 2)))
        features = fine.pop()
        for block in reversed(self.up):
            features = functional.interpolate(features, scale_factor=2.0, mode="nearest")
            features = block(torch.cat([features, fine.pop()], dim=1))
        output = self.last(features)
        if self.skip is None:
            return output
        weights = images.new_tensor(self.skip).view(1, -1, 1, 1)
        return output + (images * weights).sum(dim=1, keepdim=True)


class _Block(nn.Module):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, out, 3, padding=1)
        nn.init.kaiming_normal_(self.convolution.weight, nonlinearity="relu")
        nn.init.zeros_(self.convolution.bias)

    def forward(self, images: Tensor) -> Tensor:
        return functional.relu(self.convolution(images), inplace=True)
