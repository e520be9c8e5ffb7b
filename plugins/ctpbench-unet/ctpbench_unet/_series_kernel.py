"""A slice cut out of a series, its coefficients, and curves put back, on a CPU: each frame is touched once."""

from __future__ import annotations

import numba
import numpy as np

from ctpbench.arrays import Float32

# Leave to reorder sums and to fuse multiplications with additions, but not to assume NaN and infinity away.
_OPTIONS = {"cache": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz", "arcp"}}
_AT_ONCE = 4  # coefficients; more in one expression mean fewer passes over the frames


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
    weights = _filled(basis)
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


def _filled(basis: Float32) -> Float32:
    """Return the basis with columns of zeros, so that its columns are a multiple of those taken at once."""
    frames, columns = basis.shape
    filled = np.zeros((frames, -(-columns // _AT_ONCE) * _AT_ONCE), np.float32)
    filled[:, :columns] = basis
    return filled


@numba.njit(parallel=True, **_OPTIONS)
def _cut(series, place, tissue, out, sums):
    z, top, left = place
    rows, columns = tissue.shape
    for y in numba.prange(len(sums)):
        sums[y] = 0
        for t in range(len(out)):
            out[t, y, columns:] = 0
            if y < rows:
                _keep(series[t, z, top + y, left:], tissue[y], out[t, y], sums[y])
            else:
                out[t, y] = 0


@numba.njit(**_OPTIONS)
def _keep(values, inside, out, sums):
    for x in range(len(inside)):
        value = values[x] * inside[x]
        out[x] = value
        sums[x] += value


@numba.njit(parallel=True, **_OPTIONS)
def _project(series, weights, out):
    for y in numba.prange(series.shape[1]):
        out[:, y] = 0
        for t in range(len(series)):
            for k in range(0, len(out), _AT_ONCE):
                _add(series[t, y], weights[t, k:], out[k, y], out[k + 1, y], out[k + 2, y], out[k + 3, y])


@numba.njit(**_OPTIONS)
def _add(values, weights, a, b, c, d):
    for x in range(len(values)):
        a[x] += weights[0] * values[x]
        b[x] += weights[1] * values[x]
        c[x] += weights[2] * values[x]
        d[x] += weights[3] * values[x]


@numba.njit(parallel=True, **_OPTIONS)
def _put(images, weights, level, tissue, place, series, out):
    z, top, left = place
    columns = min(tissue.shape[1], out.shape[3] - left)
    for t in numba.prange(len(out)):
        curve = np.empty(columns, np.float32)
        for y in range(out.shape[2]):
            out[t, z, y] = series[t, z, y]
            here = y - top
            if 0 <= here < len(tissue):
                curve[:] = level[t]
                for k in range(0, len(images), _AT_ONCE):
                    a, b, c, d = images[k, here], images[k + 1, here], images[k + 2, here], images[k + 3, here]
                    _combine(curve, weights[t, k:], a, b, c, d)
                _blend(out[t, z, y, left:], curve, tissue[here])


@numba.njit(**_OPTIONS)
def _combine(out, weights, a, b, c, d):
    for x in range(len(out)):
        out[x] += weights[0] * a[x] + weights[1] * b[x] + weights[2] * c[x] + weights[3] * d[x]


@numba.njit(**_OPTIONS)
def _blend(out, values, share):
    for x in range(len(values)):
        out[x] += share[x] * (values[x] - out[x])
