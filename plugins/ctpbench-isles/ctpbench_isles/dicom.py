"""CT-perfusion series in DICOM files: read slice by slice, written as a new series that names nobody."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydicom.pixels import iter_pixels

from ctpbench import DataError, Format, Series, Volume
from ctpbench.arrays import AIR_HU, Float32, Float64
from ctpbench_isles.acquired import HEAD_HU, fill_padding
from ctpbench_isles.dicom_frames import FrameTable, arrange
from ctpbench_isles.dicom_headers import Image, read_images
from ctpbench_isles.dicom_map import DicomMap
from ctpbench_isles.dicom_study import Study
from ctpbench_isles.dicom_write import DicomVolume
from ctpbench_isles.nifti_volume import NiftiVolume
from ctpbench_isles.orientation import Grid


class DicomSeries(Series):
    """A series of classic CT images, one file a slice and time, or of enhanced multi-frame files.

    Of the headers only what is measured is kept: nothing that tells who the patient is, no date and no UID.

    Attributes
    ----------
    affine : array, (4, 4)
        From (column, row, slice) to mm, RAS; slices as numbered along their normal.
    time_source : str
        Where `frame_times_s` is from: a DICOM tag, as classic images call it, or ``"frame_interval_s"``.
    """

    formats: ClassVar[tuple[Format, ...]] = ("dicom", "nifti", "dicom-pm")

    def __init__(self, path: Path, table: FrameTable) -> None:
        self.path = path
        rows, columns = table.images[0][0].size
        self._grid = Grid(table.affine, (columns, rows, len(table.images[0])))
        if self._grid.axes[0] != 2:
            raise DataError(f"{path}: got coronal or sagittal slices; allowed: axial slices, tilted or not")
        self._images = table.images
        self.affine: Float64 = table.affine
        self.time_source = table.time_source
        self.shape = (len(table.images), *self._grid.canonical_shape)
        self.spacing_mm = self._grid.spacing_mm
        self.frame_times_s = table.times_s[:, ::-1].copy() if self._grid.flips[0] else table.times_s
        # One for all that is written of a scan, so that viewers lay its maps over each other.
        self._study = Study(self._grid)

    def read(self, slices: slice) -> Float32:
        """Return some slices, (time, z, y, x), float32, HU; see `Series.read`."""
        wanted = self._grid.stored_slices(slices)
        series = np.empty((self.shape[0], wanted.stop - wanted.start, *self.shape[2:]), dtype=np.float32)
        places: dict[Path, list[tuple[Image, Float32]]] = {}
        for frame, images in zip(series, self._images, strict=True):
            views = self._grid.to_stored(frame).T
            for image, view in zip(images[wanted], views, strict=True):
                places.setdefault(image.path, []).append((image, view))
        for path, parts in places.items():
            _read_into(path, parts)
        return series

    def _create(self, folder: Path, name: str, format: Format, *, times_s: Float64 | None, units: str) -> Volume:
        """Return a volume; as DICOM it is of a new study: a folder of CT images, or one object that holds a whole map.

        Frames are CT images in either case: no object for what was computed has a time axis that viewers know.
        """
        if format == "nifti":
            return NiftiVolume(folder, name, self._grid, times_s=times_s, units=units)
        if format == "dicom-pm" and times_s is None:
            return DicomMap(folder, name, self._study)
        return DicomVolume(folder, name, self._study, times_s=times_s, units=units)


def open_dicom(path: Path, frame_interval_s: float | None = None) -> DicomSeries | None:
    """Open a DICOM series, or return None where there is no DICOM image.

    Parameters
    ----------
    path : Path
        The folder of a series, searched with all below it, or one multi-frame file.
    frame_interval_s : float or None
        Time from frame to frame, in place of the files' time stamps.

    Raises
    ------
    DataError
        Where a file is damaged, or the images do not make one complete CT series in time; names the file or what
        is missing.
    """
    images = read_images(path)
    return DicomSeries(path, arrange(path, images, frame_interval_s)) if images else None


def _read_into(path: Path, places: list[tuple[Image, Float32]]) -> None:
    """Read images of one file, each into its place (row, column), HU."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's warnings quote values of the header
            pixels = iter_pixels(path, indices=[image.frame for image, _ in places], raw=True)
            for (image, place), stored in zip(places, pixels, strict=True):
                place[...] = _hounsfield(stored, image)
    except Exception as error:  # decoders raise what they meet; their texts may quote values of the header
        raise DataError(
            f"{path}: pixels cannot be read ({type(error).__name__}); damaged or cut short, copy the file again"
        ) from None


def _hounsfield(stored: npt.NDArray[np.integer], image: Image) -> Float32:
    """Return an image in HU, air where nothing was measured."""
    values = stored * image.slope + image.intercept
    first, last = image.padding
    # Some headers declare a value as padding that tissue has, too.
    values[(stored >= first) & (stored <= last) & (values < HEAD_HU)] = AIR_HU
    fill_padding(values)
    return values.astype(np.float32)
