"""What a trained network makes of frames or of temporal coefficients, in batches that fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ctpbench_unet.frames import EARLY, channels_of
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
_NO_MEMORY = ("out of memory", "can't allocate memory", "alloc_failed")


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
    images : Tensor, (slice, 2 (rank + 1), y, x), float32
    architecture : Architecture
    device : str
    mirrors : int
        How many answers: a key of `MIRRORS`.
    inside : Tensor, (slice, 1, y, x), float32, optional
        Where the slices are not all of one size: 1 within a slice's own, 0 beyond.
    """
    network.eval().to(device, memory_format=torch.channels_last)
    with torch.inference_mode(), autocast(device, architecture.precision):
        here = images.to(device, memory_format=torch.channels_last)
        jobs = [(number, axes) for axes in MIRRORS[mirrors] for number in range(len(images))]

        def turned(whole: Tensor, some: list[tuple[int, tuple[int, ...]]]) -> Tensor:
            return torch.cat([whole[number, None].flip(axes) for number, axes in some])

        def answer(some: list[tuple[int, tuple[int, ...]]]) -> Tensor:
            answers = network(turned(here, some), None if inside is None else turned(inside, some))
            back = [(number, axes) for number, (_, axes) in enumerate(some)]
            return turned(answers.float(), back)

        answers = torch.cat(list(in_batches(answer, jobs, _images(architecture, images, device, 1))))
        return answers.view(mirrors, len(images), *answers.shape[1:]).mean(dim=0)


def fitting(bytes_each: float, device: str, otherwise: int) -> int:
    """Return how many parts of some work fit into half of a GPU's free memory, one at least; `otherwise` on a CPU."""
    return otherwise if device != "cuda" else max(1, int(free_bytes() / 2 / bytes_each))


def free_bytes() -> int:
    """Return the memory of the GPU that this process may still take, what torch holds unused included."""
    free, _ = torch.cuda.mem_get_info()
    return free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()


def _images(architecture: Architecture, like: Tensor, device: str, otherwise: int) -> int:
    """Return how many images, each of the size of those given, a network answers to at once."""
    pixels = like.shape[-2] * like.shape[-1]
    return fitting(4 * _FLOATS_A_CHANNEL * architecture.width * pixels, device, otherwise)


def in_batches(answer: Callable[[list], Any], parts: list, size: int) -> Iterator[Any]:
    """Yield the answers to the parts in order, `size` at a time; half as many at a time where memory runs out."""
    at = 0
    while at < len(parts):
        result = _attempt(answer, parts[at : at + size], last=min(size, len(parts) - at) == 1)
        if result is None:
            size = min(size, len(parts) - at) // 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        else:
            yield result
            at += size


def _attempt(answer: Callable[[list], Any], parts: list, *, last: bool) -> Any:
    """Return the answer, None where memory ran out. The error ends here: it holds on to the images of the batch."""
    try:
        return answer(parts)
    except RuntimeError as error:  # torch.OutOfMemoryError is one
        if last or not any(sign in str(error).lower() for sign in _NO_MEMORY):
            raise
        return None
