"""The networks: from frames, or from temporal coefficients, through a UNet to denoised ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ctpbench_unet.frames import EARLY_CHANNEL, FRAME_CHANNEL, n_channels
from ctpbench_unet.unet import StridedUNet, UNet

Inputs = Literal["frames", "differences"]
Resampling = Literal["pooling", "strided"]
INPUT_HU = 150.0
"""Frames are divided by this on the way in (section V-D), and 1 is taken from them, as the paper's authors do."""
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
    resampling : str
        See `Network`.
    neighbours : int
        How many frames to either side of a frame are part of the input: see `ctpbench_unet.frames.channels_of`.
    inference_batch : int or None
        Images denoised at once; None: as the device suits.
    """

    inputs: Inputs
    residual: bool
    resampling: Resampling
    neighbours: int
    inference_batch: int | None

    def network(self, seed: int = 0) -> Network:
        """Return a network that has learnt nothing yet."""
        return Network(
            n_channels(self.neighbours),
            self.width,
            self.depth,
            inputs=self.inputs,
            residual=self.residual,
            resampling=self.resampling,
            seed=seed,
        )


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
    resampling : str
        ``"pooling"``: a `UNet`. ``"strided"``: a `StridedUNet`, that of the paper's authors.
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
        resampling: Resampling,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.inputs, self.residual = inputs, residual
        kind = StridedUNet if resampling == "strided" else UNet
        self.unet = kind(channels, 1, width, depth, torch.Generator().manual_seed(seed))

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
            scaled = images / INPUT_HU - 1
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

    def forward(self, images: Tensor, inside: Tensor | None = None) -> Tensor:
        """Return (batch, coefficients, y, x), float32, for noisy and filtered ones, (batch, 2 coefficients, y, x).

        y and x are multiples of ``2**(depth - 1)``; `inside` as of `UNet`.
        """
        filtered = images[:, self.coefficients :]
        seen = images.to(self.unet.first.weight.dtype)  # apart from the order, or it takes twice as long
        return filtered + self.unet(seen.contiguous(memory_format=torch.channels_last), inside)
