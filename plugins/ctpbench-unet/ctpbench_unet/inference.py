"""From frames to concentration by a trained network, in batches that fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .frames import shown
from .slices import EARLY

if TYPE_CHECKING:
    from .fitted import Architecture

_NO_MEMORY = ("out of memory", "can't allocate memory", "alloc_failed")


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
    network.eval().to(device, memory_format=torch.channels_last)
    with threads(n_threads), torch.inference_mode(), autocast(device, how.precision):
        here = (frames.pin_memory() if device == "cuda" else frames).to(device, non_blocking=True)
        moments = [(t, early) for t in range(len(frames)) for early in range(len(EARLY))]

        def answer(some: list[tuple[int, int]]) -> Tensor:
            images = [torch.stack([here[f] for f in shown(t, e, len(frames), how.context)]) for t, e in some]
            return network(torch.stack(images))

        answers = torch.cat(list(in_batches(answer, moments, how.inference_batch)))
        return answers.view(len(frames), len(EARLY), *frames.shape[1:]).mean(dim=1).cpu()


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
