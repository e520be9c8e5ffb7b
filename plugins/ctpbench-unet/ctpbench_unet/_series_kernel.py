"""A slice cut out of a series, its coefficients, and curves put back, on a CPU: each frame is touched once."""

from __future__ import annotations

import numba
import numpy as np

from ctpbench.arrays import Float32

# Leave to reorder sums and to fuse multiplications with additions, but not to assume NaN and infinity away.
_OPTIONS = {"cache": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz", "arcp"}}
_AT_ONCE = 4  # coefficients; more in one expression mean fewer passes over the frames
_FRAMES = 4  # likewise


def cut(series: Float32, place: tuple[int, int, int], tissue: Float32, out: Float32, threads: int) -> Float32:
    """Write a slice's frames, zero outside the tissue, and return their mean over time, (y, x).

    Parameters
    ----------
    series : array, (time, z, y, x), float32
    place : tuple of int
        Slice, row and column of the tissue's first pixel in the series.
    tissue : array, (y, x), float32
        1 or 0.
    out : array, (time, y, x), float32
        As large as the tissue or larger; zero beyond it.
    threads : int
    """
    sums = np.empty(out.shape[1:], np.float32)
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    _cut(series, place, tissue, out, sums)
    sums /= np.float32(len(series))
    return sums


def projected(series: Float32, basis: Float32, threads: int) -> Float32:
    """Return the scalar products of a slice's curves with components, (component, y, x).

    Parameters
    ----------
    series : array, (time, y, x), float32
    basis : array, (time, component), float32
    threads : int
    """
    weights = _filled(basis, _FRAMES - 1)
    out = np.empty((weights.shape[1], *series.shape[1:]), np.float32)
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    _project(series, weights, out)
    return out[: basis.shape[1]]


def put(
    coefficients: Float32,
    basis: Float32,
    level: Float32,
    tissue: Float32,
    place: tuple[int, int, int],
    series: Float32,
    out: Float32,
    threads: int,
) -> None:
    """Write a slice of a series: within the tissue the curves that coefficients stand for, elsewhere what it was.

    Parameters
    ----------
    coefficients : array, (component, y, x), float32
    basis : array, (time, component), float32
    level : array, (time), float32
        What is added to all curves.
    tissue : array, (y, x), float32
        1 where curves are written; 0 elsewhere, and where it reaches beyond the slice.
    place : tuple of int
        As of `cut`.
    series, out : array, (time, z, y, x), float32
    threads : int
    """
    weights, images = _filled(basis), np.ascontiguousarray(coefficients)
    if len(images) < weights.shape[1]:
        images = np.zeros((weights.shape[1], *tissue.shape), np.float32)
        images[: len(coefficients)] = coefficients
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    _put(images, weights, level, tissue, place, series, out)


def _filled(basis: Float32, more: int = 0) -> Float32:
    """Return the basis with columns of zeros, to a multiple of those taken at once, and so many more rows of zeros."""
    frames, columns = basis.shape
    filled = np.zeros((frames + more, -(-columns // _AT_ONCE) * _AT_ONCE), np.float32)
    filled[:frames, :columns] = basis
    return filled


@numba.njit(parallel=True, **_OPTIONS)
def _cut(series, place, tissue, out, sums):
    z, top, left = place
    rows = len(tissue)
    for t in numba.prange(len(out)):  # frame by frame: a frame lies in one piece
        for y in range(rows):
            _keep(series[t, z, top + y, left:], tissue[y], out[t, y])
        out[t, rows:] = 0
    for y in numba.prange(len(sums)):
        sums[y] = 0
        for t in range(len(out)):
            _sum(out[t, y], sums[y])


@numba.njit(**_OPTIONS)
def _keep(values, inside, out):
    for x in range(len(inside)):
        out[x] = values[x] * inside[x]
    for x in range(len(inside), len(out)):
        out[x] = 0


@numba.njit(**_OPTIONS)
def _sum(values, sums):
    for x in range(len(values)):
        sums[x] += values[x]


@numba.njit(parallel=True, **_OPTIONS)
def _project(series, weights, out):
    last = len(series) - 1  # behind the last frame the weights are 0
    for y in numba.prange(series.shape[1]):
        out[:, y] = 0
        for t in range(0, len(series), _FRAMES):
            four = series[t, y], series[min(t + 1, last), y], series[min(t + 2, last), y], series[min(t + 3, last), y]
            for k in range(0, len(out), 2):
                _add(four, weights[t : t + _FRAMES, k:], out[k, y], out[k + 1, y])


@numba.njit(**_OPTIONS)
def _add(four, weights, a, b):
    p, q, r, s = four
    for x in range(np.uintp(len(a))):
        a[x] += weights[0, 0] * p[x] + weights[1, 0] * q[x] + weights[2, 0] * r[x] + weights[3, 0] * s[x]
        b[x] += weights[0, 1] * p[x] + weights[1, 1] * q[x] + weights[2, 1] * r[x] + weights[3, 1] * s[x]


@numba.njit(parallel=True, **_OPTIONS)
def _put(images, weights, level, tissue, place, series, out):
    z, top, left = place
    columns, last = min(tissue.shape[1], out.shape[3] - left), len(images) - _AT_ONCE
    for t in numba.prange(len(out)):
        for y in range(out.shape[2]):  # row by row, for they need not lie behind each other
            _copy(series[t, z, y], out[t, z, y])
        curve = np.full(columns, level[t])
        for y in range(min(len(tissue), out.shape[2] - top)):
            if last:
                curve[:] = level[t]
                for k in range(0, last, _AT_ONCE):
                    _combine(curve, weights[t, k:], images[k, y], images[k + 1, y], images[k + 2, y], images[k + 3, y])
            a, b, c, d = images[last, y], images[last + 1, y], images[last + 2, y], images[last + 3, y]
            _blend(out[t, z, top + y, left:], tissue[y], curve, weights[t, last:], a, b, c, d)


@numba.njit(**_OPTIONS)
def _copy(values, out):
    for x in range(len(out)):
        out[x] = values[x]


@numba.njit(**_OPTIONS)
def _combine(out, weights, a, b, c, d):
    for x in range(len(out)):
        out[x] += weights[0] * a[x] + weights[1] * b[x] + weights[2] * c[x] + weights[3] * d[x]


@numba.njit(**_OPTIONS)
def _blend(out, share, curve, weights, a, b, c, d):
    """Go from what is there as far as the share says to the curve and the last four coefficients' part of it."""
    for x in range(np.uintp(len(curve))):
        value = curve[x] + weights[0] * a[x] + weights[1] * b[x] + weights[2] * c[x] + weights[3] * d[x]
        out[x] += share[x] * (value - out[x])
