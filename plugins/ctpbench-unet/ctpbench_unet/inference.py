"""What a trained network makes of frames or of temporal coefficients, in batches that fit into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ctpbench_unet.frames import EARLY, channels_of
from ctpbench_unet.memory import fitting, in_batches
from ctpbench_unet.runtime import autocast, threads

if TYPE_CHECKING:
    from ctpbench_unet.network import Architecture, FramewiseArchitecture

MIRRORS: dict[int, tuple[tuple[int, ...], ...]] = {
    1: ((),),
    2: ((), (-2, -1)),
    4: ((), (-1,), (-2,), (-2, -1)),
}
"""Axes along which images are mirrored, for each number of answers that are averaged."""
_CPU_IMAGES = 16  # frames at once: enough for all threads, few enough for the cache
_FLOATS_A_CHANNEL = 8  # of all that a UNet holds of a pixel at once, by the width of its first level


def concentration_of(
    network: nn.Module, frames: Tensor, architecture: FramewiseArchitecture, device: str, n_threads: int
) -> Tensor:
    """Return the concentration of one slice, (time, y, x), float32, HU: the mean over both early frames, eq. 8.

    Parameters
    ----------
    network : Module
    frames : Tensor, (time, y, x), float32, HU
        Zero outside the tissue; y and x are multiples of ``2**(depth - 1)``.
    architecture : FramewiseArchitecture
    device : str
    n_threads : int

    Raises
    ------
    torch.OutOfMemoryError, RuntimeError
        Where memory does not even suffice for one image at a time.
    """
    network.eval().to(device, memory_format=torch.channels_last)
    with threads(n_threads), torch.inference_mode(), autocast(device, architecture.precision):
        here = (frames.pin_memory() if device == "cuda" else frames).to(device, non_blocking=True)
        moments = [(t, early) for t in range(len(frames)) for early in range(len(EARLY))]

        def answer(some: list[tuple[int, int]]) -> Tensor:
            channels = [channels_of(t, early, len(frames), architecture.neighbours) for t, early in some]
            return network(torch.stack([torch.stack([here[f] for f in each]) for each in channels]))

        size = architecture.inference_batch or _images(architecture, frames, device, _CPU_IMAGES)
        answers = torch.cat(list(in_batches(answer, moments, size)))
        return answers.view(len(frames), len(EARLY), *frames.shape[1:]).mean(dim=1).cpu()


def coefficients_of(
    network: nn.Module,
    images: Tensor,
    architecture: Architecture,
    device: str,
    *,
    mirrors: int = 4,
    inside: Tensor | None = None,
) -> Tensor:
    """Return what a network on temporal coefficients makes of the images of slices, (slice, rank + 1, y, x), float32.

    It is the mean of its answers to the images and to their mirror images, each turned back.

    Parameters
    ----------
    network : Module
        As `ctpbench_unet.unet.ready` returns it.
    images : Tensor, (slice, 2 (rank + 1), y, x), float32
        On the device.
    architecture : Architecture
    device : str
    mirrors : int
        How many answers: a key of `MIRRORS`.
    inside : Tensor, (slice, 1, y, x), float32, optional
        Where the slices are not all of one size: 1 within a slice's own, 0 beyond.
    """
    numbers, size = list(range(len(images))), _images(architecture, images, device, 1)

    def answers(axes: tuple[int, ...]) -> Tensor:
        def answer(some: list[int]) -> Tensor:
            own = slice(some[0], some[-1] + 1)
            within = None if inside is None else _turned(inside[own], axes)
            return _turned(network(_turned(images[own], axes), within), axes)

        return torch.cat(list(in_batches(answer, numbers, size)))

    with torch.inference_mode():
        first, *others = (answers(axes) for axes in MIRRORS[mirrors])
        return sum(others, first) / mirrors if others else first


def _turned(images: Tensor, axes: tuple[int, ...]) -> Tensor:
    return images.flip(axes) if axes else images


def _images(architecture: Architecture, like: Tensor, device: str, otherwise: int) -> int:
    """Return how many images, each of the size of those given, a network answers to at once."""
    pixels = like.shape[-2] * like.shape[-1]
    return fitting(4 * _FLOATS_A_CHANNEL * architecture.width * pixels, device, otherwise)
