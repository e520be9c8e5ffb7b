"""Series and maps written as DICOM: classic CT images that hold what was computed, where it lies, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.valuerep import format_number_as_ds

from ctpbench import DataError, Volume
from ctpbench.arrays import Float32, Float64
from ctpbench_isles.dicom_study import Study
from ctpbench_isles.writing import writing

LARGEST = 32767  # stored values are int16 of both signs
UNDEFINED = -32768  # stored for NaN, and declared as padding


class DicomVolume(Volume):
    """A folder of CT images, one a slice and time, under a temporary name until it is finished.

    Whatever viewers sort the images of a series in time by says the same: AcquisitionNumber, AcquisitionTime,
    ContentTime, InstanceNumber and TemporalPositionIdentifier rise from frame to frame, and so do the files' names.

    Parameters
    ----------
    folder, name, times_s, units
        As for `Series.create`.
    study : Study
        That of all else that is written of the same scan.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        study: Study,
        *,
        times_s: Float64 | None,
        units: str,
    ) -> None:
        frames = () if times_s is None else (len(times_s),)
        super().__init__((*frames, *study.grid.canonical_shape))
        self._target, self._study, self._times_s = folder / name, study, times_s
        if self._target.exists():
            raise DataError(f"{self._target}: exists; allowed: a new folder; move it away or write elsewhere")
        self._part = folder / f".{name}.part"
        self._template = _with_pixels(study.template(name), units)
        if times_s is not None:
            self._template.NumberOfTemporalPositions = len(times_s)
        self.discard()  # what a run that was killed left there
        with writing(self._target):
            self._part.mkdir()

    def discard(self) -> None:
        """Take away the folder that is not finished."""
        shutil.rmtree(self._part, ignore_errors=True)

    def _write(self, first: int, values: Float32) -> None:
        count = values.shape[-3]
        grid = self._study.grid
        start = grid.stored_slices(slice(first, first + count)).start
        with writing(self._target):
            for time, frame in enumerate(values.reshape(-1, *values.shape[-3:])):
                for k, pixels in enumerate(grid.to_stored(frame).transpose(2, 1, 0), start=start):
                    self._write_image(time, k, pixels)

    def _finish(self) -> Path:
        with writing(self._target):
            self._part.rename(self._target)
        return self._target

    def _write_image(self, time: int, k: int, pixels: Float32) -> None:
        """Write one image, (row, column); `k` counts along the normal."""
        slope = fitting_slope(pixels)
        defined = np.isfinite(pixels)
        stored = np.where(defined, np.rint(np.where(defined, pixels, 0) / slope), UNDEFINED).astype("<i2")
        image = self._template
        self._study.place(image, k)
        image.InstanceNumber = time * self._study.grid.shape[2] + k + 1
        image.RescaleSlope = format_number_as_ds(slope)
        if self._times_s is not None:
            image.AcquisitionNumber = image.TemporalPositionIdentifier = time + 1
            image.AcquisitionTime = image.ContentTime = _time_of_day(float(self._times_s[time]))
        image.PixelData = stored.tobytes()
        image.save_as(self._part / f"t{time + 1:04d}_z{k + 1:04d}.dcm", enforce_file_format=True)


def fitting_slope(pixels: Float32) -> float:
    """Return the smallest of 1, 2 and 5 times powers of ten that brings all finite values into 15 bits and a sign."""
    largest = float(np.abs(pixels, where=np.isfinite(pixels), out=np.zeros_like(pixels)).max(initial=0))
    if largest == 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(largest / LARGEST))
    return float(next(factor * power for factor in (1, 2, 5, 10, 20) if largest / (factor * power) <= LARGEST))


def _with_pixels(image: Dataset, units: str) -> Dataset:
    """Return a template that says how its pixels are stored."""
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
    image.RescaleIntercept, image.RescaleType = "0", units
    image.PixelPaddingValue = UNDEFINED
    return image


def _time_of_day(time_s: float) -> str:
    """Return a time from the scan's first as if the scan had begun at midnight."""
    microseconds = round(1e6 * time_s)
    seconds, fraction = divmod(microseconds, 1_000_000)
    return f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}.{fraction:06d}"
