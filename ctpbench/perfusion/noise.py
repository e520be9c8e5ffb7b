"""The noise of a scan: how much, how correlated in time and space, and more of it as a scan of lower dose has.

A scan shows its own noise where its frames differ while nothing else changes. `x(t + k) - x(t)` has the variance
``2 sd^2 (1 - rho_k)``; contrast adds to it. So each frame is split into its local mean, which carries most of the
bolus and little noise, and the detail left over; only pairs of frames are used between which the local means hardly
change; and the noise that went with the local mean is put back from the noise's own covariance. Filters of scanners
reach two or three frames in time: noise three to five frames apart counts as independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from ctpbench.errors import DataError

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_FAR_LAGS = (3, 4, 5)  # frames this far apart have independent noise
_QUIET_SHARE = 1 / 3  # of all pairs: before and after the bolus there are that many in any usable scan
_BOX_PX = 31  # of the local mean: far beyond the reach of CT noise, narrower than a hemisphere
_SPARSE = 16  # local means are smooth: every 16th voxel tells how they change
_UNSTEADY = 9.0  # times the usual variance over all frames: an edge that moves or a vessel, not noise
_CORE_PX = 6  # offsets up to which noise holds nearly all of its covariance
_REACH_PX = 16  # up to which it has some: filtered backprojection's tails, weak but wide
_LEVEL_PX = 6.0  # sd of the Gaussian that smooths the map of the noise's level
_SOFT_HU = (-150.0, 150.0)  # neither air nor bone, whose edges flicker
_LEAST_FRAMES, _LEAST_VOXELS, _LEAST_IN_BOX = 8, 300, 300


@dataclass(frozen=True)
class NoiseStatistics:
    """What the noise of a scan is like.

    Attributes
    ----------
    sd_hu : float
        Standard deviation of one voxel of one frame, HU.
    corr_time : float
        Correlation of the noise of neighbouring frames: 0 as scanned, above where a scan was filtered in time.
    corr_rows, corr_columns : float
        Of neighbouring voxels along y, and along x.
    corr_slices : float
        Along z; NaN where no two neighbouring slices share tissue.
    """

    sd_hu: float
    corr_time: float
    corr_rows: float
    corr_columns: float
    corr_slices: float


def noise_statistics(frames: npt.ArrayLike, tissue: npt.ArrayLike) -> NoiseStatistics:
    """Estimate the noise of a scan from the scan alone, whatever bolus and anatomy it shows.

    Parameters
    ----------
    frames : array, (time, z, y, x), HU
        Eight frames or more. A third of the pairs of frames up to 5 apart must see no bolus come or go.
    tissue : array, (z, y, x), bool
        Brain without vessels.

    Returns
    -------
    NoiseStatistics
        Of a scan whose noise is correlated over three frames or more both `sd_hu` and `corr_time` are too low.

    Raises
    ------
    DataError
        Where a shape does not fit, a value is not finite, there is too little tissue or no noise.
    """
    series, mask = _checked(frames, tissue, "tissue")
    mask = _dense(mask, "tissue")
    box = ndimage.find_objects(mask.astype(np.int8))[0]
    series, mask = series[:, *box], mask[box]
    detail, local, per_mean = _split(series, mask)
    far = _differences(detail, local, mask, _FAR_LAGS)
    steady = _steady(detail, mask)
    near = _differences(detail, local, mask, (1,))
    covariance = _restored(_covariance(far, steady, _CORE_PX), per_mean)
    variance, along_y, along_x = (covariance[_CORE_PX + dy, _CORE_PX + dx] for dy, dx in ((0, 0), (1, 0), (0, 1)))
    if not variance > 0:
        raise DataError("frames: got no change from frame to frame in the tissue; allowed: a scan with noise")
    return NoiseStatistics(
        sd_hu=math.sqrt(variance),
        corr_time=float(1 - _mean_square(near)[steady].mean() / _mean_square(far)[steady].mean()),
        corr_rows=float(along_y / variance),
        corr_columns=float(along_x / variance),
        corr_slices=_correlation_of_slices(far, steady),
    )


def combine(parts: Sequence[tuple[NoiseStatistics, int]]) -> NoiseStatistics:
    """Return the noise of a whole scan from that of its slabs: variances and covariances are averaged.

    Parameters
    ----------
    parts : sequence of (NoiseStatistics, int)
        Each slab's, with the number of its voxels.

    Returns
    -------
    NoiseStatistics

    Raises
    ------
    DataError
        Where there is no slab, or one without voxels.
    """
    voxels = [count for _, count in parts]
    if not parts or min(voxels) < 1:
        raise DataError(f"noise: got slabs of {voxels} voxels; allowed: one slab or more, each of 1 voxel or more")
    power = np.array([part.sd_hu**2 * count for part, count in parts])

    def pooled(name: str) -> float:
        values = np.array([getattr(part, name) for part, _ in parts])
        known = ~np.isnan(values)
        return float(np.average(values[known], weights=power[known])) if known.any() else math.nan

    correlations = {name: pooled(name) for name in ("corr_time", "corr_rows", "corr_columns", "corr_slices")}
    return NoiseStatistics(sd_hu=math.sqrt(power.sum() / sum(voxels)), **correlations)


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

    Source: Yu et al. 2012, J Comput Assist Tomogr 36:477 (variance of inserted noise); spectrum by Blackman and Tukey.
    """
    if not 0 < dose_fraction <= 1:
        raise DataError(f"dose_fraction: got {dose_fraction}; allowed: above 0, up to 1, such as 0.25")
    series, inside = _checked(frames, head, "head")
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
    soft = _dense(head & (mean > _SOFT_HU[0]) & (mean < _SOFT_HU[1]), "head, soft tissue")
    detail, local, per_mean = _split(series, soft)
    differences = _differences(detail, local, soft, _FAR_LAGS)
    variance = _mean_square(differences)
    steady = _steady(detail, soft)
    known = _smooth(steady.astype(np.float32))
    # Where no soft tissue is near, the whole scan's level stands in.
    level = (_smooth(variance * steady) + 1e-3 * variance[steady].mean()) / (known + 1e-3)
    differences /= np.sqrt(np.maximum(level, np.finfo(np.float32).tiny))
    covariance = _restored(_covariance(differences, steady, _REACH_PX), per_mean)
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


