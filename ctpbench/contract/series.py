"""A scan on disk: read a few slices at a time, and what is made of it written in its own geometry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Format = Literal["nifti", "dicom"]
SLAB_BYTES = 2**28
"""About how much of a series is in memory at once, as float32."""


class Series(ABC):
    """One scan as a plugin opened it. Nothing of it is in memory but what `read` returned.

    Axes are those of `ctpbench.Observation`: z towards the head, y towards the back, x towards the patient's left.
    A reader brings the stored axes there by turning and swapping them as the image's affine says, never by
    interpolation, and turns them back where it writes.

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
    """

    formats: ClassVar[tuple[Format, ...]]

    path: Path
    shape: tuple[int, int, int, int]
    spacing_mm: tuple[float, float, float]
    frame_times_s: npt.NDArray[np.float64]

    @abstractmethod
    def read(self, slices: slice) -> Float32:
        """Return some slices, (time, z, y, x), float32, HU: finite, -1000 where the scanner stored padding.

        Raises
        ------
        DataError
            Where the file cannot be read; names it.
        """

    @abstractmethod
    def create(
        self, folder: Path, name: str, format: Format, *, times_s: npt.NDArray[np.float64] | None, units: str
    ) -> Volume:
        """Return a volume to be written in the scan's geometry, without anything that tells who the patient is.

        Parameters
        ----------
        folder : Path
            An existing folder.
        name : str
            What is written, such as "denoised" or "cbf": the name of the file, or of the folder of DICOM files.
        format : "nifti" or "dicom"
            One of `formats`.
        times_s : array, (time), s, or None
            The frames' times; None for a map, which has no time axis.
        units : str
            Of the values, such as "HU" or "mL/100 g/min".
        """


class Volume(ABC):
    """A series or map while it is written: complete once the block ends well, gone where it does not.

    ``with series.create(...) as volume: volume.put(0, values)``
    """

    @abstractmethod
    def put(self, first: int, values: Float32) -> None:
        """Write the slices from index `first` on: (time, z, y, x), or (z, y, x) of a map, float32."""

    @abstractmethod
    def finish(self) -> Path:
        """Put what was written in its place and return where that is."""

    @abstractmethod
    def discard(self) -> None:
        """Take away what was written."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.discard()


def slabs(series: Series, multiple: int = 1) -> Iterator[slice]:
    """Yield the slices of a series in slabs of about `SLAB_BYTES`, of a multiple of so many slices."""
    time, depth, rows, columns = series.shape
    most = max(1, SLAB_BYTES // (4 * time * rows * columns * multiple)) * multiple
    yield from (slice(start, min(start + most, depth)) for start in range(0, depth, most))
