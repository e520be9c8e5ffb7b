"""Writes scans and masks as NIfTI files the way scanners and challenges do: in any orientation, type and shape."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

from ctpbench_isles.orientation import Grid

# Of the canonical axes reversed, (x, y, z): to the left, to the back, to the head.
LPS = (("L", "R"), ("P", "A"), ("S", "I"))
ORIENTATIONS = [
    tuple(axis[side] for axis, side in zip(order, sides, strict=True))
    for order in permutations(LPS)
    for sides in product((0, 1), repeat=3)
]
DICOM_ORDER = ("L", "P", "S")


def affine_of(codes: tuple[str, ...], shape_zyx: tuple[int, ...], spacing_zyx: tuple[float, ...]) -> npt.NDArray:
    """Return an affine, RAS, of an image stored along `codes`; its first canonical voxel lies at one place."""
    along = {"L": (2, 0, -1), "R": (2, 0, 1), "P": (1, 1, -1), "A": (1, 1, 1), "S": (0, 2, 1), "I": (0, 2, -1)}
    affine = np.eye(4)
    corner = np.array([80.0, 95.0, 12.0])  # right, front, head of canonical voxel (0, 0, 0)
    for stored, code in enumerate(codes):
        canonical, world, sign = along[code]
        affine[:3, stored] = 0.0
        affine[world, stored] = sign * spacing_zyx[canonical]
        if code in "RAI":  # stored against the canonical axis: the first stored voxel is the canonical axis' last
            corner = corner - affine[:3, stored] * (shape_zyx[canonical] - 1)
    affine[:3, 3] = corner
    return affine


def stored_in(codes: tuple[str, ...], canonical: npt.NDArray) -> npt.NDArray:
    """Return an array (..., z, y, x) stored along `codes`, (i, j, k, ...): by hand, not as `Grid` does it."""
    axes = {"L": (-1, 1), "R": (-1, -1), "P": (-2, 1), "A": (-2, -1), "S": (-3, 1), "I": (-3, -1)}
    turned = canonical
    for code in codes:
        axis, step = axes[code]
        turned = np.flip(turned, axis) if step < 0 else turned
    rest = list(range(canonical.ndim - 3))
    return turned.transpose([canonical.ndim + axes[code][0] for code in codes] + rest)


def write_scan(
    path: Path,
    frames: npt.NDArray,
    spacing_mm: tuple[float, ...],
    *,
    codes: tuple[str, ...] = ("R", "A", "S"),
    dtype: npt.DTypeLike = np.int16,
    interval: float = 1.0,
    units: str = "sec",
    slope: float = 1.0,
    intercept: float = 0.0,
    shape: tuple[int, ...] | None = None,
    version: int = 1,
    big_endian: bool = False,
) -> Path:
    """Write a series (time, z, y, x), HU, and return where."""
    stored = stored_in(codes, frames)
    header = (nib.Nifti1Header if version == 1 else nib.Nifti2Header)(endianness=">" if big_endian else "<")
    kind = nib.Nifti1Image if version == 1 else nib.Nifti2Image
    values = ((stored - intercept) / slope).astype(dtype)
    affine = affine_of(codes, frames.shape[1:], spacing_mm)
    image = kind(values if shape is None else values.reshape(shape, order="F"), affine, header)
    image.header.set_data_dtype(dtype)
    image.header.set_slope_inter(slope, intercept)
    image.header.set_xyzt_units("mm", units)
    image.header["pixdim"][4] = interval
    path.parent.mkdir(parents=True, exist_ok=True)
    image.to_filename(path)
    patch_scaling(path, image.header, slope, intercept)
    return path


def patch_scaling(path: Path, header: nib.Nifti1Header, slope: float, intercept: float) -> None:
    """Put slope and intercept in a written header: nibabel writes its own and leaves the values as they are."""
    if path.suffix == ".gz" or (slope, intercept) == (1.0, 0.0):
        return
    data = bytearray(path.read_bytes())
    kind = type(header)
    written = kind(bytes(data[: kind.sizeof_hdr]))
    written["scl_slope"], written["scl_inter"] = slope, intercept
    data[: kind.sizeof_hdr] = written.binaryblock
    path.write_bytes(data)


def write_mask(
    path: Path, mask: npt.NDArray, spacing_mm: tuple[float, ...], codes: tuple[str, ...] = ("R", "A", "S")
) -> Path:
    """Write a mask (z, y, x) and return where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = stored_in(codes, mask.astype(np.uint8))
    nib.Nifti1Image(stored, affine_of(codes, mask.shape, spacing_mm)).to_filename(path)
    return path


def grid_of(codes: tuple[str, ...], shape_zyx: tuple[int, int, int], spacing_zyx: tuple[float, ...]) -> Grid:
    """Return the grid of an image stored along `codes`."""
    shape = stored_in(codes, np.empty(shape_zyx)).shape
    return Grid(affine_of(codes, shape_zyx, spacing_zyx), (shape[0], shape[1], shape[2]))
