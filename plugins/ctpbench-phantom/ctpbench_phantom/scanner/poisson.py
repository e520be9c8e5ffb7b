"""Photon noise: exact Poisson counts by transformed rejection (Hormann 1993), one stream of numbers a frame."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

LEAST_COUNT = 0.5
"""What a ray is taken to have counted where it counted less: its logarithm must be finite. Less than a photon."""


def frame_generator(seed: int, frame: int) -> np.random.Generator:
    """The stream of random numbers of one frame: the `frame`-th child of `SeedSequence(seed)`."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(frame,)))


def poisson_counts(rng: np.random.Generator, mean: np.ndarray) -> np.ndarray:
    """Poisson counts: sample for sample those of ``rng.poisson(mean)``, in a quarter of its time.

    Parameters
    ----------
    rng : numpy.random.Generator
        Advanced as ``rng.poisson(mean)`` would.
    mean : ndarray, float32
        Expected counts, finite and not negative.

    Returns
    -------
    ndarray, float32, of the shape of `mean`
        Whole numbers; above 2^24 rounded to float32.

    Source
    ------
    Algorithm PTRS in Hormann, Insurance: Mathematics and Economics 12 (1993) 39, with its logarithms taken only
    where the quick acceptance fails.
    """
    counts = np.empty(mean.shape, np.float32)
    _draw(rng, np.ascontiguousarray(mean, np.float32).reshape(-1), counts.reshape(-1))
    return counts


def line_integral_noise(
    line_integrals: np.ndarray, n0: float, electronic_sigma: float, rng: np.random.Generator
) -> np.ndarray:
    """Noise p_noisy - p of one frame's line integrals: -log(counts / (n0 exp(-p))), eq. 12 of the paper.

    Parameters
    ----------
    line_integrals : ndarray (views, detectors), float32
    n0 : float
        Photons per ray without an object.
    electronic_sigma : float
        Standard deviation of normal noise added to the counts, photons.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray (views, detectors), float32
        Finite: counts below `LEAST_COUNT` are taken as that.
    """
    mean = np.float32(n0) * np.exp(-line_integrals)
    counts = poisson_counts(rng, mean)
    if electronic_sigma:
        counts += np.float32(electronic_sigma) * rng.standard_normal(counts.shape, np.float32)
    np.maximum(counts, np.float32(LEAST_COUNT), out=counts)
    np.log(counts, out=counts)
    return np.float32(math.log(n0)) - line_integrals - counts


@njit(nogil=True, cache=True, error_model="numpy")
def _draw(rng, mean, counts):
    for i in range(mean.size):
        lam = np.float64(mean[i])
        counts[i] = rng.poisson(lam) if lam < 10.0 else _transformed_rejection(rng, lam)


@njit(nogil=True, cache=True, error_model="numpy")
def _transformed_rejection(rng, lam):
    b = 0.931 + 2.53 * math.sqrt(lam)
    a = -0.059 + 0.02483 * b
    squeeze = 0.9277 - 3.6224 / (b - 2.0)
    while True:
        u = rng.random() - 0.5
        v = rng.random()
        us = 0.5 - abs(u)
        k = math.floor((2.0 * a / us + b) * u + lam + 0.43)
        if us >= 0.07 and v <= squeeze:
            return k
        if k < 0.0 or (us < 0.013 and v > us):
            continue
        inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
        if math.log(v * inverse_alpha / (a / (us * us) + b)) <= _log_probability(k, lam):
            return k


@njit(nogil=True, cache=True, error_model="numpy")
def _log_probability(k, lam):
    # log(lam^k exp(-lam) / k!), from k = 10 on by Stirling's series (error below 1e-10): one logarithm, and no
    # difference of large numbers.
    if k < 10.0:
        return k * math.log(lam) - lam - math.lgamma(k + 1.0)
    square = 1.0 / (k * k)
    series = (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0))) / k
    return k * math.log(lam / k) + (k - lam) - 0.5 * math.log(2.0 * math.pi * k) - series
