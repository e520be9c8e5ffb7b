"""The non-local mean on a CPU: by blocks of rows, all pixels of a block the lanes of every loop."""

from __future__ import annotations

import numba
import numpy as np

from ctpbench.arrays import Float32

# Leave to reorder sums and to fuse multiplications with additions, but not to assume NaN and infinity away.
_OPTIONS = {"cache": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz", "arcp"}}
_AT_ONCE = 4  # channels; more in one expression mean fewer passes over the weights
_IN_A_ROW = 5  # neighbours, likewise; the window is a multiple of it
_LEAD = _IN_A_ROW - 1  # zeros before the first pixel, which neighbours in a row reach back to
_ROWS = 8  # in a block: what threads share out


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
    channels, rows, columns = images.shape
    reach = len(penalty) // 2
    sums = np.empty((-(-rows // _ROWS), 1 + channels, _ROWS + reach, columns), np.float32)
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    _blocks(images, tissue, np.float32(expected), np.float32(rate), penalty[reach:], sums)
    means = np.empty_like(images)
    _divide(sums, tissue, means)
    return means


@numba.njit(parallel=True, **_OPTIONS)
def _blocks(images, tissue, expected, rate, penalty, sums):
    for block in numba.prange(len(sums)):
        rows = slice(block * _ROWS, block * _ROWS + sums.shape[2])
        _block(images[:, rows], tissue[rows], expected, rate, penalty, sums[block])


@numba.njit(**_OPTIONS)
def _block(images, tissue, expected, rate, penalty, sums):
    """Add up what the pixels of a block give to those behind them, and what these give to them: they weigh the same.

    Pixels lie in one line, row by row, so that a neighbour is so many places further; behind each row are zeros.
    """
    reach, window = len(penalty) - 1, penalty.shape[1]
    start, stop = _columns(tissue)
    width = stop - start + reach
    lanes = _ROWS * width
    channels = -(-len(images) // _AT_ONCE) * _AT_ONCE
    line = np.zeros((1 + channels, _LEAD + sums.shape[1] * width + window), np.float32)
    found = np.zeros((len(sums), sums.shape[1] * width), np.float32)
    weights = np.zeros((_IN_A_ROW, lanes + 2 * _LEAD), np.float32)
    for y in range(len(tissue)):
        there = slice(_LEAD + y * width, _LEAD + (y + 1) * width - reach)
        line[0, there] = tissue[y, start:stop]  # the mean of the first is the sum of weights
        for c in range(len(images)):
            line[1 + c, there] = images[c, y, start:stop]
    found[:, :lanes] = line[: len(found), _LEAD : _LEAD + lanes]  # each pixel's own, whose weight is 1
    for dy in range(reach + 1):
        for first in range(-reach if dy else 1, reach + 1, _IN_A_ROW):
            there = dy * width + first
            for k in range(_IN_A_ROW):
                some = weights[k, _LEAD : _LEAD + lanes]
                some[:] = 0
                if first + k <= reach:
                    away = np.uintp(there + k)
                    for c in range(1, channels - _AT_ONCE, _AT_ONCE):
                        _add_squares(some, line[c:], away)
                    _weigh(some, line[channels - _AT_ONCE + 1 :], away, expected, rate, penalty[dy, first + k + reach])
            for c in range(len(found)):
                _give_back(found[c, :lanes], weights, line[c, _LEAD + there :])
                _give(found[c, there : there + lanes + _LEAD], weights, line[c])
    sums[:] = 0
    for c in range(len(sums)):
        for y in range(sums.shape[1]):
            sums[c, y, start:stop] = found[c, y * width : (y + 1) * width - reach]


@numba.njit(parallel=True, **_OPTIONS)
def _divide(sums, tissue, means):
    """Write what blocks and those before them gave, by the sum of weights."""
    beyond = sums.shape[2] - _ROWS
    for y in numba.prange(len(tissue)):
        block, row = y // _ROWS, y % _ROWS
        for c in range(len(sums[0])):
            if block and row < beyond:
                sums[block, c, row] += sums[block - 1, c, _ROWS + row]
            if c:
                _quotients(means[c - 1, y], sums[block, c, row], sums[block, 0, row], tissue[y])


@numba.njit(**_OPTIONS)
def _quotients(out, sums, totals, tissue):
    for x in range(len(out)):
        out[x] = sums[x] / totals[x] if tissue[x] > 0 else np.float32(0)


@numba.njit(**_OPTIONS)
def _columns(tissue):
    """Return the first column that has tissue and the one behind the last; 0 and 0 where there is none."""
    start, stop = tissue.shape[1], 0
    for y in range(len(tissue)):
        for x in range(tissue.shape[1]):
            if tissue[y, x] > 0:
                start, stop = min(start, x), max(stop, x + 1)
    return min(start, stop), stop


@numba.njit(**_OPTIONS)
def _add_squares(sums, line, away):
    """Add the squared differences of four channels of pixels and of those so many places further."""
    a, b, c, d = line[0, _LEAD:], line[1, _LEAD:], line[2, _LEAD:], line[3, _LEAD:]
    for x in range(np.uintp(len(sums))):
        one, two, three, four = a[x] - a[x + away], b[x] - b[x + away], c[x] - c[x + away], d[x] - d[x + away]
        sums[x] += one * one + two * two + three * three + four * four


@numba.njit(**_OPTIONS)
def _weigh(sums, line, away, expected, rate, penalty):
    """Add those of the last four channels, and turn the sums into weights."""
    a, b, c, d = line[0, _LEAD:], line[1, _LEAD:], line[2, _LEAD:], line[3, _LEAD:]
    for x in range(np.uintp(len(sums))):
        one, two, three, four = a[x] - a[x + away], b[x] - b[x + away], c[x] - c[x + away], d[x] - d[x + away]
        square = sums[x] + one * one + two * two + three * three + four * four
        sums[x] = _exp(-rate * max(square - expected, np.float32(0)) - penalty)


@numba.njit(**_OPTIONS)
def _give_back(sums, weights, there):
    """Add to pixels their weights times five neighbours in a row."""
    a, b, c, d, e = weights[0, 4:], weights[1, 4:], weights[2, 4:], weights[3, 4:], weights[4, 4:]
    for x in range(np.uintp(len(sums))):
        one, two, three = a[x] * there[x], b[x] * there[x + np.uintp(1)], c[x] * there[x + np.uintp(2)]
        sums[x] += one + two + three + d[x] * there[x + np.uintp(3)] + e[x] * there[x + np.uintp(4)]


@numba.njit(**_OPTIONS)
def _give(sums, weights, line):
    """Add to neighbours their weights times the five pixels in a row whose neighbours they are."""
    a, b, c, d, e = weights[0, 4:], weights[1, 3:], weights[2, 2:], weights[3, 1:], weights[4]
    for x in range(np.uintp(len(sums))):
        one, two, three = a[x] * line[x + np.uintp(4)], b[x] * line[x + np.uintp(3)], c[x] * line[x + np.uintp(2)]
        sums[x] += one + two + three + d[x] * line[x + np.uintp(1)] + e[x] * line[x]


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
