"""What the components of a slice are found from, on a CPU: products of frames, and smooth curves of cells."""

from __future__ import annotations

import numba
import numpy as np

from ctpbench.arrays import Float32, Float64

# Leave to reorder sums and to fuse multiplications with additions, but not to assume NaN and infinity away.
_OPTIONS = {"cache": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz", "arcp"}}
_AT_ONCE = 2048  # pixels whose curves stay in the cache while their products are taken


def products(curves: Float32, threads: int) -> Float64:
    """Return the sums over all curves, (time, pixel), of the products of their frames, (time, time)."""
    frames, pixels = curves.shape
    filled = np.pad(curves, ((0, frames % 2), (0, 0))) if frames % 2 else curves
    sums = np.zeros((-(-pixels // _AT_ONCE), len(filled), len(filled)), np.float32)
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    _products(filled, sums)
    lower = sums.sum(axis=0, dtype=np.float64)[:frames, :frames]
    return np.asarray(np.tril(lower) + np.tril(lower, -1).T)


@numba.njit(parallel=True, **_OPTIONS)
def _products(curves, sums):
    for block in numba.prange(len(sums)):
        here = slice(block * _AT_ONCE, (block + 1) * _AT_ONCE)
        for t in range(0, len(curves), 2):
            for s in range(0, t + 2, 2):
                pairs = curves[t, here], curves[t + 1, here], curves[s, here], curves[s + 1, here]
                _two_by_two(pairs, sums[block, t : t + 2, s : s + 2])


@numba.njit(**_OPTIONS)
def _two_by_two(pairs, sums):
    """Write the products of two frames with two: each number that is read serves twice."""
    a, b, c, d = pairs
    ac = ad = bc = bd = np.float32(0)
    for i in range(len(a)):
        ac += a[i] * c[i]
        ad += a[i] * d[i]
        bc += b[i] * c[i]
        bd += b[i] * d[i]
    sums[0, 0], sums[0, 1], sums[1, 0], sums[1, 1] = ac, ad, bc, bd


def smooth(series: Float32, down: Float32, across: Float32, scale: Float32, threads: int) -> Float32:
    """Return the smooth curves of a slice's cells of 2 x 2 pixels, less their means over time, (time, y, x) of cells.

    About their means products of frames are more exact.

    Parameters
    ----------
    series : array, (time, y, x), float32
        Zero outside the tissue.
    down, across, scale : array, float32
        As of `ctpbench.perfusion.cell_smoothing`. The first two hold the same few weights in every row, those before
        the diagonal as those behind it; the rest is zero.
    threads : int
    """
    half = max(down[:, 0], across[:, 0], key=len)  # of a cell, and of those behind it as far as one of them lies
    half = half[half > 0]
    weights = np.concatenate([half[:0:-1], half])
    out = np.empty((len(series), *scale.shape), np.float32)
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    _smooth(series, weights, scale, out)
    _take_means(out)
    return out


@numba.njit(parallel=True, **_OPTIONS)
def _smooth(series, weights, scale, out):
    reach, (rows, columns) = len(weights) // 2, scale.shape
    for t in numba.prange(len(series)):
        sums = np.zeros((rows + 2 * reach, columns), np.float32)
        _cell_sums(series[t], sums[reach:])
        line = np.zeros(columns + 2 * reach, np.float32)
        middle = line[reach : reach + columns]
        for y in range(rows):
            _times(middle, weights[reach], sums[y + reach])
            for k in range(reach):
                _add(middle, weights[k], sums[y + k], sums[y + 2 * reach - k])
            _times(out[t, y], weights[reach], middle)
            for k in range(reach):
                _add(out[t, y], weights[k], line[k:], line[2 * reach - k :])
            _scale(out[t, y], scale[y])


@numba.njit(parallel=True, **_OPTIONS)
def _take_means(series):
    share = -np.float32(1 / len(series))
    for y in numba.prange(series.shape[1]):
        means = np.zeros(series.shape[2], np.float32)
        for t in range(len(series)):
            _add_times(means, share, series[t, y])
        for t in range(len(series)):
            _add_times(series[t, y], np.float32(1), means)


@numba.njit(**_OPTIONS)
def _add_times(out, weight, values):
    for x in range(len(out)):
        out[x] += weight * values[x]


@numba.njit(**_OPTIONS)
def _cell_sums(frame, sums):
    rows, columns = frame.shape
    for y in range(rows // 2):
        for x in range(columns // 2):
            upper = frame[2 * y, 2 * x] + frame[2 * y, 2 * x + 1]
            sums[y, x] = upper + frame[2 * y + 1, 2 * x] + frame[2 * y + 1, 2 * x + 1]
    if columns % 2:
        for y in range(rows // 2):
            sums[y, columns // 2] = frame[2 * y, columns - 1] + frame[2 * y + 1, columns - 1]
    if rows % 2:
        for x in range(columns):
            sums[rows // 2, x // 2] += frame[rows - 1, x]


@numba.njit(**_OPTIONS)
def _times(out, weight, values):
    for x in range(len(out)):
        out[x] = weight * values[x]


@numba.njit(**_OPTIONS)
def _add(out, weight, before, after):
    for x in range(len(out)):
        out[x] += weight * (before[x] + after[x])


@numba.njit(**_OPTIONS)
def _scale(out, by):
    for x in range(len(out)):
        out[x] *= by[x]
