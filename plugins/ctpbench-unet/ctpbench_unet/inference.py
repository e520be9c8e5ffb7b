"""What a trained network makes of frames, in batches that fit into memory, or of coefficients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ctpbench_unet.frames import EARLY, channels_of
from ctpbench_unet.runtime import autocast, threads

if TYPE_CHECKING:
    from ctpbench_unet.network import FramewiseArchitecture

_MIRRORED = ((), (-1,), (-2,), (-2, -1))  # axes along which images are mirrored
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

        answers = torch.cat(list(in_batches(answer, moments, architecture.inference_batch)))
        return answers.view(len(frames), len(EARLY), *frames.shape[1:]).mean(dim=1).cpu()


def coefficients_of(network: nn.Module, images: Tensor, precision: str, device: str, n_threads: int) -> Tensor:
    """Return what a network on temporal coefficients makes of the images of one slice, (rank + 1, y, x), float32.

    It is the mean of its answers to the images and to their mirror images, each turned back.
    """
    network.eval().to(device, memory_format=torch.channels_last)
    with threads(n_threads), torch.inference_mode(), autocast(device, precision):
        here = images.to(device)
        answers = network(torch.stack([here.flip(axes) for axes in _MIRRORED])).float()
        turned = [answer.flip(axes) for answer, axes in zip(answers, _MIRRORED, strict=True)]
        return torch.stack(turned).mean(dim=0).cpu()


def in_batches(answer: Callable[[list], Tensor], parts: list, size: int) -> Iterator[Tensor]:
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


def _attempt(answer: Callable[[list], Tensor], parts: list, *, last: bool) -> Tensor | None:
    """Return the answer, None where memory ran out. The error ends here: it holds on to the images of the batch."""
    try:
        return answer(parts)
    except RuntimeError as error:  # torch.OutOfMemoryError is one
        if last or not any(sign in str(error).lower() for sign in _NO_MEMORY):
            raise
        return None
