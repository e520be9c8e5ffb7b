"""A scan of lower dose from one of full dose: more noise, as that scan's own."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from ctpbench.arrays import Array, Float32, Mask
from ctpbench.errors import DataError
from ctpbench.perfusion.detail import (
    FAR_LAGS,
    checked,
    covariance_of,
    dense,
    differences,
    mean_square,
    restored,
    split,
    steady_part,
)

_REACH_PX = 16  # offsets up to which noise has some covariance: filtered backprojection's tails, weak but wide
_LEVEL_PX = 6.0  # sd of the Gaussian that smooths the map of the noise's level
_SOFT_HU = (-150.0, 150.0)  # neither air nor bone, whose edges flicker


def insert_noise(frames: npt.ArrayLike, head: npt.ArrayLike, dose_fraction: float, rng: np.random.Generator) -> Float32:
    """Return a scan as if taken at a fraction of its dose: noise of its own texture and level is added.

    The noise's variance goes with 1 / dose, so ``sd^2 (1 / dose_fraction - 1)`` is added, sd a smooth map estimated
    in the scan's soft tissue. The noise is Gaussian, with the scan's power spectrum within a slice, and independent
    from frame to frame and from slice to slice: not what a scanner delivers that filters in time.

    Parameters
    ----------
    frames : array, (time, z, y, x), HU
        Eight frames or more.
    head : array, (z, y, x), bool
        Where noise is added. Outside, frames are returned as they are.
    dose_fraction : float
        Above 0, up to 1; 1 returns a copy, and so does a head without voxels.
    rng : Generator

    Returns
    -------
    array, (time, z, y, x), float32, HU

    Raises
    ------
    DataError
        Where the fraction is not allowed, a shape does not fit, a value is not finite, or the head has too little
        soft tissue.

    Examples
    --------
    A quarter of the dose has twice the noise.

    >>> import numpy as np
    >>> from ctpbench.perfusion import insert_noise, noise_statistics
    >>> head = np.hypot(*(np.mgrid[:48, :48] - 23.5))[np.newaxis] < 20
    >>> frames = 35 + np.random.default_rng(0).normal(0, 8, (20, 1, 48, 48))
    >>> low_dose = insert_noise(frames, head, 0.25, np.random.default_rng(1))
    >>> print(f"{noise_statistics(low_dose, head).sd_hu:.1f} HU")
    16.1 HU

    Source: Yu et al. 2012, J Comput Assist Tomogr 36:477 (variance of inserted noise); spectrum by Blackman and Tukey.
    """
    if not 0 < dose_fraction <= 1:
        raise DataError(f"dose_fraction: got {dose_fraction}; allowed: above 0, up to 1, such as 0.25")
    series, inside = checked(frames, head, "head")
    result = np.array(series, dtype=np.float32)
    if dose_fraction == 1 or not inside.any():
        return result
    sd_hu, covariance = _level_and_texture(result, inside)
    sd_hu *= np.float32(math.sqrt(1 / dose_fraction - 1)) * inside
    rows, columns = inside.shape[1:]
    # The margin parts what the circle of the transform would make neighbours.
    shape = tuple(fft.next_fast_len(n + _REACH_PX, real=True) for n in (rows, columns))
    gain = _gain(covariance, shape)
    for frame in result:
        white = rng.standard_normal((len(frame), *shape), dtype=np.float32)
        field = fft.irfft2(fft.rfft2(white) * gain, s=shape)
        frame += sd_hu * field[:, :rows, :columns]
    return result


def _level_and_texture(series: Float32, head: Mask) -> tuple[Float32, Array]:
    """Return the noise's standard deviation, (z, y, x), HU, and, up to a factor, its covariance within a slice."""
    mean = series.mean(axis=0)
    soft = dense(head & (mean > _SOFT_HU[0]) & (mean < _SOFT_HU[1]), "head, soft tissue")
    detail, local, per_mean = split(series, soft)
    changes = differences(detail, local, soft, FAR_LAGS)
    variance = mean_square(changes)
    steady = steady_part(detail, soft)
    known = _smooth(steady.astype(np.float32))
    # Where no soft tissue is near, the whole scan's level stands in.
    level = (_smooth(variance * steady) + 1e-3 * variance[steady].mean()) / (known + 1e-3)
    changes /= np.sqrt(np.maximum(level, np.finfo(np.float32).tiny))
    covariance = restored(covariance_of(changes, steady, _REACH_PX), per_mean)
    return np.sqrt(level * covariance[_REACH_PX, _REACH_PX]).astype(np.float32), covariance


def _gain(covariance: Array, shape: tuple[int, ...]) -> Float32:
    """Return what white noise is multiplied with in the half plane of `fft.rfft2` to get this covariance."""
    offsets = np.arange(-_REACH_PX, _REACH_PX + 1)
    distance = np.hypot(offsets[:, np.newaxis], offsets)
    taper = 0.5 + 0.5 * np.cos(np.pi * np.clip(2 * distance / (_REACH_PX + 1) - 1, 0, 1))
    kernel = np.zeros(shape)
    # By addition: on a grid smaller than the reach, offsets meet on the circle.
    np.add.at(kernel, np.ix_(offsets % shape[0], offsets % shape[1]), covariance * taper)
    power = np.maximum(fft.fft2(kernel).real, 0)
    mean = power.mean()
    gain = np.sqrt(power / mean) if mean > 0 else power
    return gain[:, : shape[1] // 2 + 1].astype(np.float32)


def _smooth(values: Float32) -> Float32:
    return np.asarray(ndimage.gaussian_filter(values, (0, _LEVEL_PX, _LEVEL_PX), mode="constant"))
