"""A 4-D NIfTI file as a scan on disk."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from ctpbench import DataError, Format, Series, Volume
from ctpbench.arrays import Float32, Float64
from ctpbench_isles.acquired import MIN_FRAMES, fill_padding
from ctpbench_isles.nifti_image import NiftiImage
from ctpbench_isles.nifti_volume import NiftiVolume
from ctpbench_isles.orientation import Grid

_INTERVAL_S = (0.1, 30.0)
_UNIT_S = {"msec": 1e-3, "usec": 1e-6}
_MS = (500.0, 5000.0)  # an interval like this is in ms whatever the header says: no scan has frames minutes apart


class NiftiSeries(Series):
    """A scan in one NIfTI file, (x, y, z, time), in HU. NaN and what lies outside the field of view become air.

    Parameters
    ----------
    path : Path
        A .nii or .nii.gz file.
    frame_interval_s : float or None
        Time between frames; without it, what the header says.
    missing_interval_s : float or None
        Time between frames where the header says none.

    Raises
    ------
    DataError
        Where the file is no such scan or says no frame interval; names it.
    """

    formats: ClassVar[tuple[Format, ...]] = ("nifti",)

    def __init__(
        self, path: Path, frame_interval_s: float | None = None, *, missing_interval_s: float | None = None
    ) -> None:
        self.path = path
        self._image = NiftiImage(path)
        if self._image.time_axis is None:
            raise DataError(f"{path}: got a 3-D image of shape {self._image.grid.shape}; allowed: 4-D (x, y, z, time)")
        frames = self._image.frames
        if frames < MIN_FRAMES:
            raise DataError(f"{path}: got {frames} frames; allowed: {MIN_FRAMES} or more, a whole perfusion scan")
        interval_s = _checked_interval_s(self._image, frame_interval_s, missing_interval_s)
        self.shape = (frames, *self.grid.canonical_shape)
        self.spacing_mm = self.grid.spacing_mm
        self.frame_times_s = np.repeat(np.arange(frames)[:, np.newaxis] * interval_s, self.shape[1], axis=1)

    @property
    def grid(self) -> Grid:
        """How the file's voxels lie in the patient."""
        return self._image.grid

    def read(self, slices: slice) -> Float32:
        """Return some slices, (time, z, y, x), float32, HU; see `Series.read`."""
        start, stop, _ = slices.indices(self.shape[1])
        frames = np.empty((self.shape[0], stop - start, *self.shape[2:]), np.float32)
        with self._image.opened() as file:
            for index, frame in enumerate(frames):
                frame[...] = self.grid.to_canonical(self._image.block(file, index, slices))
                if np.isinf(frame).any():
                    raise DataError(f"{self.path}: got infinite values in frame {index + 1}; allowed: HU")
                fill_padding(frame)
        return frames

    def _create(self, folder: Path, name: str, format: Format, *, times_s: Float64 | None, units: str) -> Volume:
        return NiftiVolume(folder, name, self.grid, times_s=times_s, units=units, like=self._image.header)


def _checked_interval_s(image: NiftiImage, given_s: float | None, missing_s: float | None) -> float:
    """Return the time between frames: as given by the user, by the header, or by the dataset for such files."""
    low, high = _INTERVAL_S
    interval_s = given_s if given_s is not None else _header_interval_s(image)
    if interval_s is None:
        interval_s = missing_s
    if interval_s is None:
        raise DataError(
            f"{image.path}: got no time between frames (pixdim[4] is 0); allowed: {low:g} to {high:g} s; "
            "give frame_interval_s (--frame-interval)"
        )
    if not low <= interval_s <= high:
        raise DataError(
            f"{image.path}: got {interval_s:g} s between frames; allowed: {low:g} to {high:g} s; "
            "give frame_interval_s (--frame-interval)"
        )
    return float(interval_s)


def _header_interval_s(image: NiftiImage) -> float | None:
    """Return what the header says, in s, or None where it says nothing."""
    sizes = image.header["pixdim"]
    assert image.time_axis is not None  # NiftiSeries has refused the others
    stored = [float(sizes[n]) for n in (4, image.time_axis + 1) if np.isfinite(sizes[n]) and sizes[n] > 0]
    if not stored:
        return None
    interval = stored[0]
    try:
        unit = image.header.get_xyzt_units()[1]
    except KeyError:  # a code that the format does not know
        unit = "unknown"
    if unit not in _UNIT_S and _MS[0] <= interval <= _MS[1]:
        unit = "msec"
    return interval * _UNIT_S.get(unit, 1.0)
