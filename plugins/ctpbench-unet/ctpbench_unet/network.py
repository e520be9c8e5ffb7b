"""The networks: a two-dimensional UNet without normalisation, on frames or on temporal coefficients."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d, relu
from torch.nn.utils import skip_init

from ctpbench_unet.frames import EARLY_CHANNEL, FRAME_CHANNEL, n_channels

Inputs = Literal["frames", "differences"]
INPUT_HU = 150.0
"""Frames are divided by this on the way in (section V-D)."""
CONCENTRATION_HU = 25.0
"""The concentration is in multiples of this on the way out, differences on the way in."""


@dataclass(frozen=True)
class Architecture(ABC):
    """What must be known of a network to make it again and to use it.

    Attributes
    ----------
    width, depth : int
        See `UNet`.
    precision : str
        See `ctpbench_unet.runtime.autocast`.
    """

    width: int
    depth: int
    precision: str

    @property
    def multiple(self) -> int:
        """What rows and columns of an image must be a multiple of."""
        return 2 ** (self.depth - 1)

    @abstractmethod
    def network(self, seed: int = 0) -> nn.Module:
        """Return a network that has learnt nothing yet."""


@dataclass(frozen=True)
class FramewiseArchitecture(Architecture):
    """That of a network that denoises frame by frame.

    Attributes
    ----------
    inputs : str
        See `Network`.
    residual : bool
        See `Network`.
    neighbours : int
        How many frames to either side of a frame are part of the input: see `ctpbench_unet.frames.channels_of`.
    inference_batch : int
        Images denoised at once.
    """

    inputs: Inputs
    residual: bool
    neighbours: int
    inference_batch: int

    def network(self, seed: int = 0) -> Network:
        """Return a network that has learnt nothing yet."""
        channels = n_channels(self.neighbours)
        return Network(channels, self.width, self.depth, inputs=self.inputs, residual=self.residual, seed=seed)


class Network(nn.Module):
    """From frames in HU to the concentration of the first of them in HU.

    Parameters
    ----------
    channels : int
        Frames of the input, in the order of `ctpbench_unet.frames.channels_of`.
    width, depth : int
        See `UNet`.
    inputs : str
        ``"frames"``: as they are. ``"differences"``: all but the early frame minus the early frame. The same
        knowledge, but the concentration, a few HU on a background of 35, need not be found first.
    residual : bool
        Whether the UNet's answer is added to the noisy concentration: it then learns what is to be removed.
    seed : int
        Decides the initial weights; the global random state is left alone.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        depth: int,
        *,
        inputs: Inputs,
        residual: bool,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.inputs, self.residual = inputs, residual
        self.unet = UNet(channels, 1, width, depth, torch.Generator().manual_seed(seed))

    def forward(self, images: Tensor) -> Tensor:
        """Return (batch, 1, y, x), float32, HU above baseline, for (batch, channels, y, x), HU.

        y and x are multiples of ``2**(depth - 1)``.
        """
        frame = images[:, FRAME_CHANNEL : FRAME_CHANNEL + 1]
        early = images[:, EARLY_CHANNEL : EARLY_CHANNEL + 1]
        if self.inputs == "differences":
            others = images[:, EARLY_CHANNEL + 1 :]
            scaled = torch.cat([frame - early, early / 2, others - early], dim=1) / CONCENTRATION_HU
        else:
            scaled = images / INPUT_HU
        answer = self.unet(scaled.contiguous(memory_format=torch.channels_last)).float() * CONCENTRATION_HU
        return answer + (frame - early) if self.residual else answer


@dataclass(frozen=True)
class SubspaceArchitecture(Architecture):
    """That of a network on temporal coefficients.

    Attributes
    ----------
    rank : int
        How many temporal components it sees beside the mean over time.
    """

    rank: int

    def network(self, seed: int = 0) -> SubspaceNetwork:
        """Return a network that has learnt nothing yet."""
        return SubspaceNetwork(self.rank + 1, self.width, self.depth, seed=seed)


class SubspaceNetwork(nn.Module):
    """From noisy coefficient images and filtered ones to denoised ones: a UNet's answer added to the filtered ones.

    Parameters
    ----------
    coefficients : int
        Of a pixel.
    width, depth : int
        See `UNet`.
    seed : int
        Decides the initial weights; the global random state is left alone.
    """

    def __init__(self, coefficients: int, width: int, depth: int, *, seed: int = 0) -> None:
        super().__init__()
        self.coefficients = coefficients
        self.unet = UNet(2 * coefficients, coefficients, width, depth, torch.Generator().manual_seed(seed))

    def forward(self, images: Tensor) -> Tensor:
        """Return (batch, coefficients, y, x), float32, for noisy and filtered ones, (batch, 2 coefficients, y, x).

        y and x are multiples of ``2**(depth - 1)``.
        """
        filtered = images[:, self.coefficients :]
        return filtered + self.unet(images.contiguous(memory_format=torch.channels_last)).float()


class UNet(nn.Module):
    """A UNet with one 3x3 convolution a level on either side (Ronneberger et al. 2015, arXiv:1505.04597).

    Level i has ``width * 2**i`` channels at 1/2**i of the resolution. Down by maximum, up by repetition, no
    normalisation. Its answer is zero before it has learnt. Wu, Ren, Li use width 32 and depth 4.
    """

    def __init__(self, channels: int, answers: int, width: int, depth: int, generator: torch.Generator) -> None:
        super().__init__()
        levels = [width * 2**level for level in range(depth)]
        steps = list(itertools.pairwise(levels))
        self.first = _convolution(channels, levels[0], generator)
        self.down = nn.ModuleList(_convolution(fine, coarse, generator) for fine, coarse in steps)
        self.up = nn.ModuleList(_convolution(coarse + fine, fine, generator) for fine, coarse in steps)
        self.last = skip_init(nn.Conv2d, levels[0], answers, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return (batch, answers, y, x) for (batch, channels, y, x)."""
        fine = [relu(self.first(images), inplace=True)]
        for convolution in self.down:
            fine.append(relu(convolution(max_pool2d(fine[-1], 2)), inplace=True))
        features = fine.pop()
        for convolution in reversed(self.up):
            features = interpolate(features, scale_factor=2.0, mode="nearest")
            features = relu(convolution(torch.cat([features, fine.pop()], dim=1)), inplace=True)
        return self.last(features)


def _convolution(channels: int, out: int, generator: torch.Generator) -> nn.Conv2d:
    """Return a 3x3 convolution whose weights come from the generator alone; no global random state is touched."""
    convolution = skip_init(nn.Conv2d, channels, out, 3, padding=1)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu", generator=generator)
    nn.init.zeros_(convolution.bias)
    return convolution
