"""Weighted means over neighbours with similar curves."""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

from ._numba import OPTIONS, use_threads

# Pixels of a row that are worked on at once: their sums stay in the nearest cache.
BLOCK = 64


def similar_mean(
    series: npt.ArrayLike,
    mask: npt.ArrayLike,
    sigma_t_hu: float,
    sigma_s_px: float,
    window_px: int,
    *,
    threads: int = 1,
) -> npt.NDArray[np.float32]:
    """Replace each curve inside a mask by the weighted mean of the curves around it (TIPS).

    Parameters
    ----------
    series : array, (time, y, x), HU
        The frames of one slice.
    mask : array, (y, x), bool
        The pixels that are filtered, and that others are averaged with.
    sigma_t_hu : float
        Width in HU of the similarity of two curves, above 0.
    sigma_s_px : float
        Width in pixels of the spatial weight, above 0.
    window_px : int
        Side of the square window, odd.
    threads : int

    Returns
    -------
    array, (time, y, x), float32, HU
        Outside the mask equal to `series`.

    Source: Mendrik 2011, PMB 56:3857; Wu, Ren, Li, section V-E3.
    """
    series = np.ascontiguousarray(series, dtype=np.float32)
    reach = window_px // 2
    padded = np.pad(series, ((0, 0), (reach, reach), (reach, reach)))
    inside = np.pad(np.asarray(mask, dtype=np.float32), reach)
    square = (np.arange(-reach, reach + 1) / sigma_s_px) ** 2
    penalty = (np.add.outer(square, square) / 2).astype(np.float32)
    smooth = series.copy()
    use_threads(threads)
    _filter_rows(padded, inside, penalty, np.float32(1 / (2 * len(series) * sigma_t_hu**2)), smooth)
    return smooth


@numba.njit(parallel=True, **OPTIONS)
def _filter_rows(padded, inside, penalty, similarity, smooth):
    height, width = smooth.shape[1:]
    reach = len(penalty) // 2
    for y in numba.prange(height):
        for start in range(0, width, BLOCK):
            stop = min(start + BLOCK, width)
            if inside[y + reach, reach + start : reach + stop].any():
                _filter_block(padded, inside, penalty, similarity, y, start, smooth[:, y, start:stop])


@numba.njit(**OPTIONS)
def _filter_block(padded, inside, penalty, similarity, y, start, smooth):
    """Filter the pixels of `smooth`, (time, block): part of row y, from column `start` on."""
    frames, size = smooth.shape
    window = len(penalty)
    reach = window // 2
    weight = np.empty((window, size), np.float32)
    total = np.zeros(size, np.float32)
    sums = np.zeros((frames, size), np.float32)
    for dy in range(window):
        weight[:] = 0
        for t in range(frames):
            here = padded[t, y + reach, start + reach : start + reach + size]
            for dx in range(window):
                _add_squared_difference(weight[dx], here, padded[t, y + dy, start + dx : start + dx + size])
        for dx in range(window):
            there = inside[y + dy, start + dx : start + dx + size]
            for x in range(size):
                weight[dx, x] = there[x] * math.exp(-similarity * weight[dx, x] - penalty[dy, dx])
                total[x] += weight[dx, x]
        for t in range(frames):
            for dx in range(window):
                _add_product(sums[t], weight[dx], padded[t, y + dy, start + dx : start + dx + size])
    for x in range(size):
        if inside[y + reach, start + reach + x]:
            for t in range(frames):
                smooth[t, x] = sums[t, x] / total[x]


@numba.njit(**OPTIONS)
def _add_squared_difference(sums, a, b):
    for x in range(len(sums)):
        sums[x] += (a[x] - b[x]) ** 2


@numba.njit(**OPTIONS)
def _add_product(sums, a, b):
    for x in range(len(sums)):
        sums[x] += a[x] * b[x]
