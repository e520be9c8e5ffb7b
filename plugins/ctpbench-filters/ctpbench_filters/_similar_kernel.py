"""Weighted means over neighbours with similar curves, or features of curves."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float32
from ctpbench_filters._numba import OPTIONS, use_threads


def similar_mean(
    features: npt.ArrayLike,
    mask: npt.ArrayLike,
    similarity: float,
    sigma_s_px: float,
    window_px: int,
    *,
    expected: float = 0.0,
    compared: int | None = None,
    threads: int = 1,
) -> Float32:
    """Replace the features of each pixel inside a mask by the weighted mean of those around it.

    Pixels i and j of a square window weigh
    ``exp(-similarity max(SSD_ij - expected, 0) - |i - j|^2 / (2 sigma_s_px^2))``, SSD the sum of squared differences of
    the features that are compared. Weights below ``exp(-16)``, a ten-millionth of a pixel's own, count as 0.

    Parameters
    ----------
    features : array, (feature, y, x)
        Of one slice: its frames, or what stands for them.
    mask : array, (y, x), bool
        The pixels that are filtered, and that others are averaged with.
    similarity : float
        In one over the unit of a feature, squared: 0 or more.
    sigma_s_px : float
        Width in pixels of the spatial weight, above 0.
    window_px : int
        Side of the square window, odd.
    expected : float
        What noise alone adds to the squared differences of two pixels that are alike.
    compared : int, optional
        How many of the features, the first ones, are compared; all are averaged. By default all are compared.
    threads : int

    Returns
    -------
    array, (feature, y, x), float32
        Outside the mask equal to `features`.

    Source: Mendrik 2011, PMB 56:3857; Wu, Ren, Li, section V-E3. Without what noise adds: Buades, Coll and Morel, Image
    Processing On Line 1:208, 2011.
    """
    features = np.ascontiguousarray(features, dtype=np.float32)
    reach = window_px // 2
    padded = np.pad(features, ((0, 0), (reach, reach), (reach, reach)))
    inside = np.pad(np.asarray(mask, dtype=np.float32), reach)
    square = (np.arange(-reach, reach + 1) / sigma_s_px) ** 2
    penalty = (np.add.outer(square, square) / 2).astype(np.float32)
    smooth = features.copy()
    use_threads(threads)
    compared = len(features) if compared is None else compared
    _filter_rows(padded, inside, penalty, np.float32(similarity), np.float32(expected), compared, smooth)
    return smooth


@numba.njit(parallel=True, **OPTIONS)
def _filter_rows(padded, inside, penalty, similarity, expected, compared, smooth):
    reach = len(penalty) // 2
    for y in numba.prange(smooth.shape[1]):
        columns = np.flatnonzero(inside[y + reach])
        if len(columns):
            span = columns[0] - reach, columns[-1] - reach + 1
            _filter_row(padded, inside, penalty, similarity, expected, compared, y, span, smooth)


@numba.njit(**OPTIONS)
def _filter_row(padded, inside, penalty, similarity, expected, compared, y, span, smooth):
    """Filter row y within a span of columns: its pixels are the lanes of every loop over x."""
    start, stop = span
    features, window, size = len(padded), len(penalty), stop - start
    reach = window // 2
    weights = np.empty((window, size), np.float32)
    total = np.zeros(size, np.float32)
    sums = np.zeros((features, size), np.float32)
    for dy in range(window):
        weights[:] = 0
        for f in range(compared):
            here = padded[f, y + reach, start + reach : stop + reach]
            for dx in range(window):
                _add_squared_difference(weights[dx], here, padded[f, y + dy, start + dx : stop + dx])
        for dx in range(window):
            there = inside[y + dy, start + dx : stop + dx]
            _weigh(weights[dx], there, similarity, expected, penalty[dy, dx])
            total += weights[dx]
        for f in range(features):
            for dx in range(window):
                _add_product(sums[f], weights[dx], padded[f, y + dy, start + dx : stop + dx])
    for x in range(size):
        if inside[y + reach, start + reach + x]:
            smooth[:, y, start + x] = sums[:, x] / total[x]


@numba.njit(**OPTIONS)
def _add_squared_difference(sums, a, b):
    for x in range(len(sums)):
        sums[x] += (a[x] - b[x]) ** 2


@numba.njit(**OPTIONS)
def _weigh(ssd, inside, similarity, expected, penalty):
    """Turn squared differences into weights, in place; none where the neighbour is outside the mask."""
    for x in range(len(ssd)):
        beyond = max(ssd[x] - expected, np.float32(0))
        ssd[x] = inside[x] * _exp(-similarity * beyond - penalty)


@numba.njit(**OPTIONS)
def _exp(exponent):
    """Return the exponential of 0 or less, within 1e-6; below -16 it is 0.

    Half of a filter's time went into the library's exponential, which takes one number at a time. This one, Taylor's
    series of a sixteenth of the exponent, to the sixteenth power, is compiled to vector instructions.
    """
    x = max(exponent, np.float32(-16)) * np.float32(1 / 16)
    series = np.float32(1 / 720)
    series = series * x + np.float32(1 / 120)
    series = series * x + np.float32(1 / 24)
    series = series * x + np.float32(1 / 6)
    series = series * x + np.float32(1 / 2)
    series = series * x + np.float32(1)
    series = series * x + np.float32(1)
    series *= series
    series *= series
    series *= series
    series *= series
    return series if exponent > np.float32(-16) else np.float32(0)


@numba.njit(**OPTIONS)
def _add_product(sums, a, b):
    for x in range(len(sums)):
        sums[x] += a[x] * b[x]
