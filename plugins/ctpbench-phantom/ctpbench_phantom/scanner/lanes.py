"""The inner loop of projector and backprojector: several images side by side in the last axis.

Both look up a linear interpolation at places that are the same for every image. With `LANES` images in the
last axis a look-up is two contiguous loads, and the cost of finding the place is shared by all of them.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ctpbench.arrays import Array, Float32

LANES = 16
FUSED = 4
FLAGS = {"cache": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz", "arcp"}}


def to_lanes(stack: Array) -> Float32:
    """Return up to `LANES` images, (n, ...), side by side: contiguous (..., LANES), 0 in lanes without an image."""
    lanes = aligned_zeros((*stack.shape[1:], LANES))
    lanes[..., : len(stack)] = np.moveaxis(stack, 0, -1)
    return lanes


def aligned_zeros(shape: tuple[int, ...]) -> Float32:
    """Return zeros that begin where a vector of `LANES` does in memory: across two lines a load takes twice as long."""
    size = math.prod(shape)
    room = np.zeros(size + LANES, np.float32)
    first = -room.ctypes.data // room.itemsize % LANES
    return room[first : first + size].reshape(shape)


@njit(**FLAGS)
def add_interpolated(sums, table, place, near, far):
    # sums[k] += sum over r < FUSED of near[r, k] * table[place[r, k]] + far[r, k] * table[place[r, k] + 1],
    # each a vector of LANES images; places are given in floats. Four terms share one load and store of sums.
    # Unsigned indices need no check for Python's negative ones: without them the inner loop is not SIMD.
    step = np.uintp(LANES)
    for k in range(np.uintp(place.shape[1])):
        n0, n1, n2, n3 = near[0, k], near[1, k], near[2, k], near[3, k]
        f0, f1, f2, f3 = far[0, k], far[1, k], far[2, k], far[3, k]
        a, b = np.uintp(place[0, k]), np.uintp(place[1, k])
        c, d = np.uintp(place[2, k]), np.uintp(place[3, k])
        start = k * step
        for lane in range(step):
            sums[start + lane] += (
                (n0 * table[a + lane] + f0 * table[a + step + lane])
                + (n1 * table[b + lane] + f1 * table[b + step + lane])
                + (n2 * table[c + lane] + f2 * table[c + step + lane])
                + (n3 * table[d + lane] + f3 * table[d + step + lane])
            )
