"""Brain and vessel masks by thresholds: where maps are computed, and where they are compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ctpbench.arrays import Array, Float32, Mask
from ctpbench.errors import DataError

_CLOSING_MM = (0.0, 3.0, 6.0)  # radii; the last shuts a gap of 9 mm in a skull that is 5 mm thick
_TISSUE_HU = -100.0  # between air and brain, ten times the noise below the latter
_HOLE_MM2 = 20.0  # holes up to this area in the brain are filled: calcifications, flecks of noise


def brain_mask(
    frames: npt.ArrayLike, spacing_mm: Sequence[float], *, bone_hu: float = 120.0, baseline_frames: int = 2
) -> Mask:
    """Return what lies inside the cortical bone, slice by slice.

    Bone is what exceeds `bone_hu` in the mean of the early frames. Inside are the pixels that it encloses,
    once gaps of up to 9 mm are closed; of these the mask keeps the largest connected piece of tissue in each
    slice and fills its small holes. A slice whose bone encloses nothing stays empty.

    Parameters
    ----------
    frames : array, (time, z, y, x), HU
    spacing_mm : sequence of 3 floats
        Voxel size along (z, y, x) in mm.
    bone_hu : float
        Threshold of bone in HU.
    baseline_frames : int
        How many early frames are averaged.

    Returns
    -------
    array, (z, y, x), bool

    Raises
    ------
    DataError
        Where an argument does not fit the series, or no slice has anything inside bone.

    Examples
    --------
    A skull of 3 mm about a brain of 20 mm radius, in air.

    >>> import numpy as np
    >>> from ctpbench.perfusion import brain_mask
    >>> radius_mm = np.hypot(*(np.mgrid[:48, :48] - 23.5))
    >>> slice_hu = np.where(radius_mm < 20, 35, np.where(radius_mm < 23, 1000, -1000))
    >>> mask = brain_mask(np.stack([slice_hu, slice_hu])[:, np.newaxis], (5.0, 1.0, 1.0))
    >>> print(mask.shape, (mask[0] == (radius_mm < 20)).all())
    (1, 48, 48) True

    Source: Wu, Ren, Li, section V-B.
    """
    series = _checked_series(frames)
    if not 1 <= baseline_frames <= len(series):
        raise DataError(f"baseline: got {baseline_frames} early frames; allowed: 1 to {len(series)}")
    if len(spacing_mm) != 3 or not all(0 < step < np.inf for step in spacing_mm):
        raise DataError(f"spacing_mm: got {tuple(spacing_mm)}; allowed: 3 sizes (z, y, x) above 0 mm")
    early = series[:baseline_frames].mean(axis=0, dtype=np.float32)
    pixel_mm = (float(spacing_mm[1]), float(spacing_mm[2]))
    mask = np.stack([_brain_of_slice(image, bone_hu, pixel_mm) for image in early])
    if not mask.any():
        raise DataError(
            f"brain: no slice has tissue enclosed by bone above {bone_hu} HU; "
            "allowed: a head with its skull in the field of view"
        )
    return mask


def vessel_mask(frames: npt.ArrayLike, threshold_hu: float = 100.0, dilate_px: int = 1) -> Mask:
    """Return where a pixel's highest value over time marks a major vessel, widened within its slice.

    Parameters
    ----------
    frames : array, (time, z, y, x), HU
    threshold_hu : float
        Pixels whose maximum over time exceeds this are vessels (or bone: combine with `brain_mask`).
    dilate_px : int
        How many pixels to widen by, 0 or more, along the rows and columns of each slice.

    Returns
    -------
    array, (z, y, x), bool

    Raises
    ------
    DataError
        Where an argument does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from ctpbench.perfusion import vessel_mask
    >>> frames = np.full((3, 1, 3, 4), 40)
    >>> frames[1, 0, 1, 1] = 180
    >>> print(vessel_mask(frames)[0].astype(int))
    [[0 1 0 0]
     [1 1 1 0]
     [0 1 0 0]]

    Source: Wu, Ren, Li, section V-B.
    """
    if dilate_px < 0:
        raise DataError(f"dilate_px: got {dilate_px}; allowed: 0 or more")
    vessels: Mask = _checked_series(frames).max(axis=0) > threshold_hu
    if dilate_px == 0:
        return vessels
    in_plane = ndimage.generate_binary_structure(2, 1)[np.newaxis]
    return ndimage.binary_dilation(vessels, in_plane, iterations=dilate_px)


def _checked_series(frames: npt.ArrayLike) -> Array:
    series = np.asarray(frames)
    if series.ndim != 4 or not series.size:
        raise DataError(f"frames: got shape {series.shape}; allowed: 4 axes (time, z, y, x), none empty")
    return series


def _brain_of_slice(image: Float32, bone_hu: float, pixel_mm: tuple[float, float]) -> Mask:
    bone = image > bone_hu
    if not bone.any():
        return bone
    brain = _largest_piece(_enclosed(bone, pixel_mm) & ~bone & (image > _TISSUE_HU))
    holes = ndimage.binary_fill_holes(brain) & ~brain
    pieces, _ = ndimage.label(holes)
    small = np.bincount(pieces.ravel()) * pixel_mm[0] * pixel_mm[1] <= _HOLE_MM2
    return brain | (holes & small[pieces])


def _enclosed(bone: Mask, pixel_mm: tuple[float, float]) -> Mask:
    """Return what bone encloses after closing by any of the radii.

    A small radius keeps the corners of an intact skull's cavity, a large one shuts a gap; as a larger closing
    of an intact skull only takes corners away, their union is right for both.
    """
    # With a margin no dilation meets the border, which would count as a wall.
    margin = 1 + int(max(_CLOSING_MM) / min(pixel_mm))
    padded = np.pad(bone, margin)
    to_bone_mm = ndimage.distance_transform_edt(~padded, sampling=pixel_mm)
    inside = np.zeros_like(padded)
    for radius_mm in _CLOSING_MM:
        dilated = to_bone_mm <= radius_mm
        closed = ndimage.distance_transform_edt(dilated, sampling=pixel_mm) > radius_mm
        inside |= ndimage.binary_fill_holes(closed) & ~closed
    return inside[margin:-margin, margin:-margin]


def _largest_piece(mask: Mask) -> Mask:
    pieces, count = ndimage.label(mask)
    if count == 0:
        return mask
    largest: Mask = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    return largest
