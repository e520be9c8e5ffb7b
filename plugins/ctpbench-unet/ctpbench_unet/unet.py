"""UNets without normalisation: one resampled by maximum and repetition, and that of the paper's authors."""

from __future__ import annotations

import copy
import itertools

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, max_pool2d, pad, relu
from torch.nn.utils import skip_init


class UNet(nn.Module):
    """A UNet with one 3x3 convolution a level on either side (Ronneberger et al. 2015, arXiv:1505.04597).

    Level i has ``width * 2**i`` channels at 1/2**i of the resolution. Down by maximum, up by repetition, no
    normalisation. Its answer is zero before it has learnt.
    """

    def __init__(self, channels: int, answers: int, width: int, depth: int, generator: torch.Generator) -> None:
        super().__init__()
        levels = [width * 2**level for level in range(depth)]
        steps = list(itertools.pairwise(levels))
        self.first = _convolution(channels, levels[0], generator)
        self.down = nn.ModuleList(_convolution(fine, coarse, generator) for fine, coarse in steps)
        self.up = nn.ModuleList(_convolution(coarse + fine, fine, generator, Joining) for fine, coarse in steps)
        self.last = skip_init(nn.Conv2d, levels[0], answers, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, images: Tensor, inside: Tensor | None = None) -> Tensor:
        """Return (batch, answers, y, x) for (batch, channels, y, x).

        Where `inside`, (batch, 1, y, x), is 0 there is no image: the others' answers are those of images that end
        there. Its ones are a rectangle whose sides are multiples of what the images' sides must be.
        """
        features, fine = images, []
        for level, convolution in enumerate([self.first, *self.down]):
            features = _within(convolution(_pooled(features) if level else features), inside, level)
            fine.append(features)
        fine.pop()
        for level, convolution in reversed(list(enumerate(self.up))):
            features = _within(convolution(features, fine.pop()), inside, level)
        return self.last(features)