def _checked(frames: npt.ArrayLike, mask: npt.ArrayLike, name: str) -> tuple[Array, Mask]:
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


def _dense(mask: Mask, name: str) -> Mask:
    """Return the voxels of a mask whose local means are means of enough."""
    dense = mask & (_box_mean(mask.astype(np.float32)) * _BOX_PX**2 > _LEAST_IN_BOX - 0.5)
    if np.count_nonzero(dense) < _LEAST_VOXELS:
        raise DataError(
            f"{name}: got {np.count_nonzero(dense)} voxels among {_LEAST_IN_BOX} or more of their kind within "
            f"{_BOX_PX} x {_BOX_PX} px of a slice; allowed: {_LEAST_VOXELS} or more"
        )
    return dense


def _box_mean(values: Float32) -> Float32:
    size = (1,) * (values.ndim - 2) + (_BOX_PX, _BOX_PX)
    return np.asarray(ndimage.uniform_filter(values, size, mode="constant"), dtype=np.float32)


def _split(series: Array, mask: Mask) -> tuple[Float32, Float32, float]:
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


def _differences(detail: Float32, local: Float32, mask: Mask, lags: Sequence[int]) -> Float32:
    """Return the detail's differences between quiet frames, over sqrt(2), (pairs, z, y, x), HU."""
    coarse = local.reshape(len(local), -1)[:, np.flatnonzero(mask)[::_SPARSE]]
    pairs = []
    for lag in lags:
        change = ((coarse[lag:] - coarse[:-lag]) ** 2).mean(axis=1)
        quiet = np.argsort(change, kind="stable")[: max(1, round(_QUIET_SHARE * len(change)))]
        pairs += [(first, first + lag) for first in sorted(quiet)]
    scale = np.float32(math.sqrt(0.5))
    return np.stack([(detail[second] - detail[first]) * scale for first, second in pairs])


def _mean_square(images: Float32) -> Float32:
    return np.asarray(np.einsum("nzyx,nzyx->zyx", images, images) / np.float32(len(images)), dtype=np.float32)


def _steady(detail: Float32, mask: Mask) -> Mask:
    """Return the mask without voxels that change far more than others: at edges that move, in vessels."""
    power = _mean_square(detail)
    return mask & (power <= _UNSTEADY * np.median(power[mask]))


def _covariance(images: Float32, mask: Mask, reach: int) -> Array:
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


def _restored(covariance: Array, per_mean: float) -> Array:
    """Return the noise's covariance from its detail's.

    A local mean over n voxels takes ``(2 - triangle(offset)) S / n`` away, S the covariance's sum over all offsets.
    """
    reach = len(covariance) // 2
    triangle = 1 - np.abs(np.arange(-reach, reach + 1)) / _BOX_PX
    lost = per_mean * (2 - np.outer(triangle, triangle))
    core = (slice(reach - _CORE_PX, reach + _CORE_PX + 1),) * 2
    total = max(0.0, covariance[core].sum() / (1 - lost[core].sum()))
    restored: Array = covariance + total * lost
    return restored


def _correlation_of_slices(differences: Float32, mask: Mask) -> float:
    both = mask[:-1] & mask[1:]
    if not both.any():
        return math.nan
    lower, upper = differences[:, :-1][:, both], differences[:, 1:][:, both]
    return float(2 * (lower * upper).mean() / ((lower**2).mean() + (upper**2).mean()))


def _smooth(values: Float32) -> Float32:
    return np.asarray(ndimage.gaussian_filter(values, (0, _LEVEL_PX, _LEVEL_PX), mode="constant"))
