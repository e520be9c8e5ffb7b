"""A scan in thicker slices and larger pixels: what its arteries, its veins and its motion are looked for in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float32, Index, Mask
from ctpbench.contract.series import Series
from ctpbench.errors import DataError
from ctpbench.perfusion.aif import InputFunctions, Method, find_input_functions
from ctpbench.perfusion.alignment import aligned, farthest_mm, poses
from ctpbench.perfusion.concentration import subtract_baseline

_THICK_MM, _COARSE_MM = 4.0, 0.6  # arteries are looked for in slices of at least this, in pixels of at least that
AROUND_MM = 1.5
"""Radius about a voxel that is named as an artery's, whose mean is taken."""
_MOVED_MM = 0.5  # a head that moved less is left as it lies


Place = tuple[int, int, int]
"""Index (z, y, x) of a voxel of the scan."""


class Overview:
    """The scan in thicker slices and larger pixels, which noise, time and memory gain from."""

    def __init__(self, series: Series, frames: int) -> None:
        depth, rows, columns = series.shape[1:]
        thick = 1 if series.spacing_mm[0] >= _THICK_MM / 2 else round(_THICK_MM / series.spacing_mm[0])
        coarse = 2 if series.spacing_mm[1] < _COARSE_MM and rows >= 256 and columns >= 256 else 1
        self.grouping = (min(thick, depth), coarse, coarse)
        sizes = (-(-depth // self.grouping[0]), rows // coarse, columns // coarse)
        self.spacing_mm = tuple(step * n for step, n in zip(series.spacing_mm, self.grouping, strict=True))
        self.frames = np.zeros((frames, *sizes), np.float32)
        self.brain = np.zeros(sizes, bool)

    def add(self, first: int, frames: Float32, brain: Mask) -> None:
        thick, coarse, _ = self.grouping
        rows, columns = (coarse * n for n in self.brain.shape[1:])
        for start in range(0, frames.shape[1], thick):
            group = slice(start, start + thick)
            z = (first + start) // thick
            self.frames[:, z] = _coarser(frames[:, group, :rows, :columns].mean(axis=1), coarse)
            self.brain[z] = _coarser(brain[group, :rows, :columns].mean(axis=0), coarse) > 0.5

    def input_functions(
        self, dt_s: float, method: Method, partial_volume: bool, at: Sequence[Place] = ()
    ) -> tuple[InputFunctions | None, str]:
        """Return the input functions; where there is no artery, None and why."""
        try:
            found = find_input_functions(
                subtract_baseline(self._still()),
                self.brain,
                self.spacing_mm,
                dt_s,
                method=method,
                partial_volume=partial_volume,
                at=self._around(at) if at else None,
            )
        except DataError as error:
            return None, str(error)
        return found, ""

    def _around(self, at: Sequence[Place]) -> Index:
        """Return the voxels whose middles lie near the scan's voxels', in their slices."""
        place = (np.array(at) + 0.5) / self.grouping - 0.5
        z, y, x = np.indices(self.brain.shape)
        near = np.zeros(self.brain.shape, bool)
        for slice_, row, column in place:
            away_mm = np.hypot((y - row) * self.spacing_mm[1], (x - column) * self.spacing_mm[2])
            near |= (z == int(slice_ + 0.5)) & (away_mm <= AROUND_MM)
        sizes = np.array(self.brain.shape) - 1
        near[*np.minimum(np.array(at) // self.grouping, sizes).T] = True
        return np.argwhere(near)

    def _still(self) -> Float32:
        """Return the frames with the head where it lay first: bone that moves past a voxel outdoes any artery."""
        pixel_mm = self.spacing_mm[1:]
        where = poses(self.slice_with_most_brain(), pixel_mm)
        return aligned(self.frames, where, pixel_mm) if farthest_mm(where) > _MOVED_MM else self.frames

    def slice_with_most_brain(self) -> Float32:
        return self.frames[:, int(self.brain.sum(axis=(1, 2)).argmax())]

    def peak(self) -> Float32:
        highest: Float32 = self.frames.max(axis=0) - self.frames[:2].mean(axis=0)
        return highest

    def mean_curve(self) -> Float32:
        inside = self.brain if self.brain.any() else np.ones_like(self.brain)
        mean: Float32 = np.stack([frame[inside].mean(dtype=np.float64) for frame in self.frames]).astype(np.float32)
        return subtract_baseline(mean)


def _coarser(images: npt.NDArray[np.floating], factor: int) -> npt.NDArray[np.floating]:
    """Average squares of pixels along the last two axes, whose sizes the factor divides."""
    if factor == 1:
        return images
    *rest, rows, columns = images.shape
    squares = images.reshape(*rest, rows // factor, factor, columns // factor, factor)
    return np.asarray(squares.mean(axis=(-3, -1)))
