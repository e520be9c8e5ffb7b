"""Masks of regions of interest, as people drew them: in the canonical axes, or brought to another scan's voxels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

from ctpbench import DataError
from ctpbench.arrays import Mask
from ctpbench_isles.nifti_image import NiftiImage
from ctpbench_isles.orientation import Grid


def read_mask(path: Path, shape: tuple[int, int, int]) -> Mask:
    """Return a mask drawn on a scan of `shape` (z, y, x): bool, where its values are above one half.

    Raises
    ------
    DataError
        Where the file cannot be read or has other voxels; names it.
    """
    stored, grid = _stored(path)
    if grid.canonical_shape != shape:
        raise DataError(f"{path}: got a mask of {grid.canonical_shape} voxels (z, y, x); allowed: {shape}, the scan's")
    return np.ascontiguousarray(grid.to_canonical(stored))


def resampled_mask(path: Path, grid: Grid) -> Mask:
    """Return a mask drawn on other voxels at those of `grid`, (z, y, x), bool: the nearest voxel's, by the affines.

    Raises
    ------
    DataError
        Where the file cannot be read; names it.
    """
    stored, own = _stored(path)
    between = np.linalg.inv(own.affine) @ grid.affine
    moved = ndimage.affine_transform(
        stored.astype(np.uint8),
        between[:3, :3],
        between[:3, 3],
        output_shape=grid.shape,
        order=0,
        mode="grid-constant",  # "constant" cuts the outer half of the outer voxels
    )
    return np.ascontiguousarray(grid.to_canonical(moved > 0))


def _stored(path: Path) -> tuple[Mask, Grid]:
    image = NiftiImage(path)
    if image.frames > 1:
        raise DataError(f"{path}: got {image.frames} images; allowed: one, a 3-D mask")
    with image.opened() as file:
        return image.block(file, 0, slice(None)) > 0.5, image.grid
