"""Flat regions of normal white matter, found in the unfiltered frames: the same for whatever method is scored there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ctpbench.arrays import Array, Float32, Mask
from ctpbench.errors import DataError

_RADIUS_MM = 4.5  # of a disc: 64 mm2, about what people draw
_AROUND_MM = 6.0  # radius within which a disc must be flat, so that it keeps away from borders
_DISCS = 3  # at most, in a slice
_SMOOTHING_MM = 1.0  # sigma; more would hide the folds of the cortex
_FLUID_HU = 20.0  # mean over time, between fluid (12) and white matter (32)
_FLAT_SHARE = 0.25  # of all discs of tissue, the flattest: these are mostly white matter
_LEVEL_HU = 3.0  # from the flat discs' median; gray matter's mean over time is 8 HU above white matter's
_SPREAD = 0.3  # of early enhancement about the flat discs' median; gray matter has about 1.8 times white matter's
_LOW = 0.6  # times that median: what lies below is late, poorly perfused or both


def flat_white_matter(
    frames: npt.ArrayLike, tissue: npt.ArrayLike, spacing_mm: Sequence[float], *, exclude: npt.ArrayLike | None = None
) -> Mask:
    """Return up to three flat discs of normal white matter in each slice, of 4.5 mm radius.

    Each voxel's curve is fitted by a constant (its mean over time), the tissue's mean curve and how that changes
    in time, which tells delay; the fits' noise is far below a frame's. Of all discs within the tissue and no
    fluid, the quarter whose mean over time varies least is mostly white matter: its medians are the typical values.
    A disc is normal white matter where its mean over time is within 3 HU and its early enhancement within 30% of
    these, and no disc close by has less than 60%. Discs are taken in the half of the head (left or right of the
    tissue's middle) that has fewer such poor ones, the flattest first.

    Parameters
    ----------
    frames : array, (time, z, y, x), HU
        As the scanner delivered them, unfiltered.
    tissue : array, (z, y, x), bool
        Brain without major vessels.
    spacing_mm : sequence of 3 floats
        Voxel size along (z, y, x) in mm.
    exclude : array, (z, y, x), bool, or None
        Where no disc may lie, such as the infarct core.

    Returns
    -------
    array, (z, y, x), bool
        Empty where there is no such white matter.

    Raises
    ------
    DataError
        Where the shapes do not fit or the voxel size is not positive.

    Examples
    --------
    In white matter alone three discs of 64 mm2 are found.

    >>> import numpy as np
    >>> from ctpbench.perfusion import flat_white_matter
    >>> tissue = np.hypot(*(np.mgrid[:48, :48] - 23.5))[np.newaxis] < 20
    >>> bolus = 6 * np.exp(-(((np.arange(40.0) - 18) / 4) ** 2))
    >>> frames = np.where(tissue, 28 + bolus[:, np.newaxis, np.newaxis, np.newaxis], -1000)
    >>> print(flat_white_matter(frames, tissue, (5.0, 1.5, 1.5)).sum() * 1.5**2, "mm2")
    195.75 mm2

    Source: Wu, Ren, Li, section V-C: there the regions were drawn by hand.
    """
    series, brain, barred = _checked(frames, tissue, spacing_mm, exclude)
    found = np.zeros(brain.shape, dtype=bool)
    pixel_mm = (float(spacing_mm[1]), float(spacing_mm[2]))
    fits = _inside(brain, pixel_mm)
    if not fits.any():
        return found
    mean_hu, early = _fitted(series, brain)
    disc, around = _disc(_RADIUS_MM, pixel_mm), _disc(_AROUND_MM, pixel_mm)
    level_hu, flow = _disc_mean(mean_hu, disc), _disc_mean(early, disc)
    solid = fits & (level_hu > _FLUID_HU)
    if not solid.any():
        return found

    unevenness = _variance(mean_hu, around, pixel_mm)
    flat = solid & (unevenness <= np.quantile(unevenness[solid], _FLAT_SHARE))
    half = _healthier_half(solid, flow < _LOW * np.median(flow[flat]), brain)
    flat &= half & _inside(brain & ~barred, pixel_mm)
    if not flat.any():
        return found
    usual_hu, usual_flow = np.median(level_hu[flat]), np.median(flow[flat])
    poor = ndimage.maximum_filter(solid & (flow < _LOW * usual_flow), footprint=around[np.newaxis])
    normal = flat & ~poor & (np.abs(level_hu - usual_hu) <= _LEVEL_HU)
    normal &= np.abs(flow - usual_flow) <= _SPREAD * usual_flow
    for mask, candidates, image in zip(found, normal, unevenness, strict=True):
        _place_discs(mask, candidates, image, disc)
    return found


def _checked(
    frames: npt.ArrayLike, tissue: npt.ArrayLike, spacing_mm: Sequence[float], exclude: npt.ArrayLike | None
) -> tuple[Array, Mask, Mask]:
    """Return the series, the tissue and where no disc may lie."""
    series, brain = np.asarray(frames), np.asarray(tissue, dtype=bool)
    if series.ndim != 4 or len(series) < 3:
        raise DataError(f"frames: got shape {series.shape}; allowed: 4 axes (time, z, y, x), 3 frames or more")
    if len(spacing_mm) != 3 or not all(0 < step < np.inf for step in spacing_mm):
        raise DataError(f"spacing_mm: got {tuple(spacing_mm)}; allowed: 3 sizes (z, y, x) above 0 mm")
    barred = np.zeros(brain.shape, dtype=bool) if exclude is None else np.asarray(exclude, dtype=bool)
    for name, mask in (("tissue", brain), ("exclude", barred)):
        if mask.shape != series.shape[1:]:
            raise DataError(f"{name}: got shape {mask.shape}; allowed: {series.shape[1:]}, the frames' (z, y, x)")
    return series, brain, barred


def _inside(allowed: Mask, pixel_mm: tuple[float, float]) -> Mask:
    """Where a disc about the pixel lies within the allowed pixels of its slice and of the image."""
    margins = np.pad(allowed, ((0, 0), (1, 1), (1, 1)))
    far = [ndimage.distance_transform_edt(image, sampling=pixel_mm) > _RADIUS_MM for image in margins]
    return np.stack(far)[:, 1:-1, 1:-1]


def _fitted(series: Array, tissue: Mask) -> tuple[Float32, Float32]:
    """Return mean HU and early enhancement (of any unit), (z, y, x), 0 outside the tissue."""
    curve = series[:, tissue].mean(axis=1, dtype=np.float64)
    shapes = np.stack([curve, np.gradient(curve)])
    shapes -= shapes.mean(axis=1, keepdims=True)
    shapes /= np.maximum(np.linalg.norm(shapes, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    constant, along, change = np.linalg.pinv(np.vstack([np.ones_like(curve), shapes]).T)
    # A curve d late is g(t - d), about g - d g': with both of unit norm, g and -g' count alike.
    weights = np.stack([constant, along + change]).astype(np.float32)
    level, early = np.where(tissue, np.tensordot(weights, series, axes=1), np.float32(0))
    return level, early


def _healthier_half(solid: Mask, poor: Mask, tissue: Mask) -> Mask:
    """Return the half of the head, (x), bool, where the smaller share of the discs is poor; all where one has none."""
    columns = np.flatnonzero(tissue.any(axis=(0, 1)))
    place = np.arange(tissue.shape[2])
    middle = (columns[0] + columns[-1]) / 2
    halves = [place < middle, place > middle]
    discs = [poor[solid & half] for half in halves]
    if not all(part.size for part in discs):
        return np.ones(place.size, dtype=bool)
    healthier = halves[int(np.argmin([part.mean() for part in discs]))]
    return np.asarray(healthier, dtype=bool)


def _variance(image: Float32, area: Mask, pixel_mm: tuple[float, float]) -> Float32:
    """Return the variance of the smoothed image over the area about each pixel."""
    smooth = ndimage.gaussian_filter(image, (0.0, *(_SMOOTHING_MM / step for step in pixel_mm)))
    return _disc_mean(smooth**2, area) - _disc_mean(smooth, area) ** 2


def _disc(radius_mm: float, pixel_mm: tuple[float, float]) -> Mask:
    """Return the pixels within the radius of the middle one, (y, x)."""
    along = [step * np.arange(-int(radius_mm / step), int(radius_mm / step) + 1) for step in pixel_mm]
    return np.asarray(np.hypot(along[0][:, np.newaxis], along[1]) <= radius_mm, dtype=bool)


def _disc_mean(image: Float32, disc: Mask) -> Float32:
    """Return the mean over the disc about each pixel, slice by slice."""
    weights = (disc / disc.sum()).astype(np.float32)[np.newaxis]
    mean: Float32 = ndimage.convolve(image, weights, mode="constant")
    return mean


def _place_discs(mask: Mask, candidates: Mask, unevenness: Float32, disc: Mask) -> None:
    """Mark in a slice the flattest discs about the candidates, none overlapping another."""
    reach = disc.shape[0] // 2, disc.shape[1] // 2
    free = candidates.copy()
    for _ in range(_DISCS):
        if not free.any():
            return
        y, x = np.unravel_index(np.argmin(np.where(free, unevenness, np.inf)), free.shape)
        mask[y - reach[0] : y + reach[0] + 1, x - reach[1] : x + reach[1] + 1] |= disc
        # Centres two radii apart: the box about the disc, which is simpler, also keeps the discs apart.
        free[max(y - 2 * reach[0], 0) : y + 2 * reach[0] + 1, max(x - 2 * reach[1], 0) : x + 2 * reach[1] + 1] = False
