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

from ctpbench_phantom.scanner.backprojector import BATCH, fbp
from ctpbench_phantom.scanner.geometry import MU_WATER, Scanner, check_grid, check_sinograms
from ctpbench_phantom.scanner.poisson import frame_generator, line_integral_noise
from ctpbench_phantom.scanner.projector import project

TOLERANCE_HU = 1e-3
"""Largest error in any pixel and frame of the series that stands for the one given."""


@dataclass(frozen=True)
class LineIntegrals:
    """Noiseless line integrals of a series: p(t) = sum over r of weights[t, r] * basis[r].

    Attributes
    ----------
    basis : ndarray (rank, views, detectors), float32
    weights : ndarray (time, rank), float32
    """

    basis: np.ndarray
    weights: np.ndarray


def acquire(series_hu: np.ndarray, scanner: Scanner) -> LineIntegrals:
    """Noiseless line integrals of a series.

    Parameters
    ----------
    series_hu : ndarray (time, y, x)
        HU, finite, square images. Below -1000 HU there would be negative attenuation; it is not refused.
    scanner : Scanner

    Returns
    -------
    LineIntegrals
        Of a series that differs from the given one by at most `TOLERANCE_HU` anywhere.

    Raises
    ------
    ValueError
        The series is not (time, y, x), holds NaN or infinity, or its images do not fit the scanner.
    """
    if series_hu.ndim != 3 or not len(series_hu):
        raise ValueError(f"acquire: the series' shape is {series_hu.shape}; it must be (time, y, x)")
    check_grid(series_hu.shape[1:], scanner.pixel_mm, scanner.fan)
    if not np.isfinite(series_hu).all():
        raise ValueError("acquire: the series holds NaN or infinite values; every pixel needs a finite HU")
    images_hu, weights = low_rank(series_hu.reshape(len(series_hu), -1), TOLERANCE_HU)
    images = images_hu * (MU_WATER / 1000)
    images[0] += MU_WATER
    basis = project(images.reshape(-1, *series_hu.shape[1:]), scanner.fan, scanner.pixel_mm)
    return LineIntegrals(basis, weights.astype(np.float32))


def low_rank(series: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Few images and weights whose products are a series: the mean, then principal components as needed.

    Parameters
    ----------
    series : ndarray (time, pixels)
    tolerance : float
        Largest error allowed in any element.

    Returns
    -------
    images : ndarray (rank, pixels), float64
        The mean over time first.
    weights : ndarray (time, rank), float64
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


def reconstruct(
    lines: LineIntegrals,
    scanner: Scanner,
    shape: tuple[int, int],
    *,
    n0: float | None = None,
    seed: int = 0,
    roi: np.ndarray | None = None,
) -> np.ndarray:
    """Frames of a scan, noiseless or at a dose.

    Parameters
    ----------
    lines : LineIntegrals
        Of `acquire`, by the same scanner.
    scanner : Scanner
    shape : (int, int)
        Of the frames, (y, x), square.
    n0 : float, optional
        Photons per ray without an object; None for no noise.
    seed : int
        Every frame draws from a stream of its own, child of this seed: the frames depend on nothing else, and
        on no number of threads.
    roi : ndarray (y, x) of bool, optional
        Where noise is wanted. Pixels outside hold their noiseless values.

    Returns
    -------
    ndarray (time, y, x), float32
        HU.

    Raises
    ------
    ValueError
        n0 is not a number above 0, or the lines, shape or roi do not fit the scanner.

    Source
    ------
    Eq. 12 of the paper, p_noisy = -log(Poisson(n0 exp(-p)) / n0), and its section V-A1 for the reconstruction.
    """
    if n0 is not None and not (math.isfinite(n0) and n0 > 0):
        raise ValueError(f"reconstruct: n0 is {n0!r}; it must be a number of photons above 0, or None for no noise")
    check_sinograms(lines.basis.shape, scanner.fan)
    basis = fbp(lines.basis, scanner, shape)
    frames = _mix(lines.weights, basis)
    if n0 is not None:
        for start in range(0, len(frames), BATCH):
            part = slice(start, start + BATCH)
            frames[part] += fbp(_noise(lines, scanner, n0, seed, range(len(frames))[part]), scanner, shape, roi)
    frames *= np.float32(1000 / MU_WATER)
    frames -= np.float32(1000)
    return frames


def _noise(lines: LineIntegrals, scanner: Scanner, n0: float, seed: int, frames: range) -> np.ndarray:
    # (len(frames), views, detectors): the draw releases the GIL, so threads share the frames.
    clean = _mix(lines.weights[frames.start : frames.stop], lines.basis)

    def draw(i: int) -> None:
        rng = frame_generator(seed, frames[i])
        clean[i] = line_integral_noise(clean[i], n0, scanner.electronic_sigma, rng)

    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        list(pool.map(draw, range(len(frames))))
    return clean


def _mix(weights: np.ndarray, basis: np.ndarray) -> np.ndarray:
    # (time, rank) by (rank, ...) to (time, ...). By einsum, like the sums of `low_rank`: the last bit of a BLAS
    # product this narrow depends on the number of threads.
    return np.einsum("tr,r...->t...", weights, basis)
