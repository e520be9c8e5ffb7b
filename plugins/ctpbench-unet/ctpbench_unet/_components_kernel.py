"""What the components of a slice are found from, on a CPU: products of frames, and smooth curves of cells."""

from __future__ import annotations

from functools import cache

import numba
import numpy as np

from ctpbench.arrays import Float32, Float64
from ctpbench.perfusion import cell_smoothing

# Leave to reorder sums and to fuse multiplications with additions, but not to assume NaN and infinity away.
_OPTIONS = {"cache": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz", "arcp"}}
_AT_ONCE = 1024  # pixels whose curves stay in the cache while their products are taken


def products(curves: Float32, threads: int) -> Float64:
    """Return the sums over all curves, (time, pixel), of the products of their frames, (time, time)."""
    frames, pixels = curves.shape
    rows = 4 * -(-frames // 4)
    sums = np.empty((-(-pixels // _AT_ONCE), rows, rows), np.float32)
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    _products(curves, sums)
    total = np.empty((frames, frames))
    _fold(sums, total)
    return total


@numba.njit(parallel=True, **_OPTIONS)
def _products(curves, sums):
    for block in numba.prange(len(sums)):
        here = slice(block * _AT_ONCE, (block + 1) * _AT_ONCE)
        for t in range(0, len(curves), 4):
            those = _four(curves, t, here)
            for s in range(0, t + 4, 4):
                _four_by_four(those, _four(curves, s, here), sums[block, t : t + 4, s : s + 4])


@numba.njit(**_OPTIONS)
def _four(curves, t, here):
    """Return four frames from one on; what there is none for is the last, whose products there are not looked at."""
    last = len(curves) - 1
    return (
        curves[t, here],
        curves[min(t + 1, last), here],
        curves[min(t + 2, last), here],
        curves[min(t + 3, last), here],
    )


@numba.njit(**_OPTIONS)
def _four_by_four(those, these, sums):
    """Write the products of four frames with four: each number that is read serves four times."""
    a, b, c, d = those
    e, f, g, h = these
    ae = af = ag = ah = be = bf = bg = bh = np.float32(0)
    ce = cf = cg = ch = de = df = dg = dh = np.float32(0)
    for i in range(len(a)):
        ae += a[i] * e[i]
        af += a[i] * f[i]
        ag += a[i] * g[i]
        ah += a[i] * h[i]
        be += b[i] * e[i]
        bf += b[i] * f[i]
        bg += b[i] * g[i]
        bh += b[i] * h[i]
        ce += c[i] * e[i]
        cf += c[i] * f[i]
        cg += c[i] * g[i]
        ch += c[i] * h[i]
        de += d[i] * e[i]
        df += d[i] * f[i]
        dg += d[i] * g[i]
        dh += d[i] * h[i]
    sums[0, 0], sums[0, 1], sums[0, 2], sums[0, 3] = ae, af, ag, ah
    sums[1, 0], sums[1, 1], sums[1, 2], sums[1, 3] = be, bf, bg, bh
    sums[2, 0], sums[2, 1], sums[2, 2], sums[2, 3] = ce, cf, cg, ch
    sums[3, 0], sums[3, 1], sums[3, 2], sums[3, 3] = de, df, dg, dh


@numba.njit(**_OPTIONS)
def _fold(sums, total):
    """Add up the blocks' products, of which those above the diagonal are not there: they are those below it."""
    for t in range(len(total)):
        for s in range(t + 1):
            total[t, s] = 0
            for block in range(len(sums)):
                total[t, s] += sums[block, t, s]
            total[s, t] = total[t, s]


def smooth(series: Float32, tissue: Float32, threads: int) -> Float32:
    """Return the smooth curves of a slice's cells of 2 x 2 pixels, less their means over time, (time, y, x) of cells.

    They are those of `ctpbench.perfusion.cell_smoothing`. About their means products of frames are more exact.

    Parameters
    ----------
    series : array, (time, y, x), float32
        Zero outside the tissue.
    tissue : array, (y, x), float32
        1 or 0.
    threads : int
    """
    out = np.empty((len(series), *(-(-size // 2) for size in tissue.shape)), np.float32)
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    _smooth(series, tissue, _weights(*tissue.shape), out)
    _take_means(out)
    return out


@cache
def _weights(rows: int, columns: int) -> Float32:
    """Return what a cell and those before and behind it in a row or column weigh, as far as one of them lies."""
    down, across, _ = cell_smoothing(np.ones((rows, columns), dtype=bool))
    half = max(down[:, 0], across[:, 0], key=len)
    half = half[half > 0]
    return np.concatenate([half[:0:-1], half])


@numba.njit(parallel=True, **_OPTIONS)
def _smooth(series, tissue, weights, out):
    scale = np.empty(out.shape[1:], np.float32)
    counts = _filter(tissue, weights, scale)
    for y in range(len(scale)):
        for x in range(scale.shape[1]):
            scale[y, x] = np.sqrt(counts[y, x]) / scale[y, x] if counts[y, x] > 0 else np.float32(0)
    for t in numba.prange(len(series)):
        _filter(series[t], weights, out[t])
        for y in range(len(scale)):
            _scale(out[t, y], scale[y])


@numba.njit(**_OPTIONS)
def _filter(image, weights, out):
    """Write the weighted sums over an image's cells, which are returned: (y, x), the rest of them zero.

    The cells are one line, row behind row, that is filtered as a whole; between rows are zeros.
    """
    reach, (rows, columns) = len(weights) // 2, out.shape
    width = columns + reach
    sums = np.zeros((rows + 2 * reach, width), np.float32)
    _cell_sums(image, sums[reach:])
    above = sums.reshape(-1)
    down = np.zeros(rows * width + 2 * reach, np.float32)
    middle, across = down[reach : reach + rows * width], np.empty(rows * width, np.float32)
    _times(middle, weights[reach], above[reach * width :])
    for k in range(reach):
        _add(middle, weights[k], above[k * width :], above[(2 * reach - k) * width :])
    _times(across, weights[reach], middle)
    for k in range(reach):
        _add(across, weights[k], down[k:], down[2 * reach - k :])
    for y in range(rows):
        out[y] = across[y * width : y * width + columns]
    return sums[reach:]


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
