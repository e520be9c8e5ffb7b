"""Gaussian filter of images, normalised inside a mask."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float32
from ctpbench_filters._numba import OPTIONS, use_threads

WINDOW_SIGMAS = 4.0


def masked_gaussian(images: npt.ArrayLike, mask: npt.ArrayLike, sigma_px: float, *, threads: int = 1) -> Float32:
    """Smooth images inside a mask by normalised convolution, ``G * (mask image) / G * mask``.

    Parameters
    ----------
    images : array, (n, y, x)
        Images of one plane, such as the frames of a slice.
    mask : array, (y, x), bool
        The pixels that are smoothed, and that others are smoothed with.
    sigma_px : float
        Standard deviation of G in pixels, above 0. G ends at 4 sigma along each axis.
    threads : int

    Returns
    -------
    array, (n, y, x), float32
        In the unit of `images`; outside the mask equal to them.

    Source: Knutsson and Westin 1993, CVPR, 515-523 (normalised convolution).
    """
    images = np.ascontiguousarray(images, dtype=np.float32)
    inside = np.ascontiguousarray(mask, dtype=np.float32)
    smooth = np.empty_like(images)
    use_threads(threads)
    _smooth_images(images, inside, _half_window(sigma_px), smooth)
    return smooth


def _half_window(sigma_px: float) -> Float32:
    """Return G at distances 0, 1, 2, ... up to 4 sigma; its sum does not matter."""
    distance = np.arange(round(WINDOW_SIGMAS * sigma_px) + 1)
    return np.exp(-((distance / sigma_px) ** 2) / 2).astype(np.float32)


@numba.njit(parallel=True, **OPTIONS)
def _smooth_images(images, inside, window, smooth):
    weight = np.empty_like(inside)
    _convolve(inside, window, weight)
    for n in numba.prange(len(images)):
        _convolve(images[n] * inside, window, smooth[n])
        for y in range(inside.shape[0]):
            for x in range(inside.shape[1]):
                smooth[n, y, x] = smooth[n, y, x] / weight[y, x] if inside[y, x] else images[n, y, x]


@numba.njit(**OPTIONS)
def _convolve(image, window, out):
    """Convolve with the separable window: down the columns into `padded`, then along it. Zero beyond the edges."""
    height, width = image.shape
    reach = len(window) - 1
    padded = np.zeros(width + 2 * reach, np.float32)
    for y in range(height):
        row = padded[reach : reach + width]
        row[:] = window[0] * image[y]
        for d in range(1, reach + 1):
            if d <= y and y + d < height:
                _add_pair(row, window[d], image[y - d], image[y + d])
            elif d <= y:
                _add(row, window[d], image[y - d])
            elif y + d < height:
                _add(row, window[d], image[y + d])
        out[y] = window[0] * row
        for d in range(1, reach + 1):
            _add_pair(out[y], window[d], padded[reach - d :], padded[reach + d :])


@numba.njit(**OPTIONS)
def _add(row, factor, a):
    for x in range(len(row)):
        row[x] += factor * a[x]


@numba.njit(**OPTIONS)
def _add_pair(row, factor, a, b):
    for x in range(len(row)):
        row[x] += factor * (a[x] + b[x])
