"""Photon noise: exact Poisson counts by transformed rejection (Hormann 1993), one stream of numbers a frame."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ctpbench.arrays import Float32

LEAST_COUNT = 0.5
"""What a ray is taken to have counted where it counted less: its logarithm must be finite. Less than a photon."""

LEAST_MEAN = 10.0  # below it PTRS does not hold, and numpy multiplies uniform numbers
CHUNK = 1024  # draws whose uniform numbers stay in the first-level cache
UNDECIDED, REJECTED = -1.0, -2.0
GUARD = 1e-4


def frame_generator(seed: int, frame: int) -> np.random.Generator:
    """Return the stream of random numbers of one frame: the `frame`-th child of `SeedSequence(seed)`."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(frame,)))


def poisson_counts(rng: np.random.Generator, mean: Float32) -> Float32:
    """Return Poisson counts, exact, in about half the time of ``rng.poisson(mean)``.

    Parameters
    ----------
    rng : numpy.random.Generator
        Advanced by as many numbers as it takes.
    mean : ndarray, any shape, float32, photons
        Expected counts, finite and not negative.

    Returns
    -------
    ndarray, the shape of `mean`, float32, photons
        Whole numbers; above 2^24 rounded to float32.

    Source: Hormann 1993, Insurance: Mathematics and Economics 12:39 (PTRS): the algorithm of numpy's own generator,
    here with SIMD and with its logarithms taken only where the quick acceptance fails.
    """
    counts = np.empty(mean.shape, np.float32)
    _draw(rng, np.ascontiguousarray(mean, np.float32).reshape(-1), counts.reshape(-1))
    return counts


def line_integral_noise(
    line_integrals: Float32, n0: float, electronic_sigma: float, rng: np.random.Generator
) -> Float32:
    """Return the noise of one frame's line integrals: ``p_noisy - p = -log(counts / (n0 exp(-p)))``.

    Parameters
    ----------
    line_integrals : ndarray, (views, detectors), float32, no unit
    n0 : float
        Photons per ray without an object.
    electronic_sigma : float
        Standard deviation of normal noise added to the counts, photons.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, (views, detectors), float32, no unit
        Finite: counts below `LEAST_COUNT` are taken as that.

    Source: Wu, Ren, Li, eq. 12.
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
    # Nearly every pair of uniform numbers is judged by SIMD; what remains is settled one by one.
    u, v = np.empty(CHUNK), np.empty(CHUNK)
    for start in range(0, mean.size, CHUNK):
        some = mean[start : start + CHUNK]
        drawn = counts[start : start + CHUNK]
        for i in range(some.size):
            u[i] = rng.random() - 0.5
            v[i] = rng.random()
        _judge(some, u, v, drawn)
        for i in range(some.size):
            if drawn[i] < 0.0:
                lam = np.float64(some[i])
                if lam < LEAST_MEAN:
                    drawn[i] = rng.poisson(lam)
                elif drawn[i] == UNDECIDED:
                    drawn[i] = _transformed_rejection(rng, lam, u[i], v[i])
                else:
                    drawn[i] = _transformed_rejection(rng, lam, rng.random() - 0.5, rng.random())


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _judge(mean, u, v, counts):
    # One round of PTRS: the count if accepted, REJECTED, or UNDECIDED where these approximations cannot tell.
    # Accepted is v inverse_alpha / (a / us^2 + b) <= lam^k exp(-lam) / k! =: exp(y) / sqrt(2 pi k), with y by the
    # series of log(1 + t) and of Stirling. |t| <= 0.1 and y >= -8 hold exp(y) to 2e-6, so GUARD is
    # ample; below, exp(y) < 4e-4.
    for i in range(np.uintp(mean.size)):
        lam = np.float64(mean[i])
        b = 0.931 + 2.53 * math.sqrt(lam)
        a = -0.059 + 0.02483 * b
        us = 0.5 - abs(u[i])
        k = np.floor((2.0 * a / us + b) * u[i] + lam + 0.43)
        quickly = (us >= 0.07) & (v[i] <= 0.9277 - 3.6224 / (b - 2.0)) & (lam >= LEAST_MEAN)

        per_k = 1.0 / k
        t = (lam - k) * per_k
        tail = 1.0 / 5.0 - t * (1.0 / 6.0 - t * (1.0 / 7.0 - t * (1.0 / 8.0 - t * (1.0 / 9.0))))
        y = -k * t * t * (0.5 - t * (1.0 / 3.0 - t * (0.25 - t * tail))) - per_k * (1.0 / 12.0)
        e = y * (1.0 / 16.0)
        e = 1.0 + e * (1.0 + e * (0.5 + e * (1 / 6 + e * (1 / 24 + e * (1 / 120 + e * (1 / 720 + e / 5040))))))
        e *= e
        e *= e
        e *= e
        e *= e
        density = v[i] * (1.1239 + 1.1328 / (b - 3.4)) * us * us / (a + b * us * us) * math.sqrt(2.0 * math.pi * k)
        holds = (lam >= LEAST_MEAN) & (abs(t) <= 0.1)
        tip = (us < 0.013) & (v[i] > us)
        accepted = quickly | (holds & (y >= -8.0) & (density <= e * (1.0 - GUARD)) & (not tip))
        rejected = holds & (tip | (density >= (e if y >= -8.0 else 4e-4) * (1.0 + GUARD)))
        verdict = np.float32(REJECTED) if rejected else np.float32(UNDECIDED)
        counts[i] = np.float32(k) if accepted else verdict


@njit(nogil=True, cache=True, error_model="numpy")
def _transformed_rejection(rng, lam, u, v):
    # PTRS from a first pair of uniform numbers on, by its definition.
    b = 0.931 + 2.53 * math.sqrt(lam)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    squeeze = 0.9277 - 3.6224 / (b - 2.0)
    while True:
        us = 0.5 - abs(u)
        k = math.floor((2.0 * a / us + b) * u + lam + 0.43)
        if us >= 0.07 and v <= squeeze:
            return k
        if k >= 0.0 and (us >= 0.013 or v <= us):
            # v inverse_alpha / (a / us^2 + b) <= lam^k exp(-lam) / k!, k! by Stirling from 10 on (to 1e-10).
            density = v * inverse_alpha / (a / (us * us) + b)
            if k < 10.0:
                accepted = math.log(density) <= k * math.log(lam) - lam - math.lgamma(k + 1.0)
            else:
                square = 1.0 / (k * k)
                series = (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0))) / k
                log_power = k * math.log(lam / k) + (k - lam) - series
                accepted = math.log(density * math.sqrt(2.0 * math.pi * k)) <= log_power
            if accepted:
                return k
        u = rng.random() - 0.5
        v = rng.random()
