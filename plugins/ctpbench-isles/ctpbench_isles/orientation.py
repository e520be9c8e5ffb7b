"""Which way a stored image lies in the patient, and how to turn it to the canonical axes and back.

Affines lead from voxel indices (i, j, k) to mm in the patient, "RAS": x to the right, y to the front (anterior), z to
the head (superior). The canonical axes, those of `ctpbench.Series`, are z to the head, y to the back, x to the left.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import nibabel as nib
import numpy as np

from ctpbench import DataError
from ctpbench.arrays import Array, Float64

# Rows of an affine (right, front, head) in the order of the canonical axes, and whether these point the other way.
_CANONICAL = ((2, 1.0), (1, -1.0), (0, -1.0))


_FLAT = 1e-6  # of the product of an affine's three steps: its volume, where no two of them are nearly one


def is_invertible(affine: Float64) -> bool:
    """Return whether an affine, (4, 4), is finite and its three axes span the space."""
    steps = affine[:3, :3]
    if not np.isfinite(affine).all():
        return False
    with np.errstate(over="ignore", under="ignore"):
        sizes = np.linalg.norm(steps, axis=0)
        return bool((sizes > 0).all() and np.isfinite(sizes).all() and abs(np.linalg.det(steps / sizes)) > _FLAT)


@dataclass(frozen=True, eq=False)
class Grid:
    """The voxels of a stored image: how many, and where they lie.

    Oblique images are turned to the closest axes, never interpolated.

    Parameters
    ----------
    affine : array, (4, 4)
        From stored indices (i, j, k) to mm, RAS.
    shape : tuple of 3 ints
        Number of voxels along i, j and k.

    Raises
    ------
    DataError
        Where the affine is singular or not finite.
    """

    affine: Float64
    shape: tuple[int, int, int]

    def __post_init__(self) -> None:
        matrix = np.asarray(self.affine, dtype=np.float64)
        if matrix.shape != (4, 4) or not is_invertible(matrix):
            raise DataError(f"affine: got {matrix.tolist()}; allowed: a finite, invertible 4 x 4 matrix")
        object.__setattr__(self, "affine", matrix)

    @cached_property
    def axes(self) -> tuple[int, int, int]:
        """The stored axis that lies along each of the canonical axes (z, y, x)."""
        z, y, x = (self._axis(row) for row, _ in _CANONICAL)
        return z, y, x

    @cached_property
    def flips(self) -> tuple[bool, bool, bool]:
        """Whether the stored axis runs against the canonical axis, for (z, y, x)."""
        z, y, x = (self._orientation[self._axis(row), 1] * sign < 0 for row, sign in _CANONICAL)
        return bool(z), bool(y), bool(x)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size along (z, y, x)."""
        sizes = np.linalg.norm(self.affine[:3, :3], axis=0)
        z, y, x = (float(sizes[axis]) for axis in self.axes)
        return z, y, x

    @property
    def canonical_shape(self) -> tuple[int, int, int]:
        """Number of voxels along (z, y, x)."""
        z, y, x = (self.shape[axis] for axis in self.axes)
        return z, y, x

    def to_canonical(self, stored: Array) -> Array:
        """Return a view of an array (i, j, k) as (z, y, x)."""
        return np.flip(stored.transpose(self.axes), [axis for axis, flip in enumerate(self.flips) if flip])

    def to_stored(self, canonical: Array) -> Array:
        """Return a view of an array (z, y, x) as (i, j, k)."""
        turned = np.flip(canonical, [axis for axis, flip in enumerate(self.flips) if flip])
        return turned.transpose(np.argsort(self.axes))

    def stored_slices(self, slices: slice) -> slice:
        """Return which stored slices some slices along the canonical z (step 1) are, in stored order."""
        start, stop, _ = slices.indices(self.canonical_shape[0])
        if self.flips[0]:
            start, stop = self.canonical_shape[0] - stop, self.canonical_shape[0] - start
        return slice(start, stop)

    @cached_property
    def _orientation(self) -> Float64:
        """nibabel's: for each stored axis, the affine's row it lies closest to and whether it points that way."""
        return np.asarray(nib.orientations.io_orientation(self.affine))

    def _axis(self, row: int) -> int:
        return int(np.flatnonzero(self._orientation[:, 0] == row)[0])
