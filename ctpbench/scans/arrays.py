"""A scan that is an array in memory, and what is made of it, which are arrays as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ctpbench.arrays import Float32, Float64, Mask
from ctpbench.contract.series import Format, Series, Volume
from ctpbench.errors import DataError
from ctpbench.perfusion.aif import InputFunctions
from ctpbench.perfusion.concentration import on_grid, uniform_times
from ctpbench.perfusion.masks import vessel_mask
from ctpbench.scans.inspection import Inspection, Progress, inspect_series
from ctpbench.scans.overview import Place


class ArraySeries(Series):
    """A scan in memory; what is created for it lies in `made`, by name, once it is finished.

    Parameters
    ----------
    frames : array, (time, z, y, x), float32, HU
    times_s : array, (time), s
        From the first frame on.
    spacing_mm : tuple of 3 floats
        Voxel size along (z, y, x).
    """

    formats = ("nifti",)  # a Series must have one; nothing is written in it
    path = Path("frames")

    def __init__(self, frames: Float32, times_s: Float64, spacing_mm: tuple[float, float, float]) -> None:
        time, depth, rows, columns = frames.shape
        self.shape = (time, depth, rows, columns)
        self.spacing_mm = spacing_mm
        self.frame_times_s = np.repeat(times_s[:, np.newaxis], depth, axis=1)
        self.made: dict[str, Float32] = {}
        self._frames = frames

    def read(self, slices: slice) -> Float32:
        return self._frames[:, slices].copy()

    def _create(self, folder: Path, name: str, format: Format, *, times_s: Float64 | None, units: str) -> Volume:
        shape = self.shape[1:] if times_s is None else (len(times_s), *self.shape[1:])
        return _ArrayVolume(self.made, name, shape)


class _ArrayVolume(Volume):
    """An array that is put among what was made once it is complete."""

    def __init__(self, made: dict[str, Float32], name: str, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self._made, self._name = made, name
        self._values = np.empty(shape, np.float32)

    def _write(self, first: int, values: Float32) -> None:
        self._values[..., first : first + values.shape[-3], :, :] = values

    def _finish(self) -> Path:
        self._made[self._name] = self._values
        return Path(self._name)

    def discard(self) -> None:
        self._made.pop(self._name, None)


def inspected(
    series: ArraySeries,
    *,
    brain: Mask | None,
    vessels: Mask | None,
    aif: Float32 | None,
    vof: Float32 | None,
    aif_at: Sequence[Place] = (),
    progress: Progress,
) -> Inspection:
    """Return what is known of a scan in memory: what is given, and what of the rest is found in it.

    With a brain and an AIF nothing is looked for but the vessels, with `aif_at` all but arteries. Curves are those of
    the frames as given, (time), HU above baseline.

    Raises
    ------
    DataError
        Where the scan is too short, or what is not given cannot be found.
    """
    curves = {"aif": aif, "vof": vof}
    if brain is None or aif is None:
        try:
            found = inspect_series(series, aif_at=aif_at, progress=progress)
        except DataError as error:
            raise DataError(f"{error}; or give brain and aif, which are then not looked for") from None
    else:
        try:
            times_s = uniform_times(series.frame_times_s)
        except DataError as error:
            raise DataError(f"{series.path}: {error}") from None
        found = _stated(series, times_s, brain)
    if aif is not None:
        placed = {name: _on(found.times_s, series, curve) for name, curve in curves.items() if curve is not None}
        found = replace(found, inputs=InputFunctions.given(placed["aif"], placed.get("vof")), no_artery="")
    elif found.inputs is None:
        raise DataError(f"{series.path}: {found.no_artery}; or give aif, a curve of HU above baseline")
    brain, vessels = (found.brain if brain is None else brain), (found.vessels if vessels is None else vessels)
    return replace(found, brain=brain, vessels=vessels)


def _stated(series: ArraySeries, times_s: Float64, brain: Mask) -> Inspection:
    """Return an inspection for which nothing was looked at but the vessels."""
    frames = on_grid(series.read(slice(None)), series.frame_times_s, times_s)
    mean = frames[:, brain].mean(axis=1)
    return Inspection(
        series=series,
        times_s=times_s,
        brain=brain,
        vessels=vessel_mask(frames),
        inputs=None,
        overview=frames.max(axis=0) - frames[:2].mean(axis=0),
        grouping=(1, 1, 1),
        mean_curve=mean - mean[:2].mean(),
        displacement_mm=np.zeros(len(times_s)),
        facts={},
        warnings=(),
    )


def _on(times_s: Float64, series: ArraySeries, curve: Float32) -> Float32:
    """Return a curve of the frames as one of the grid that they are brought to."""
    given = series.frame_times_s[:, :1]
    (column,) = on_grid(curve[:, np.newaxis, np.newaxis, np.newaxis], given, times_s).T
    return np.asarray(column.ravel(), dtype=np.float32)
