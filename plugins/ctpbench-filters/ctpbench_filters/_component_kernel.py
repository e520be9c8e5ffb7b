"""From the coefficients of curves back to the curves."""

from __future__ import annotations

import numba
import numpy as np

from ctpbench.arrays import Float32, Mask
from ctpbench_filters._numba import OPTIONS, use_threads


def write_curves(
    out: Float32, z: int, basis: Float32, features: Float32, inside: Mask, frames: Float32, *, threads: int = 1
) -> None:
    """Write into slice z the curves that have these features inside a mask, and those of the frames outside it.

    Parameters
    ----------
    out, frames : array, (time, z, y, x), float32
        Contiguous.
    z : int
    basis : array, (time, feature), float32
    features : array, (feature, y, x), float32
        In the unit of the frames.
    inside : array, (y, x), bool
    threads : int
    """
    use_threads(threads)
    _write_slice(out, z, basis, features, inside, frames)


@numba.njit(parallel=True, **OPTIONS)
def _write_slice(out, z, basis, features, inside, frames):
    for t in numba.prange(len(out)):
        row = np.empty(out.shape[3], np.float32)
        for y in range(out.shape[2]):
            row[:] = 0
            for k in range(len(features)):
                _add_product(row, basis[t, k], features[k, y])
            _choose(out[t, z, y], inside[y], row, frames[t, z, y])


@numba.njit(**OPTIONS)
def _add_product(sums, factor, values):
    for x in range(len(sums)):
        sums[x] += factor * values[x]


@numba.njit(**OPTIONS)
def _choose(out, inside, here, elsewhere):
    for x in range(len(out)):
        out[x] = here[x] if inside[x] else elsewhere[x]
