"""A scan on disk: read a few slices at a time, and what is made of it written in its own geometry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Literal, Self

import numpy as np

from ctpbench.arrays import Float32, Float64, Mask
from ctpbench.errors import DataError

Format = Literal["nifti", "dicom", "dicom-pm"]
"""NIfTI; classic DICOM images, which every viewer shows; DICOM's objects for what was computed: parametric maps and
segmentations, whose values are floating point and whose units are coded."""
MAX_LOST = 0.1
"""Share of a scan's files, images and frames that may be missing: with more lost, it is another scan."""
SLAB_BYTES = 2**27
"""About how much of a series is in memory at once, as float32."""


@dataclass(frozen=True)
class Stated:
    """What a user states of a scan, which goes before what its files say.

    Attributes
    ----------
    frame_interval_s : float or None
        Time from frame to frame.
    frame_times_s : tuple of floats or None
        When each frame was taken, rising.
    series : str or None
        Which series of a folder is meant: its number, or the end of its UID.
    """

    frame_interval_s: float | None = None
    frame_times_s: tuple[float, ...] | None = None
    series: str | None = None


class Series(ABC):
    """One scan as a plugin opened it. Nothing of it is in memory but what `read` returned.

    Axes are the canonical ones, those of `ctpbench.Observation`: z towards the head, y towards the back, x towards the
    patient's left. A reader brings the stored axes there by turning and swapping them as the image's affine says,
    never by interpolation, and turns them back where it writes.

    A reader implements `read` and `_create`.

    Attributes
    ----------
    path : Path
        The file or folder, for messages.
    shape : tuple of 4 ints
        (time, z, y, x).
    spacing_mm : tuple of 3 floats
        Voxel size along (z, y, x).
    frame_times_s : ndarray, (time, z), float64, s
        When each slice of each frame was taken, from the scan's first; slices of one frame may differ (shuttle mode).
    formats : tuple
        What `create` can write, the scan's own first.
    missing : ndarray, (time, z), bool, or None
        Images that the scan lacks, for which `read` returns `AIR_HU`; None where all are there.
    facts : mapping
        What the reader knows of how the scan was read, by names with the unit at the end: ``times_from`` says which
        tag or file `frame_times_s` is from. Plain data without anything that tells who the patient is.
    notes : tuple of str
        What was noticed in reading that results depend on, a sentence each, without names of files. May grow with
        each `read`.
    unread : mapping of Path to str
        Files that should hold a part of the scan and do not, and why: for the screen alone, as names of files may tell
        who the patient is.
    """

    formats: tuple[Format, ...]

    path: Path
    shape: tuple[int, int, int, int]
    spacing_mm: tuple[float, float, float]
    frame_times_s: Float64
    missing: Mask | None = None
    facts: Mapping[str, bool | float | str] = MappingProxyType({})
    notes: tuple[str, ...] = ()
    unread: Mapping[Path, str] = MappingProxyType({})

    @abstractmethod
    def read(self, slices: slice) -> Float32:
        """Return some slices, (time, z, y, x), float32, HU: finite, `AIR_HU` where the scanner stored padding.

        Raises
        ------
        DataError
            Where the file cannot be read; names it.
        """

    def writable_format(self, wanted: Format | None = None) -> Format:
        """Return the format that results are written in: the scan's own where none is wanted.

        Raises
        ------
        DataError
            Where the scan cannot be written so; names it.
        """
        chosen = wanted or self.formats[0]
        if chosen not in self.formats:
            raise DataError(f"{self.path}: cannot be written as {chosen}; allowed: {' or '.join(self.formats)}")
        return chosen

    def create(
        self, folder: Path, name: str, format: Format | None = None, *, times_s: Float64 | None, units: str
    ) -> Volume:
        """Return a volume to be written in the scan's geometry, without anything that tells who the patient is.

        Parameters
        ----------
        folder : Path
            An existing folder.
        name : str
            What is written, one of `ctpbench.QUANTITIES`: the name of the file, or of the folder of DICOM files.
        format : "nifti", "dicom", "dicom-pm" or None
            One of `formats`; None for the scan's own.
        times_s : array, (time), float64, s, or None
            The frames' times; None for a map, which has no time axis.
        units : str
            Of the values, such as "HU" or "mL/100 g/min".

        Raises
        ------
        DataError
            Where the scan cannot be written in this format, or nothing can be written there.
        """
        return self._create(folder, name, self.writable_format(format), times_s=times_s, units=units)

    @abstractmethod
    def _create(self, folder: Path, name: str, format: Format, *, times_s: Float64 | None, units: str) -> Volume:
        """Return what `create` does; `format` is one of `formats`."""


class Volume(ABC):
    """A series or map while it is written: complete once the block ends well, gone where it does not.

    ``with series.create(...) as volume: volume.put(0, values)``

    Slices may be put in any order, and more than once; all must have been put when it is finished. A writer implements
    `_write`, `_finish` and `discard`, and calls ``super().__init__(shape)`` first.

    Parameters
    ----------
    shape : tuple of ints
        (time, z, y, x) of a series, (z, y, x) of a map.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._put = np.zeros(shape[-3], dtype=np.bool_)

    def put(self, first: int, values: Float32) -> None:
        """Write the slices from index `first` on.

        Parameters
        ----------
        first : int
        values : array, (time, slices, y, x), or (slices, y, x) of a map, float32

        Raises
        ------
        DataError
            Where they cannot be written; names the file.
        ValueError
            Where they are of another type or shape, or lie beyond the volume.
        """
        *time, depth, rows, columns = self.shape
        count = values.shape[-3] if values.ndim == len(self.shape) else 0
        fits = count > 0 and values.shape == (*time, count, rows, columns) and 0 <= first <= depth - count
        if not fits or values.dtype != np.float32:
            allowed = ", ".join(str(size) for size in (*time, "n", rows, columns))
            raise ValueError(
                f"put: got {values.dtype} of shape {values.shape} from slice {first} on; "
                f"allowed: float32 of shape ({allowed}) within slices 0 to {depth - 1}"
            )
        self._write(first, values)
        self._put[first : first + count] = True

    def finish(self) -> Path:
        """Put what was written in its place and return where that is.

        Raises
        ------
        DataError
            Where it cannot be put there; names the file.
        ValueError
            Where a slice was never put.
        """
        if not self._put.all():
            missing = np.flatnonzero(~self._put)
            raise ValueError(
                f"finish: got {self._put.sum()} of {self._put.size} slices, none at index {missing[0]}; "
                "allowed: all of them"
            )
        return self._finish()

    @abstractmethod
    def discard(self) -> None:
        """Take away what was written and is not finished."""

    @abstractmethod
    def _write(self, first: int, values: Float32) -> None:
        """Write the slices from index `first` on; `put` has checked that they fit."""

    @abstractmethod
    def _finish(self) -> Path:
        """Put what was written, which is complete, in its place and return where that is."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.discard()
            return
        try:
            self.finish()
        except BaseException:
            self.discard()
            raise


def slabs(series: Series, multiple: int = 1) -> Iterator[slice]:
    """Yield the slices of a series in slabs of about `SLAB_BYTES`, of a multiple of so many slices."""
    time, depth, rows, columns = series.shape
    most = max(1, SLAB_BYTES // (4 * time * rows * columns * multiple)) * multiple
    yield from (slice(start, min(start + most, depth)) for start in range(0, depth, most))
