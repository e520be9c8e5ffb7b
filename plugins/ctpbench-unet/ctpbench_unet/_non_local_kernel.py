"""The non-local mean on a CPU: row by row, its pixels the lanes of every loop."""

from __future__ import annotations

import numba
import numpy as np

from ctpbench.arrays import Float32

# Leave to reorder sums and to fuse multiplications with additions, but not to assume NaN and infinity away.
_OPTIONS = {"cache": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz", "arcp"}}
_AT_ONCE = 4  # channels; more in one expression mean fewer passes over the weights
_IN_A_ROW = 5  # neighbours, likewise; the window is a multiple of it


def non_local_mean(
    images: Float32, tissue: Float32, expected: float, rate: float, penalty: Float32, threads: int
) -> Float32:
    """Return each pixel's weighted mean of the pixels around it: see `ctpbench_unet.non_local_mean.non_local_mean`.

    Weights below ``exp(-16)``, a ten-millionth of a pixel's own, count as 0.

    Parameters
    ----------
    images : array, (channel, y, x), float32
    tissue : array, (y, x), float32
        1 where pixels count, 0 elsewhere.
    expected : float
        What noise alone adds to the squared differences of two pixels that are alike.
    rate : float
        What a weight's exponent loses for each unit of squared difference beyond that.
    penalty : array, (window, window), float32
        What it loses for the distance.
    threads : int

    Returns
    -------
    array, (channel, y, x), float32
        Zero outside the tissue.
    """
    reach = len(penalty) // 2
    around = ((reach, reach), (reach, reach))
    padded = np.pad(images, ((0, -len(images) % _AT_ONCE), *around))
    means = np.zeros(images.shape, np.float32)
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    _rows(padded, np.pad(tissue, around), np.float32(expected), np.float32(rate), penalty, means)
    return means


@numba.njit(parallel=True, **_OPTIONS)
def _rows(padded, tissue, expected, rate, penalty, means):
    reach = len(penalty) // 2
    for y in numba.prange(means.shape[1]):
        columns = np.flatnonzero(tissue[y + reach])
        if len(columns):
            _row(padded, tissue, expected, rate, penalty, y, columns[0] - reach, columns[-1] + 1 - reach, means)


@numba.njit(**_OPTIONS)
def _row(padded, tissue, expected, rate, penalty, y, start, stop, means):
    window, size = len(penalty), stop - start
    here, around = slice(start + window // 2, stop + window // 2), slice(start, stop + window - 1)
    weights = np.empty((window, size), np.float32)
    total = np.zeros(size, np.float32)
    sums = np.zeros((len(padded), size), np.float32)
    for dy in range(window):
        weights[:] = 0
        for c in range(0, len(padded), _AT_ONCE):
            one, two, three, four = padded[c], padded[c + 1], padded[c + 2], padded[c + 3]
            pairs = (
                (one[y + window // 2, here], one[y + dy, around]),
                (two[y + window // 2, here], two[y + dy, around]),
                (three[y + window // 2, here], three[y + dy, around]),
                (four[y + window // 2, here], four[y + dy, around]),
            )
            for dx in range(window):
                _add_squares(weights[dx], np.uintp(dx), pairs)
        inside = tissue[y + dy, around]
        for dx in range(window):
            _weigh(weights[dx], np.uintp(dx), inside, expected, rate, penalty[dy, dx], total)
        for c in range(len(means)):
            there = padded[c, y + dy, around]
            for dx in range(0, window, _IN_A_ROW):
                _add_products(sums[c], np.uintp(dx), weights[dx : dx + _IN_A_ROW], there)
    inside = tissue[y + window // 2, here]
    for c in range(len(means)):
        for x in range(size):
            means[c, y, start + x] = sums[c, x] / total[x] if inside[x] > 0 else 0


@numba.njit(**_OPTIONS)
def _add_squares(sums, dx, pairs):
    """Add the squared differences of four channels, of each the row itself and the one around its neighbours."""
    (a, e), (b, f), (c, g), (d, h) = pairs
    for x in range(np.uintp(len(sums))):
        one, two, three, four = a[x] - e[x + dx], b[x] - f[x + dx], c[x] - g[x + dx], d[x] - h[x + dx]
        sums[x] += one * one + two * two + three * three + four * four


@numba.njit(**_OPTIONS)
def _weigh(squares, dx, tissue, expected, rate, penalty, total):
    """Turn squared differences into weights, in place, and add them to the total."""
    for x in range(np.uintp(len(squares))):
        beyond = max(squares[x] - expected, np.float32(0))
        squares[x] = tissue[x + dx] * _exp(-rate * beyond - penalty)
        total[x] += squares[x]


@numba.njit(**_OPTIONS)
def _add_products(sums, dx, weights, there):
    """Add weights times neighbours, five in a row."""
    a, b, c, d, e = weights[0], weights[1], weights[2], weights[3], weights[4]
    for x in range(np.uintp(len(sums))):
        n = x + dx
        one, two, three = a[x] * there[n], b[x] * there[n + np.uintp(1)], c[x] * there[n + np.uintp(2)]
        sums[x] += one + two + three + d[x] * there[n + np.uintp(3)] + e[x] * there[n + np.uintp(4)]


@numba.njit(**_OPTIONS)
def _exp(exponent):
    """Return the exponential of 0 or less, within 1e-6: the series of a sixteenth of it, to the sixteenth power.

    The library's takes one number at a time; this one is compiled to vector instructions. Below -16 it is 0.
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
