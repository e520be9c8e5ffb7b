"""CT-perfusion series in DICOM files: read slice by slice, written as a new series that names nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from ctpbench import MAX_LOST, DataError, Format, Series, Stated, Volume
from ctpbench.arrays import AIR_HU, Float32, Float64
from ctpbench_isles.dicom_doubles import without_doubles
from ctpbench_isles.dicom_files import read_headers
from ctpbench_isles.dicom_frames import GEOMETRY_TAGS, FrameTable, arrange
from ctpbench_isles.dicom_headers import Image
from ctpbench_isles.dicom_map import DicomMap
from ctpbench_isles.dicom_pixels import DamagedPixels, hounsfield, stored_pixels
from ctpbench_isles.dicom_series import choose
from ctpbench_isles.dicom_study import Study
from ctpbench_isles.dicom_write import DicomVolume
from ctpbench_isles.nifti_volume import NiftiVolume
from ctpbench_isles.orientation import Grid

_SAME_TIME = 0.05  # of the frame interval: slices that are not axial have one time


class DicomSeries(Series):
    """A series of classic CT images, one file a slice and time, or of enhanced multi-frame files.

    Of the headers only what is measured is kept: nothing that tells who the patient is, no date and no UID.

    Attributes
    ----------
    affine : array, (4, 4)
        From (column, row, slice) to mm, RAS; slices as numbered along their normal.
    """

    formats: ClassVar[tuple[Format, ...]] = ("dicom", "nifti", "dicom-pm")

    def __init__(self, path: Path, table: FrameTable, notes: tuple[str, ...], unread: Mapping[Path, str]) -> None:
        self.path = path
        first = next(image for image in table.images[0] if image is not None)
        rows, columns = first.size
        self._grid = Grid(table.affine, (columns, rows, len(table.images[0])))
        self._images = table.images
        self.affine: Float64 = table.affine
        self.shape = (len(table.images), *self._grid.canonical_shape)
        self.spacing_mm = self._grid.spacing_mm
        self.notes, self.unread = (*notes, *table.notes), dict(unread)
        self.facts = {"times_from": table.time_source}
        if self._grid.axes[0] == 2:
            turn = slice(None, None, -1) if self._grid.flips[0] else slice(None)
            self.frame_times_s = table.times_s[:, turn].copy()
            self.missing = table.missing[:, turn].copy()
        else:
            self.frame_times_s = self._one_time_each(table.times_s)
            self.missing = np.repeat(table.missing.any(axis=1, keepdims=True), self.shape[1], axis=1)
            self.formats = ("nifti",)  # type: ignore[misc]
        # One for all that is written of a scan, so that viewers lay its maps over each other.
        self._study = Study(self._grid)

    def read(self, slices: slice) -> Float32:
        """Return some slices, (time, z, y, x), float32, HU; see `Series.read`."""
        axis, wanted = self._grid.axes[0], self._grid.stored_slices(slices)
        along = [wanted if n == axis else slice(None) for n in range(3)]
        series = np.full((self.shape[0], wanted.stop - wanted.start, *self.shape[2:]), AIR_HU, dtype=np.float32)
        places: dict[Path, list[tuple[Image, Float32]]] = {}
        for frame, images in zip(series, self._images, strict=True):
            views = self._grid.to_stored(frame).T
            for image, view in zip(images[along[2]], views, strict=True):
                if image is not None:
                    places.setdefault(image.path, []).append((image, view))
        for path, parts in places.items():
            try:
                pixels = stored_pixels(path, [image for image, _ in parts])
                for (image, place), stored in zip(parts, pixels, strict=True):
                    place[...] = hounsfield(stored, image)[along[1], along[0]]
            except DamagedPixels as error:
                self._lose(path, str(error), [place for _, place in parts])
        return series

    def _lose(self, path: Path, why: str, places: list[Float32]) -> None:
        """Leave images of a file out, or give up where that are too many."""
        reason = f"pixels cannot be read ({why}); damaged or cut short, copy the file again"
        self.unread = {**self.unread, path: reason}
        if len(self.unread) > MAX_LOST * len({image.path for frame in self._images for image in frame if image}):
            raise DataError(f"{path}: {reason}")
        for place in places:
            place[...] = AIR_HU

    def _one_time_each(self, times_s: Float64) -> Float64:
        """Return one time a frame for slices that do not lie along z, (time, z)."""
        interval_s = float(np.median(np.diff(times_s, axis=0)))
        if np.ptp(times_s, axis=1).max() > _SAME_TIME * interval_s:
            raise DataError(
                f"{self.path}: got coronal or sagittal slices taken one after the other; allowed: axial slices, or all "
                "of a frame at one time; give the axial series"
            )
        return np.repeat(times_s.mean(axis=1, keepdims=True), self.shape[1], axis=1)

    def _create(self, folder: Path, name: str, format: Format, *, times_s: Float64 | None, units: str) -> Volume:
        """Return a volume; as DICOM it is of a new study: a folder of CT images, or one object that holds a whole map.

        Frames are CT images in either case: no object for what was computed has a time axis that viewers know.
        """
        if format == "nifti":
            return NiftiVolume(folder, name, self._grid, times_s=times_s, units=units)
        if format == "dicom-pm" and times_s is None:
            return DicomMap(folder, name, self._study)
        return DicomVolume(folder, name, self._study, times_s=times_s, units=units)


def open_dicom(path: Path, stated: Stated | None = None) -> DicomSeries | None:
    """Open a DICOM series, or return None where there is no DICOM image and no file that should be one.

    Parameters
    ----------
    path : Path
        The folder of a series, searched with all below it, or one multi-frame file. In the folder of a study the one
        series in time is taken.
    stated : Stated or None
        What the user says: times in place of the files' time stamps, which series is meant.

    Raises
    ------
    DataError
        Where more than `MAX_LOST` of the files cannot be read, or the images do not make one CT series in time; names
        a file or what is missing.
    """
    stated = stated or Stated()
    found = read_headers(path)
    if not found.images:
        if found.unread:
            raise DataError(_unreadable(path, 0, found.unread))
        return None
    images, notes = choose(path, found.images, found.others, stated.series)
    images, unread = _with_geometry(images, found.unread)
    if len(unread) > MAX_LOST * (len({image.path for image in images}) + len(unread)):
        raise DataError(_unreadable(path, len({image.path for image in images}), unread))
    images, doubles = without_doubles(images)
    if unread:
        notes = (*notes, f"unread: {len(unread)} files that cannot be read are left out")
    if doubles:
        notes = (*notes, f"left out: {doubles} images that are there twice, to the last pixel")
    return DicomSeries(path, arrange(path, images, stated), notes, unread)


def _with_geometry(images: list[Image], unread: Mapping[Path, str]) -> tuple[list[Image], dict[Path, str]]:
    """Return the images that tell their place and their scale in HU, and the files of the others with the reason."""
    kept, lost = [], dict(unread)
    for image in images:
        lacking = [tag for field, tag in GEOMETRY_TAGS.items() if not np.isfinite(getattr(image, field)).all()]
        if lacking:
            detector = ", which ImagerPixelSpacing does not replace" if lacking[0] == "PixelSpacing" else ""
            lost[image.path] = (
                f"got no {lacking[0]}{detector}; allowed: CT images with their place and their scale in HU"
            )
        elif image.slope == 0:
            lost[image.path] = f"got {GEOMETRY_TAGS['slope']} 0, which makes all pixels equal; export the series again"
        else:
            kept.append(image)
    return kept, lost


def _unreadable(path: Path, readable: int, unread: Mapping[Path, str]) -> str:
    """Return the message for files that cannot be read, with one of them as an example."""
    file, why = next(iter(unread.items()))
    if readable + len(unread) == 1:
        return f"{file}: {why}"
    kinds = Counter(why.split(";")[0].split(" (")[0] for why in unread.values())
    more = "" if len(kinds) == 1 else f" ({', '.join(f'{count} x {kind}' for kind, count in kinds.most_common(3))})"
    return (
        f"{path}: got {len(unread)} of {readable + len(unread)} files that cannot be read (allowed: up to "
        f"{MAX_LOST:.0%}){more}, such as {file}: {why}"
    )