class Joining(nn.Conv2d):
    """A 3x3 convolution of coarse features, each repeated 2 x 2 times, and of as many fine ones as it answers with.

    What it sees of repeated pixels are sums of its weights: a transposed convolution by 4x4 of them takes the coarse
    features as they are, with 4/9 of the multiplications and nothing repeated.
    """

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Return (batch, out, 2 y, 2 x) for (batch, channels, y, x) and (batch, out, 2 y, 2 x)."""
        return _joined(coarse, fine, *self.apart(), self.bias)

    def apart(self) -> tuple[Tensor, Tensor]:
        """Return the weights for coarse features, those of a transposed convolution, and for fine ones."""
        over_coarse, over_fine = self.weight.split([self.in_channels - self.out_channels, self.out_channels], dim=1)
        falls_on = pad(over_coarse.transpose(0, 1).flip(-2, -1), (1, 1, 1, 1))
        rows = falls_on[..., 1:, :] + falls_on[..., :-1, :]
        return rows[..., 1:] + rows[..., :-1], over_fine


class _Joined(nn.Module):
    """What a `Joining` is in use: its weights are taken apart once."""

    def __init__(self, joining: Joining) -> None:
        super().__init__()
        for name, weights in zip(("over_coarse", "over_fine", "bias"), (*joining.apart(), joining.bias), strict=True):
            self.register_buffer(name, weights.detach().clone())

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        return _joined(coarse, fine, self.over_coarse, self.over_fine, self.bias)


def _joined(coarse: Tensor, fine: Tensor, over_coarse: Tensor, over_fine: Tensor, bias: Tensor | None) -> Tensor:
    answer = conv_transpose2d(coarse, over_coarse, stride=2, padding=1)
    return answer.add_(conv2d(fine, over_fine, bias, padding=1))


def ready(network: nn.Module, device: str, dtype: torch.dtype) -> nn.Module:
    """Return a copy of a network for use alone, on a device, in a type of numbers: nothing is left to do but answer."""
    copied = copy.deepcopy(network).eval().requires_grad_(False)
    for module in [each for each in copied.modules() if isinstance(each, UNet)]:
        module.up = nn.ModuleList(map(_Joined, module.up))
    return copied.to(device, dtype, memory_format=torch.channels_last)


class StridedUNet(nn.Module):
    """The UNet of the paper's authors: strided convolutions down, transposed ones up, 3x3 throughout.

    Level i has ``width * 2**i`` channels at 1/2**i of the resolution, a convolution after each resampling and a
    rectifier after each but the last; initial weights after Glorot and Bengio, which are TensorFlow's default.

    Source: their published code, github.com/wudufan/ctp_noise2noise, CTP/simul/UNet.py.
    """

    def __init__(self, channels: int, answers: int, width: int, depth: int, generator: torch.Generator) -> None:
        super().__init__()
        levels = [width * 2**level for level in range(depth)]
        steps = list(itertools.pairwise(levels))
        self.first = _glorot(nn.Conv2d, channels, levels[0], generator, padding=1)
        self.down = nn.ModuleList(
            _glorot(nn.Conv2d, fine, coarse, generator, stride=2, padding=1) for fine, coarse in steps
        )
        self.after_down = nn.ModuleList(_glorot(nn.Conv2d, coarse, coarse, generator, padding=1) for _, coarse in steps)
        self.up = nn.ModuleList(
            _glorot(nn.ConvTranspose2d, coarse, fine, generator, stride=2, padding=1, output_padding=1)
            for fine, coarse in steps
        )
        self.after_up = nn.ModuleList(_glorot(nn.Conv2d, 2 * fine, fine, generator, padding=1) for fine, _ in steps)
        self.last = _glorot(nn.Conv2d, levels[0], answers, generator, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Return (batch, answers, y, x) for (batch, channels, y, x)."""
        fine = [relu(self.first(images), inplace=True)]
        for down, convolution in zip(self.down, self.after_down, strict=True):
            fine.append(relu(convolution(relu(down(fine[-1]), inplace=True)), inplace=True))
        features = fine.pop()
        for up, convolution in zip(reversed(self.up), reversed(self.after_up), strict=True):
            features = torch.cat([relu(up(features), inplace=True), fine.pop()], dim=1)
            features = relu(convolution(features), inplace=True)
        return self.last(features)


def _pooled(features: Tensor) -> Tensor:
    """Return the largest of each 2 x 2 rectified features.

    In bf16 these are in the order of their bits, and the largest of integers is found in a quarter of the time.
    """
    if features.dtype != torch.bfloat16 or features.device.type != "cpu" or features.requires_grad:
        return max_pool2d(features, 2)
    bits = features.permute(0, 2, 3, 1).view(torch.int16)
    rows = torch.maximum(bits[:, 0::2], bits[:, 1::2])
    return torch.maximum(rows[:, :, 0::2], rows[:, :, 1::2]).view(torch.bfloat16).permute(0, 3, 1, 2)


def _within(features: Tensor, inside: Tensor | None, level: int) -> Tensor:
    """Return rectified features, zero where the next convolution is to see none: as beyond an image's border."""
    rectified = relu(features, inplace=True)
    return rectified if inside is None else rectified * inside[..., :: 2**level, :: 2**level].to(rectified.dtype)


def _convolution(channels: int, out: int, generator: torch.Generator, kind: type[nn.Conv2d] = nn.Conv2d) -> nn.Conv2d:
    """Return a 3x3 convolution whose weights come from the generator alone; no global random state is touched."""
    convolution = skip_init(kind, channels, out, 3, padding=1)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu", generator=generator)
    nn.init.zeros_(convolution.bias)
    return convolution


def _glorot(
    kind: type[nn.Conv2d | nn.ConvTranspose2d], channels: int, out: int, generator: torch.Generator, **shape: int
) -> nn.Module:
    """Return a 3x3 convolution with Glorot's uniform weights."""
    convolution = skip_init(kind, channels, out, 3, **shape)
    nn.init.xavier_uniform_(convolution.weight, generator=generator)
    nn.init.zeros_(convolution.bias)
    return convolution
