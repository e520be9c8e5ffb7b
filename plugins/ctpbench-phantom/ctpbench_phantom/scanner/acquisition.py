"""A series goes through the scanner: line integrals once, then frames at any dose.

Everything but the photon noise is linear. A noiseless series is a few images times a few curves, so only those
images are projected and reconstructed; and a noisy frame is the noiseless one plus the reconstruction of the
noise in its line integrals.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np

from ctpbench.arrays import Array, Float32, Float64, Mask
from ctpbench_phantom.scanner.backprojector import BATCH, fbp
from ctpbench_phantom.scanner.geometry import MU_WATER, Scanner, check_grid, check_sinograms
from ctpbench_phantom.scanner.poisson import frame_generator, line_integral_noise
from ctpbench_phantom.scanner.projector import project

TOLERANCE_HU = 1e-3
"""Largest error in any pixel and frame of the series that stands for the one given."""


@dataclass(frozen=True)
class LineIntegrals:
    """Noiseless line integrals of a series: ``p(t) = sum over r of weights[t, r] * basis[r]``.

    Attributes
    ----------
    basis : ndarray, (rank, views, detectors), float32, no unit
    weights : ndarray, (time, rank), float32, no unit
    """

    basis: Float32
    weights: Float32


def acquire(series_hu: Array, scanner: Scanner) -> LineIntegrals:
    """Return the noiseless line integrals of a series.

    Parameters
    ----------
    series_hu : ndarray, (time, y, x), HU
        Finite, square images. Below -1000 HU there would be negative attenuation; it is not refused.
    scanner : Scanner

    Returns
    -------
    LineIntegrals
        Of a series that differs from the given one by at most `TOLERANCE_HU` anywhere.

    Raises
    ------
    ValueError
        Where the series is not (time, y, x), holds NaN or infinity, or its images do not fit the scanner.
    """
    if series_hu.ndim != 3 or not len(series_hu):
        raise ValueError(f"acquire: series: got shape {series_hu.shape}; allowed: (time, y, x), one frame or more")
    check_grid(series_hu.shape[1:], scanner.pixel_mm, scanner.fan)
    if not np.isfinite(series_hu).all():
        raise ValueError("acquire: series: got NaN or infinity; allowed: finite HU")
    images_hu, weights = low_rank(series_hu.reshape(len(series_hu), -1), TOLERANCE_HU)
    images = images_hu * (MU_WATER / 1000)
    images[0] += MU_WATER
    basis = project(images.reshape(-1, *series_hu.shape[1:]), scanner.fan, scanner.pixel_mm)
    return LineIntegrals(basis, weights.astype(np.float32))


def low_rank(series: Array, tolerance: float) -> tuple[Float64, Float64]:
    """Return few images and weights whose products are a series: the mean, then principal components as needed.

    Parameters
    ----------
    series : ndarray, (time, pixel), any unit
    tolerance : float
        Largest error allowed in any element, in the series' unit.

    Returns
    -------
    images : ndarray, (rank, pixel), float64, in the series' unit
        The mean over time first.
    weights : ndarray, (time, rank), float64, no unit
        1 for the mean.
    """
    moving = (series != series[0]).any(axis=0)
    mean = series[0].astype(np.float64)
    mean[moving] = series[:, moving].mean(axis=0, dtype=np.float64)
    change = series[:, moving] - mean[moving]
    power, curves = np.linalg.eigh(np.einsum("tp,sp->ts", change, change))
    curves = curves[:, ::-1]
    left_over = np.cumsum(np.maximum(power, 0.0))[::-1]  # squared error without the components from r on
    # The largest error is several times the mean one, so begin where that is tolerance / 4.
    rank = int((left_over > change.size * (tolerance / 4) ** 2).sum())
    while True:
        components = np.einsum("tr,tp->rp", curves[:, :rank], change)
        error = np.abs(change - curves[:, :rank] @ components).max(initial=0.0)
        if error <= tolerance or rank == len(series):
            break
        rank += 1
    images = np.zeros((rank + 1, series.shape[1]))
    images[0] = mean
    images[1:, moving] = components
    return images, np.hstack([np.ones((len(series), 1)), curves[:, :rank]])


def basis_images(lines: LineIntegrals, scanner: Scanner, shape: tuple[int, int]) -> Float32:
    """Return the images of the line integrals' basis, which the frames at every dose share.

    Parameters
    ----------
    lines : LineIntegrals
        Of `acquire`, by the same scanner.
    scanner : Scanner
    shape : (int, int)
        Of the images, (y, x), square.

    Returns
    -------
    ndarray, (rank, y, x), float32, 1/mm

    Raises
    ------
    ValueError
        Where the lines or the shape do not fit the scanner.
    """
    return fbp(lines.basis, scanner, shape)


def reconstruct(
    lines: LineIntegrals,
    scanner: Scanner,
    shape: tuple[int, int],
    *,
    n0: float | None = None,
    seed: int = 0,
    roi: Mask | None = None,
    images: Float32 | None = None,
) -> Float32:
    """Return the frames of a scan, noiseless or at a dose.

    Parameters
    ----------
    lines : LineIntegrals
        Of `acquire`, by the same scanner.
    scanner : Scanner
    shape : (int, int)
        Of the frames, (y, x), square.
    n0 : float or None
        Photons per ray without an object; None for no noise.
    seed : int
        Every frame draws from a stream of its own, child of this seed: the frames depend on nothing else, and
        on no number of threads.
    roi : ndarray, (y, x), bool, or None
        Where noise is wanted, None for everywhere. Pixels outside hold their noiseless values.
    images : ndarray, (rank, y, x), float32, 1/mm, or None
        What `basis_images` returns of these lines, of this scanner and shape; None to have them made.

    Returns
    -------
    ndarray, (time, y, x), float32, HU

    Raises
    ------
    ValueError
        Where n0 is not a number above 0, or the lines, shape or roi do not fit the scanner.

    Source: Wu, Ren, Li, eq. 12, ``p_noisy = -log(Poisson(n0 exp(-p)) / n0)``, and section V-A1 (reconstruction).
    """
    if n0 is not None and not (math.isfinite(n0) and n0 > 0):
        raise ValueError(f"reconstruct: n0: got {n0!r}; allowed: a number of photons above 0, or None for no noise")
    check_sinograms(lines.basis.shape, scanner.fan)
    if images is None:
        images = basis_images(lines, scanner, shape)
    elif images.shape != (len(lines.basis), *shape):
        got, allowed = images.shape, (len(lines.basis), *shape)
        raise ValueError(f"reconstruct: images: got shape {got}; allowed: {allowed}, an image for each of the basis")
    frames = _mix(lines.weights, images)
    if n0 is not None:
        for start in range(0, len(frames), BATCH):
            part = slice(start, start + BATCH)
            frames[part] += fbp(_noise(lines, scanner, n0, seed, range(len(frames))[part]), scanner, shape, roi)
    frames *= np.float32(1000 / MU_WATER)
    frames -= np.float32(1000)
    return frames


def _noise(lines: LineIntegrals, scanner: Scanner, n0: float, seed: int, frames: range) -> Float32:
    """Return the noise of some frames' line integrals, (frame, views, detectors)."""
    clean = _mix(lines.weights[frames.start : frames.stop], lines.basis)

    def draw(i: int) -> None:
        rng = frame_generator(seed, frames[i])
        clean[i] = line_integral_noise(clean[i], n0, scanner.electronic_sigma, rng)

    # The draw releases the GIL, so threads share the frames.
    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        list(pool.map(draw, range(len(frames))))
    return clean


def _mix(weights: Float32, basis: Float32) -> Float32:
    """Return (time, rank) by (rank, ...) as (time, ...)."""
    # By einsum, like the sums of `low_rank`: the last bit of a BLAS product this narrow depends on the number of
    # threads.
    return np.einsum("tr,r...->t...", weights, basis)
