"""A 4-D NIfTI file as a scan on disk."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from ctpbench import DataError, Format, Series, Stated, Volume
from ctpbench.arrays import Float32, Float64
from ctpbench_isles.acquired import MIN_FRAMES, fill_padding
from ctpbench_isles.nifti_image import NiftiImage
from ctpbench_isles.nifti_volume import NiftiVolume
from ctpbench_isles.orientation import Grid
from ctpbench_isles.sidecar import read_sidecar
from ctpbench_isles.stated import STATED, stated_times_s

_INTERVAL_S = (0.1, 30.0)
_UNIT_S = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
_MS = (500.0, 5000.0)  # an interval like this is in ms whatever the header says: no scan has frames minutes apart


class NiftiSeries(Series):
    """A scan in one NIfTI file, (x, y, z, time), in HU. NaN and what lies outside the field of view become air.

    Times are those that the user states; else those of the JSON file beside it; else the header's interval.

    Parameters
    ----------
    path : Path
        A .nii or .nii.gz file, or either of a .hdr and .img pair.
    stated : Stated or None
        Times of the user's.
    known_interval_s : float or None
        Time between frames where the header names none, or no unit: a dataset's own knowledge of its files.
    known_unit : "sec" or None
        Unit of time where the header names none, likewise.

    Raises
    ------
    DataError
        Where the file is no such scan or says no frame interval; names it.
    """

    formats: ClassVar[tuple[Format, ...]] = ("nifti",)

    def __init__(
        self,
        path: Path,
        stated: Stated | None = None,
        *,
        known_interval_s: float | None = None,
        known_unit: str | None = None,
    ) -> None:
        self.path = path
        self._image = NiftiImage(path)
        if self._image.time_axis is None:
            raise DataError(
                f"{path}: got a 3-D image of shape {self._image.grid.shape}; allowed: 4-D (x, y, z, time); "
                f"if its last axis is time, save it as {(*self._image.grid.shape[:2], 1, self._image.grid.shape[2])}"
            )
        frames = self._image.frames
        if frames < MIN_FRAMES:
            raise DataError(f"{path}: got {frames} frames; allowed: {MIN_FRAMES} or more, a whole perfusion scan")
        timing = _timing(self._image, stated or Stated(), known_interval_s, known_unit)
        self.shape = (frames, *self.grid.canonical_shape)
        self.spacing_mm = self.grid.spacing_mm
        self.frame_times_s = np.repeat(timing.times_s[:, np.newaxis], self.shape[1], axis=1)
        self.facts = {"times_from": timing.source}
        self.notes = tuple(note for note in (self._image.doubt, timing.note) if note)

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


class _Timing(NamedTuple):
    """When each frame was taken, (time), s; what says so; and what is unsure about it, or ``""``."""

    times_s: Float64
    source: str
    note: str


def _timing(image: NiftiImage, stated: Stated, known_interval_s: float | None, known_unit: str | None) -> _Timing:
    """Return a scan's times: as stated, as the JSON beside it has them, or as the header has."""
    recorded = _header_interval_s(image)
    given_s = stated_times_s(image.path, stated, image.frames)
    if given_s is not None:
        return _Timing(_checked(image, given_s - given_s[0]), STATED, "")
    field, times_s = read_sidecar(image.path, image.frames)
    if times_s is not None:
        return _Timing(_checked(image, times_s), f"{field} of the JSON file beside it", "")
    low, high = _INTERVAL_S
    interval_s, unit = recorded
    unit = unit or known_unit or ""
    if interval_s is not None and not unit and known_interval_s is None:
        raise DataError(
            f"{image.path}: got {interval_s:g} between frames (pixdim[4]) and no unit of time, which a program that "
            f"does not know the times writes, too; allowed: s, ms or us; say how many seconds (--frame-interval)"
        )
    if interval_s is None or not unit:
        interval_s = known_interval_s
    if interval_s is None:
        raise DataError(
            f"{image.path}: got no time between frames (pixdim[4] is 0); allowed: {low:g} to {high:g} s; "
            "give frame_interval_s (--frame-interval)"
        )
    source = "pixdim[4] of the header" if unit else "what is known of these data"
    return _Timing(_checked(image, interval_s * np.arange(image.frames, dtype=np.float64)), source, "")


def _checked(image: NiftiImage, times_s: Float64) -> Float64:
    """Return times whose intervals a perfusion scan can have."""
    low, high = _INTERVAL_S
    steps = np.diff(times_s)
    if not low <= np.median(steps) <= high:
        raise DataError(
            f"{image.path}: got {np.median(steps):g} s between frames; allowed: {low:g} to {high:g} s; "
            "give frame_interval_s (--frame-interval)"
        )
    return times_s


def _header_interval_s(image: NiftiImage) -> tuple[float | None, str]:
    """Return what the header says, in s, or None where it says nothing, and its unit, ``""`` where it names none."""
    sizes = image.header["pixdim"]
    assert image.time_axis is not None  # NiftiSeries has refused the others
    stored = [float(sizes[n]) for n in (4, image.time_axis + 1) if np.isfinite(sizes[n]) and sizes[n] > 0]
    if not stored:
        return None, ""
    interval = stored[0]
    try:
        unit = image.header.get_xyzt_units()[1]
    except KeyError:  # a code that the format does not know
        unit = "unknown"
    if unit not in ("msec", "usec") and _MS[0] <= interval <= _MS[1]:
        unit = "msec"
    return interval * _UNIT_S.get(unit, 1.0), unit if unit in _UNIT_S else ""
