"""What this machine can do at most: bytes moved and operations done in a second, as two plain programs reach them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange

_ELEMENTS = 2**26  # float32: 256 MiB, more than a cache holds
_SIDE = 3072
_ROUNDS = 7


@dataclass(frozen=True)
class Work:
    """What one image asks of any program that goes the same way.

    Attributes
    ----------
    moved_mb : float
        What must come from memory and go there at least once, in 1e6 bytes.
    gflop : float
        Float32 additions and multiplications, in 1e9.
    """

    moved_mb: float
    gflop: float


@dataclass(frozen=True)
class Machine:
    """1e9 bytes, read and written together, and 1e9 float32 operations in a second, on all cores."""

    gb_s: float
    gflop_s: float

    def limit_ms(self, work: Work) -> float:
        """Return the time below which this machine can't do the work."""
        return max(work.moved_mb / self.gb_s, 1e3 * work.gflop / self.gflop_s)


def measured() -> Machine:
    """Time a copy of a large array and a product of two matrices, each at its best of several rounds."""
    source, target = np.ones(_ELEMENTS, np.float32), np.zeros(_ELEMENTS, np.float32)
    matrix = np.ones((_SIDE, _SIDE), np.float32)
    copied_s = _shortest(lambda: _copy(source, target))
    multiplied_s = _shortest(lambda: matrix @ matrix)
    return Machine(2 * source.nbytes / copied_s / 1e9, 2 * _SIDE**3 / multiplied_s / 1e9)


def _shortest(run: Callable[[], Any]) -> float:
    run()
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)


@njit(parallel=True)
def _copy(source, target):
    for i in prange(len(source)):
        target[i] = source[i]
