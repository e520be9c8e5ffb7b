"""A scan in thicker slices and larger pixels: what its arteries, its veins and its motion are looked for in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float32, Float64, Index, Mask
from ctpbench.contract.series import Series
from ctpbench.errors import DataError
from ctpbench.perfusion.aif import InputFunctions, Method, Vessel, input_functions_of
from ctpbench.perfusion.alignment import aligned, farthest_mm, poses
from ctpbench.perfusion.concentration import subtract_baseline
from ctpbench.scans import spool

_THICK_MM, _COARSE_MM = 4.0, 0.6  # arteries are looked for in slices of at least this, in pixels of at least that
AROUND_MM = 1.5
"""Radius about a voxel that is named as an artery's, whose mean is taken."""
_MOVED_MM = 0.5  # a head that moved less is left as it lies
_MARGIN = 8  # pixels about the brain: further than what smooths the search for arteries reaches

Place = tuple[int, int, int]
"""Index (z, y, x) of a voxel of the scan."""
_Box = tuple[slice, slice]


class Overview:
    """The scan in thicker slices and larger pixels, which noise, time and memory gain from.

    Of each slice the frames are put aside where brain is; of slices without brain, as long as none was found, all.

    Attributes
    ----------
    grouping : tuple of 3 ints
        How many slices, rows and columns of the scan make one here.
    spacing_mm : tuple of 3 floats
    brain : ndarray, (z, y, x), bool
    """

    def __init__(self, series: Series, frames: int) -> None:
        depth, rows, columns = series.shape[1:]
        thick = 1 if series.spacing_mm[0] >= _THICK_MM / 2 else round(_THICK_MM / series.spacing_mm[0])
        coarse = 2 if series.spacing_mm[1] < _COARSE_MM and rows >= 256 and columns >= 256 else 1
        self.grouping = (min(thick, depth), coarse, coarse)
        sizes = (-(-depth // self.grouping[0]), rows // coarse, columns // coarse)
        self.spacing_mm = tuple(step * n for step, n in zip(series.spacing_mm, self.grouping, strict=True))
        self.brain = np.zeros(sizes, bool)
        self._length = frames
        self._spool = spool.Spool()
        self._parts: dict[int, tuple[_Box, spool.Place]] = {}
        self._peak = np.zeros(sizes, np.float32)
        self._sums = np.zeros(frames)  # over the brain
        self._most = np.zeros((frames, *sizes[1:]), np.float32)

    def add(self, first: int, frames: Float32, brain: Mask) -> None:
        thick, coarse, _ = self.grouping
        rows, columns = (coarse * n for n in self.brain.shape[1:])
        for start in range(0, frames.shape[1], thick):
            group = slice(start, start + thick)
            images = _coarser(frames[:, group, :rows, :columns].mean(axis=1), coarse)
            inside = _coarser(brain[group, :rows, :columns].mean(axis=0), coarse) > 0.5
            self._keep((first + start) // thick, np.asarray(images, dtype=np.float32), inside)

    def _keep(self, z: int, images: Float32, inside: Mask) -> None:
        """Keep what is needed of a slice, (time, y, x)."""
        self._peak[z] = images.max(axis=0) - images[:2].mean(axis=0)
        if not inside.any():
            if not self.brain.any():
                self._most = self._most if self._parts else images
                self._parts[z] = _box(inside), self._spool.put(images)
            return
        if not self.brain.any():
            self._parts.clear()
            self._spool.clear()
        if inside.sum() > self.brain.sum(axis=(1, 2)).max():
            self._most = images
        self.brain[z] = inside
        self._sums += images[:, inside].sum(axis=1, dtype=np.float64)
        box = _box(inside)
        self._parts[z] = box, self._spool.put(images[:, *box])

    @property
    def frames(self) -> Float32:
        """All frames of a scan in which no brain was found, (time, z, y, x), HU."""
        return np.stack([self._spool.get(place) for _, place in self._parts.values()], axis=1)

    def input_functions(
        self, dt_s: float, method: Method, partial_volume: bool, at: Sequence[Place] = ()
    ) -> tuple[InputFunctions | None, str]:
        """Return the input functions; where there is no artery, None and why."""
        searched, named = self.brain, None
        if at:
            named = self._around(at)
            searched = self.brain | named
        box = _box(np.asarray(searched.any(axis=0)))
        try:
            found = input_functions_of(
                self._curves(searched),
                searched[:, *box],
                self.spacing_mm,
                dt_s,
                method=method,
                partial_volume=partial_volume,
                artery=None if named is None else named[:, *box],
            )
        except DataError as error:
            return None, str(error)
        vof = None if found.vof is None else _moved(found.vof, box)
        return replace(found, aif=_moved(found.aif, box), vof=vof), ""

    def _around(self, at: Sequence[Place]) -> Mask:
        """Return the voxels whose middles lie near the scan's voxels', in their slices."""
        place = (np.array(at) + 0.5) / self.grouping - 0.5
        z, y, x = np.indices(self.brain.shape)
        near = np.zeros(self.brain.shape, bool)
        for slice_, row, column in place:
            away_mm = np.hypot((y - row) * self.spacing_mm[1], (x - column) * self.spacing_mm[2])
            near |= (z == int(slice_ + 0.5)) & (away_mm <= AROUND_MM)
        sizes = np.array(self.brain.shape) - 1
        near[*np.minimum(np.array(at) // self.grouping, sizes).T] = True
        return near

    def _curves(self, wanted: Mask) -> Float32:
        """Return the curves of voxels above their baseline, (time, n), zero where none were kept.

        The head lies in all where it lay first: bone that moves past a voxel outdoes any artery.
        """
        moved = farthest_mm(self.poses) > _MOVED_MM
        ends = np.concatenate(([0], np.cumsum(wanted.sum(axis=(1, 2)))))
        curves = np.zeros((self._length, int(ends[-1])), np.float32)
        for z, (part, place) in self._parts.items():
            images = self._spool.get(place)
            if moved:
                images = self._still(part, images)
            kept = np.zeros_like(wanted[z])
            kept[part] = wanted[z][part]
            curves[:, ends[z] : ends[z + 1]][:, kept[wanted[z]]] = subtract_baseline(images)[:, kept[part]]
        return curves

    def _still(self, part: _Box, images: Float32) -> Float32:
        """Return what was kept of a slice, the head where it lay first; it turned about the image's middle."""
        around = [(p.start, n - p.stop) for p, n in zip(part, self.brain.shape[1:], strict=True)]
        whole = np.pad(images, ((0, 0), *around), mode="edge")
        return aligned(whole[:, np.newaxis], self.poses, self.spacing_mm[1:])[:, 0, *part]

    @cached_property
    def poses(self) -> Float64:
        """How the head lies in each frame in the slice with the most brain, (time, 3): see `alignment.poses`."""
        return poses(self._most, self.spacing_mm[1:])

    def slice_with_most_brain(self) -> Float32:
        return self._most

    def peak(self) -> Float32:
        return self._peak

    def mean_curve(self) -> Float32:
        return subtract_baseline((self._sums / max(int(self.brain.sum()), 1)).astype(np.float32))


def _box(inside: Mask) -> _Box:
    """Return the rows and columns that hold a mask, (y, x), with a margin; all where it is empty."""
    if not inside.any():
        return slice(0, inside.shape[0]), slice(0, inside.shape[1])
    held = [np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0)]
    rows, columns = (slice(max(int(n[0]) - _MARGIN, 0), int(n[-1]) + 1 + _MARGIN) for n in held)
    return slice(rows.start, min(rows.stop, inside.shape[0])), slice(columns.start, min(columns.stop, inside.shape[1]))


def _moved(vessel: Vessel, box: _Box) -> Vessel:
    """Return a vessel that was found in a box with its voxels counted in the whole."""
    return replace(vessel, voxels=vessel.voxels + _corner(box))


def _corner(box: _Box) -> Index:
    return np.array([0, box[0].start, box[1].start])


def _coarser(images: npt.NDArray[np.floating], factor: int) -> npt.NDArray[np.floating]:
    """Average squares of pixels along the last two axes, whose sizes the factor divides."""
    if factor == 1:
        return images
    *rest, rows, columns = images.shape
    squares = images.reshape(*rest, rows // factor, factor, columns // factor, factor)
    return np.asarray(squares.mean(axis=(-3, -1)))
