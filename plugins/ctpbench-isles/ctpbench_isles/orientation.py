"""Which way a stored image lies in the patient, and how to turn it to the axes of `ctpbench.Series` and back.

Affines lead from voxel indices (i, j, k) to mm in the patient, "RAS": x to the right, y to the front (anterior), z to
the head (superior). The house's axes are z to the head, y to the back, x to the left.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from ctpbench import DataError

Affine = npt.NDArray[np.float64]

# Rows of an affine (right, front, head) in the order of the house's axes, and whether these point the other way.
_HOUSE = ((2, 1.0), (1, -1.0), (0, -1.0))


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

    affine: Affine
    shape: tuple[int, int, int]

    def __post_init__(self) -> None:
        matrix = np.asarray(self.affine, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or np.linalg.det(matrix[:3, :3]) == 0:
            raise DataError(f"affine: got {matrix.tolist()}; allowed: a finite, invertible 4 x 4 matrix")
        object.__setattr__(self, "affine", matrix)

    @cached_property
    def axes(self) -> tuple[int, int, int]:
        """The stored axis that lies along each of the house's axes (z, y, x)."""
        z, y, x = (self._axis(row) for row, _ in _HOUSE)
        return z, y, x

    @cached_property
    def flips(self) -> tuple[bool, bool, bool]:
        """Whether the stored axis runs against the house's axis, for (z, y, x)."""
        z, y, x = (self._orientation[self._axis(row), 1] * sign < 0 for row, sign in _HOUSE)
        return bool(z), bool(y), bool(x)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size along (z, y, x)."""
        sizes = np.linalg.norm(self.affine[:3, :3], axis=0)
        z, y, x = (float(sizes[axis]) for axis in self.axes)
        return z, y, x

    @property
    def house_shape(self) -> tuple[int, int, int]:
        """Number of voxels along (z, y, x)."""
        z, y, x = (self.shape[axis] for axis in self.axes)
        return z, y, x

    def to_house(self, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a view of an array (i, j, k) as (z, y, x)."""
        return np.flip(stored.transpose(self.axes), [axis for axis, flip in enumerate(self.flips) if flip])

    def to_stored(self, house: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a view of an array (z, y, x) as (i, j, k)."""
        turned = np.flip(house, [axis for axis, flip in enumerate(self.flips) if flip])
        return turned.transpose(np.argsort(self.axes))

    def stored_slices(self, slices: slice) -> slice:
        """Return which stored slices the house's slices (by z, step 1) are, in stored order."""
        start, stop, _ = slices.indices(self.house_shape[0])
        if self.flips[0]:
            start, stop = self.house_shape[0] - stop, self.house_shape[0] - start
        return slice(start, stop)

    @cached_property
    def _orientation(self) -> npt.NDArray[np.float64]:
        """nibabel's: for each stored axis, the affine's row it lies closest to and whether it points that way."""
        return np.asarray(nib.orientations.io_orientation(self.affine))

    def _axis(self, row: int) -> int:
        return int(np.flatnonzero(self._orientation[:, 0] == row)[0])
