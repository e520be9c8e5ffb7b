"""What changes in a series over time, split into local means, which carry the bolus, and the detail left over.

The detail of two frames between which the local means hardly change differs by noise alone. `x(t + k) - x(t)` has the
variance ``2 sd^2 (1 - rho_k)``, rho_k the correlation of noise k frames apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from ctpbench.arrays import Array, Float32, Mask
from ctpbench.errors import DataError

FAR_LAGS = (3, 4, 5)
"""Frames this far apart have independent noise: filters of scanners reach two or three frames."""
_QUIET_SHARE = 1 / 3  # of all pairs: before and after the bolus there are that many in any usable scan
_BOX_PX = 31  # of the local mean: far beyond the reach of CT noise, narrower than a hemisphere
_SPARSE = 16  # local means are smooth: every 16th voxel tells how they change
_UNSTEADY = 9.0  # times the usual variance over all frames: an edge that moves or a vessel, not noise
CORE_PX = 6
"""Offsets up to which noise holds nearly all of its covariance."""
_LEAST_FRAMES, _LEAST_VOXELS, _LEAST_IN_BOX = 8, 300, 300


def checked(frames: npt.ArrayLike, mask: npt.ArrayLike, name: str) -> tuple[Array, Mask]:
    """Return a series (time, z, y, x) and its mask (z, y, x), or raise DataError where they do not fit."""
    series, inside = np.asarray(frames), np.asarray(mask)
    if series.ndim != 4 or len(series) < _LEAST_FRAMES:
        raise DataError(
            f"frames: got shape {series.shape}; allowed: 4 axes (time, z, y, x), {_LEAST_FRAMES} frames or more"
        )
    if inside.shape != series.shape[1:] or inside.dtype != bool:
        raise DataError(f"{name}: got {inside.dtype} of shape {inside.shape}; allowed: bool of {series.shape[1:]}")
    if not np.isfinite(series).all():
        raise DataError("frames: got NaN or infinity; allowed: finite HU")
    return series, inside


def dense(mask: Mask, name: str) -> Mask:
    """Return the voxels of a mask whose local means are means of enough."""
    crowded: Mask = mask & (_box_mean(mask.astype(np.float32)) * _BOX_PX**2 > _LEAST_IN_BOX - 0.5)
    if np.count_nonzero(crowded) < _LEAST_VOXELS:
        raise DataError(
            f"{name}: got {np.count_nonzero(crowded)} voxels among {_LEAST_IN_BOX} or more of their kind within "
            f"{_BOX_PX} x {_BOX_PX} px of a slice; allowed: {_LEAST_VOXELS} or more"
        )
    return crowded


def _box_mean(values: Float32) -> Float32:
    size = (1,) * (values.ndim - 2) + (_BOX_PX, _BOX_PX)
    return np.asarray(ndimage.uniform_filter(values, size, mode="constant"), dtype=np.float32)


def split(series: Array, mask: Mask) -> tuple[Float32, Float32, float]:
    """Return detail and local mean of what changes over time, both 0 outside the mask, and what a mean keeps.

    The last is the mean of 1 / n over the mask, n the voxels of a local mean: the share of uncorrelated noise in it.
    """
    changing: Float32 = (series - series.mean(axis=0)).astype(np.float32, copy=False)
    changing *= mask
    share = np.where(mask, _box_mean(mask.astype(np.float32)), np.float32(np.inf)).astype(np.float32)
    local = _box_mean(changing)
    local /= share
    changing -= local
    changing *= mask
    return changing, local, float((1 / share[mask]).mean() / _BOX_PX**2)


def differences(detail: Float32, local: Float32, mask: Mask, lags: Sequence[int]) -> Float32:
    """Return the detail's differences between quiet frames, over sqrt(2), (pairs, z, y, x), HU."""
    coarse = local.reshape(len(local), -1)[:, np.flatnonzero(mask)[::_SPARSE]]
    pairs = []
    for lag in lags:
        change = ((coarse[lag:] - coarse[:-lag]) ** 2).mean(axis=1)
        quiet = np.argsort(change, kind="stable")[: max(1, round(_QUIET_SHARE * len(change)))]
        pairs += [(first, first + lag) for first in sorted(quiet)]
    scale = np.float32(math.sqrt(0.5))
    return np.stack([(detail[second] - detail[first]) * scale for first, second in pairs])


def mean_square(images: Float32) -> Float32:
    """Return the mean square over images (n, z, y, x), (z, y, x)."""
    return np.asarray(np.einsum("nzyx,nzyx->zyx", images, images) / np.float32(len(images)), dtype=np.float32)


def steady_part(detail: Float32, mask: Mask) -> Mask:
    """Return the mask without voxels that change far more than others: at edges that move, in vessels."""
    power = mean_square(detail)
    return mask & (power <= _UNSTEADY * np.median(power[mask]))


def covariance_of(images: Float32, mask: Mask, reach: int) -> Array:
    """Return the mean product of values in the mask by their offset in y and x, each -reach to reach, HU^2."""
    shape = tuple(fft.next_fast_len(n + reach, real=True) for n in mask.shape[1:])

    def sums(stack: Array) -> Array:
        half = fft.rfft2(stack, s=shape)
        return np.asarray(np.sum(half.real**2 + half.imag**2, axis=0, dtype=np.float64))

    power = np.zeros((shape[0], shape[1] // 2 + 1))
    for image in images:
        power += sums(image * mask)
    offsets = np.arange(-reach, reach + 1)
    at_offsets = np.ix_(offsets, offsets)
    products = fft.irfft2(power, s=shape)[at_offsets]
    counts = np.rint(fft.irfft2(sums(mask.astype(np.float32)), s=shape)[at_offsets]) * len(images)
    if min(counts[reach + 1, reach], counts[reach, reach + 1]) < 1:
        raise DataError("mask: got no two neighbouring voxels; allowed: connected tissue")
    covariance: Array = np.divide(products, counts, out=np.zeros_like(products), where=counts > 0)
    return covariance


def restored(covariance: Array, per_mean: float) -> Array:
    """Return the noise's covariance from its detail's.

    A local mean over n voxels takes ``(2 - triangle(offset)) S / n`` away, S the covariance's sum over all offsets.
    """
    reach = len(covariance) // 2
    triangle = 1 - np.abs(np.arange(-reach, reach + 1)) / _BOX_PX
    lost = per_mean * (2 - np.outer(triangle, triangle))
    core = (slice(reach - CORE_PX, reach + CORE_PX + 1),) * 2
    total = max(0.0, covariance[core].sum() / (1 - lost[core].sum()))
    whole: Array = covariance + total * lost
    return whole
