"""From the curves of a slice to coefficients and back, on a CPU: each frame is read, or written, once."""

from __future__ import annotations

import numba
import numpy as np

from ctpbench.arrays import Float32

# Leave to reorder sums and to fuse multiplications with additions, but not to assume NaN and infinity away.
_OPTIONS = {"cache": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz", "arcp"}}
_AT_ONCE = 4  # coefficients; more in one expression mean fewer passes over the frames


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


def put(coefficients: Float32, basis: Float32, tissue: Float32, series: Float32, threads: int) -> None:
    """Write the curves that coefficients stand for into a series, within the tissue.

    Parameters
    ----------
    coefficients : array, (component, y, x), float32
    basis : array, (time, component), float32
    tissue : array, (y, x), float32
        1 where curves are written, 0 where the series stays as it is.
    series : array, (time, y, x), float32
    threads : int
    """
    weights = _filled(basis)
    images = np.zeros((weights.shape[1], *tissue.shape), np.float32)
    images[: len(coefficients)] = coefficients
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    _put(images, weights, tissue, series)


def _filled(basis: Float32) -> Float32:
    """Return the basis with columns of zeros, so that its columns are a multiple of those taken at once."""
    return np.pad(basis, ((0, 0), (0, -basis.shape[1] % _AT_ONCE)))


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
def _put(images, weights, tissue, series):
    for t in numba.prange(len(series)):
        curve = np.empty(tissue.shape[1], np.float32)
        for y in range(len(tissue)):
            curve[:] = 0
            for k in range(0, len(images), _AT_ONCE):
                _combine(curve, weights[t, k:], images[k, y], images[k + 1, y], images[k + 2, y], images[k + 3, y])
            _blend(series[t, y], curve, tissue[y])


@numba.njit(**_OPTIONS)
def _combine(out, weights, a, b, c, d):
    for x in range(len(out)):
        out[x] += weights[0] * a[x] + weights[1] * b[x] + weights[2] * c[x] + weights[3] * d[x]


@numba.njit(**_OPTIONS)
def _blend(out, values, share):
    for x in range(len(values)):
        out[x] += share[x] * (values[x] - out[x])
