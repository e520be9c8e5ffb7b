"""Weighted means over neighbours with similar curves."""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float32
from ctpbench_filters._numba import OPTIONS, use_threads


def similar_mean(
    series: npt.ArrayLike,
    mask: npt.ArrayLike,
    sigma_t_hu: float,
    sigma_s_px: float,
    window_px: int,
    *,
    threads: int = 1,
) -> Float32:
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
    reach = len(penalty) // 2
    for y in numba.prange(smooth.shape[1]):
        columns = np.flatnonzero(inside[y + reach])
        if len(columns):
            _filter_row(padded, inside, penalty, similarity, y, columns[0] - reach, columns[-1] - reach + 1, smooth)


@numba.njit(**OPTIONS)
def _filter_row(padded, inside, penalty, similarity, y, start, stop, smooth):
    """Filter row y from column `start` to `stop`: its pixels are the lanes of every loop over x."""
    frames, window, size = len(padded), len(penalty), stop - start
    reach = window // 2
    weights = np.empty((window, size), np.float32)
    total = np.zeros(size, np.float32)
    sums = np.zeros((frames, size), np.float32)
    for dy in range(window):
        weights[:] = 0
        for t in range(frames):
            here = padded[t, y + reach, start + reach : stop + reach]
            for dx in range(window):
                _add_squared_difference(weights[dx], here, padded[t, y + dy, start + dx : stop + dx])
        for dx in range(window):
            there = inside[y + dy, start + dx : stop + dx]
            _weigh(weights[dx], there, similarity, penalty[dy, dx])
            total += weights[dx]
        for t in range(frames):
            for dx in range(window):
                _add_product(sums[t], weights[dx], padded[t, y + dy, start + dx : stop + dx])
    for x in range(size):
        if inside[y + reach, start + reach + x]:
            smooth[:, y, start + x] = sums[:, x] / total[x]


@numba.njit(**OPTIONS)
def _add_squared_difference(sums, a, b):
    for x in range(len(sums)):
        sums[x] += (a[x] - b[x]) ** 2


@numba.njit(**OPTIONS)
def _weigh(ssd, inside, similarity, penalty):
    """Turn squared differences into weights, in place; none where the neighbour is outside the mask."""
    for x in range(len(ssd)):
        ssd[x] = inside[x] * math.exp(-similarity * ssd[x] - penalty)


@numba.njit(**OPTIONS)
def _add_product(sums, a, b):
    for x in range(len(sums)):
        sums[x] += a[x] * b[x]
