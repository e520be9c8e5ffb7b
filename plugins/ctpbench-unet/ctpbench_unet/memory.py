"""Memory: how much work fits into a GPU's at once, and what is done where it does not suffice."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

_NO_MEMORY = ("out of memory", "can't allocate memory", "alloc_failed")


def fitting(bytes_each: float, device: str, otherwise: int) -> int:
    """Return how many parts of some work fit into half of a GPU's free memory, one at least; `otherwise` on a CPU."""
    return otherwise if device != "cuda" else max(1, int(free_bytes() / 2 / bytes_each))


def free_bytes() -> int:
    """Return the memory of the GPU that this process may still take, what torch holds unused included."""
    free, _ = torch.cuda.mem_get_info()
    return free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()


def in_batches(answer: Callable[[list], Any], parts: list, size: int) -> Iterator[Any]:
    """Yield the answers to the parts in order, `size` at a time; half as many at a time where memory runs out."""
    left = parts
    while left:
        some = left[:size]
        result = attempt(partial(answer, some), last=partial(operator.eq, len(some), 1))
        if result is None:
            size = len(some) // 2
        else:
            yield result
            left = left[size:]


def attempt(work: Callable[[], Any], *, last: Callable[[], bool]) -> Any:
    """Return what some work returns; None where memory ran out, unless nothing is left to try then: `last`.

    The error ends here, for it holds on to all that the work made; then what torch holds unused is given back.
    """
    try:
        return work()
    except RuntimeError as error:  # torch.OutOfMemoryError is one
        if not any(sign in str(error).lower() for sign in _NO_MEMORY) or last():
            raise
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None
