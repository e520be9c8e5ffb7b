"""From frames to concentration by a trained network, in batches that fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .frames import CONCENTRATION_HU, INPUT_HU, shown
from .slices import EARLY

if TYPE_CHECKING:
    from .fitted import Architecture

_NO_MEMORY = ("out of memory", "can't allocate memory")


def concentration_of(network: nn.Module, frames: Tensor, how: Architecture, device: str, n_threads: int) -> Tensor:
    """Return the concentration of one slice, (time, y, x), float32, HU: the mean over both early frames, eq. 8.

    Parameters
    ----------
    network : Module
    frames : Tensor, (time, y, x), float32, HU
        Zero outside the tissue; y and x are multiples of ``2**(depth - 1)``.
    how : Architecture
    device : str
    n_threads : int

    Raises
    ------
    torch.OutOfMemoryError, RuntimeError
        Where memory does not even suffice for one image at a time.
    """
    with threads(n_threads), torch.inference_mode(), autocast(device, how.precision):
        network.eval().to(device, memory_format=torch.channels_last)
        here = (frames.pin_memory() if device == "cuda" else frames).to(device, non_blocking=True)
        moments = [(t, early) for t in range(len(frames)) for early in range(len(EARLY))]

        def answer(some: list[tuple[int, int]]) -> Tensor:
            images = [torch.stack([here[f] for f in shown(t, e, len(frames), how.context)]) for t, e in some]
            return apply(network, torch.stack(images)).float()

        answers = torch.cat(list(in_batches(answer, moments, how.inference_batch)))
        return answers.view(len(frames), len(EARLY), *frames.shape[1:]).mean(dim=1).cpu()


def apply(network: nn.Module, images: Tensor) -> Tensor:
    """Return the network's concentration, (batch, 1, y, x), HU, for images (batch, channels, y, x), HU."""
    scaled = (images / INPUT_HU).contiguous(memory_format=torch.channels_last)
    return network(scaled).float() * CONCENTRATION_HU


def in_batches(answer: Callable[[list], Tensor], parts: list, size: int) -> Iterator[Tensor]:
    """Yield the answers to the parts in order, `size` at a time; half as many at a time where memory runs out."""
    at = 0
    while at < len(parts):
        try:
            result = answer(parts[at : at + size])
        except RuntimeError as error:  # torch.OutOfMemoryError is one
            if size == 1 or not any(sign in str(error).lower() for sign in _NO_MEMORY):
                raise
            size //= 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            continue
        yield result
        at += size


def autocast(device: str, precision: str) -> torch.autocast:
    """Return the context in which a network computes in `precision`: float32, bf16, or auto.

    auto is bf16 where the device has instructions for it: most GPUs, CPUs with AVX-512 BF16 or AMX. Elsewhere it
    would be emulated, which made training 10 times slower on a CPU with AVX2 alone.
    """
    wanted = precision == "bf16" or (precision == "auto" and _has_bf16(device))
    return torch.autocast(device, torch.bfloat16, enabled=wanted)


def _has_bf16(device: str) -> bool:
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device == "cpu" and torch.cpu._is_avx512_bf16_supported()


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
