"""Frames as a person has them, an array or a DataArray, as a scan; and results in the same form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from ctpbench.arrays import Float32, Float64, Mask
from ctpbench.contract.observation import FRAME_DIMS, MIN_FRAMES
from ctpbench.errors import DataError, InputError
from ctpbench.scans.arrays import ArraySeries
from ctpbench.scans.overview import Place

Frames = npt.ArrayLike | xr.DataArray
Places = Sequence[int] | Sequence[Sequence[int]] | None

_SINGLE = ("time", "y", "x")
_SLICE_MM = 5.0  # of one slice, whose thickness matters to nothing


@dataclass(frozen=True)
class Given:
    """What a person gave.

    Attributes
    ----------
    series : ArraySeries
    start_s : float
        The time of the first frame.
    brain, vessels : array, (z, y, x), bool, or None
    aif, vof : array, (time), float32, HU above baseline, or None
    aif_at : tuple of (z, y, x)
        Voxels named as an artery's.
    dims : tuple of str
        Dimensions of the frames, in the order given.
    coords : mapping
        Coordinates of space, as given.
    """

    series: ArraySeries
    start_s: float
    brain: Mask | None
    vessels: Mask | None
    aif: Float32 | None
    vof: Float32 | None
    aif_at: tuple[Place, ...]
    dims: tuple[str, ...]
    coords: Mapping[str, xr.DataArray]

    def array(self, values: Float32, dims: Sequence[str], coords: Mapping[str, Any]) -> xr.DataArray:
        """Return values of all axes, such as (time, z, y, x), with the axes that the frames have, in their order."""
        whole = xr.DataArray(values, dims=(*dims, *FRAME_DIMS[1:]), coords=dict(coords))
        shaped = whole if "z" in self.dims else whole.isel(z=0, drop=True)
        order = [dim for dim in self.dims if dim != "time" or dim in dims]
        return shaped.transpose(*(dim for dim in dims if dim not in order), *order).assign_coords(self.coords)


def given(
    frames: Frames,
    *,
    spacing_mm: Sequence[float] | None,
    frame_interval_s: float | None,
    times_s: npt.ArrayLike | None,
    parts: Mapping[str, npt.ArrayLike | None],
    aif_at: Places = None,
) -> Given:
    """Return frames as a scan, with all that was given of it; a DataArray's coordinates and attributes say the rest.

    `parts` are brain, vessels, aif and vof; None where they are not given.

    Raises
    ------
    InputError, DataError
        Where dimensions, values or what belongs to them are missing or wrong: one line.
    """
    array = _array(frames)
    dims = tuple(map(str, array.dims))
    ordered = array.transpose(*(dim for dim in FRAME_DIMS if dim in dims))
    values = _values(ordered if "z" in dims else ordered.expand_dims("z", 1))
    times = _times(array, len(values), frame_interval_s, times_s)
    series = ArraySeries(values, times - times[0], _spacing(array, spacing_mm))
    known = {name: _coordinate(array, name) if part is None else part for name, part in parts.items()}
    shape = values.shape[1:]
    brain, vessels = (_mask(name, known[name], shape) for name in ("brain", "vessels"))
    aif, vof = (_curve(name, known[name], len(values)) for name in ("aif", "vof"))
    coords = {dim: array.coords[dim] for dim in FRAME_DIMS[1:] if dim in array.coords and dim in dims}
    at = _places(aif_at, shape)
    if at and parts["aif"] is not None:
        raise InputError("aif, aif_at: got both; allowed: one of them, or neither; leave one out")
    return Given(series, float(times[0]), brain, vessels, None if at else aif, vof, at, dims, coords)


def _array(frames: Frames) -> xr.DataArray:
    if isinstance(frames, xr.Dataset):
        raise InputError("frames: got a Dataset; allowed: an array or a DataArray; choose one of its variables")
    if isinstance(frames, xr.DataArray):
        if set(frames.dims) not in ({*FRAME_DIMS}, {*_SINGLE}):
            raise InputError(
                f"frames: got dims {frames.dims}; allowed: {FRAME_DIMS} or {_SINGLE}; rename them by frames.rename"
            )
        return frames
    try:
        values = np.asarray(frames)
    except ValueError as error:
        raise InputError(f"frames: are no array ({error}); allowed: numbers, in HU") from None
    if values.ndim not in (3, 4):
        raise InputError(
            f"frames: got shape {values.shape}; allowed: 4 axes (time, z, y, x), or 3 axes (time, y, x) of one slice"
        )
    return xr.DataArray(values, dims=FRAME_DIMS if values.ndim == 4 else _SINGLE)


def _values(frames: xr.DataArray) -> Float32:
    """Return the values, (time, z, y, x), float32, HU."""
    if frames.dtype.kind not in "fiu":
        raise InputError(f"frames: got dtype {frames.dtype}; allowed: numbers, in HU")
    if frames.sizes["time"] < MIN_FRAMES or not frames.size:
        raise DataError(f"frames: got shape {frames.shape}; allowed: {MIN_FRAMES} frames or more, and no empty axis")
    values = np.ascontiguousarray(frames.values, np.float32)
    bad = int(values.size - np.isfinite(values).sum())
    if bad:
        raise DataError(f"frames: got {bad} values that are NaN or infinite; allowed: finite HU, such as -1000 for air")
    return values


def _times(frames: xr.DataArray, count: int, frame_interval_s: float | None, times_s: npt.ArrayLike | None) -> Float64:
    """Return when the frames were taken, (time), s."""
    if frame_interval_s is not None and times_s is not None:
        raise InputError("times: got frame_interval_s and times_s; allowed: one of them")
    if frame_interval_s is not None:
        if not 0 < frame_interval_s < np.inf:
            raise InputError(f"frame_interval_s: got {frame_interval_s!r}; allowed: seconds, above 0")
        return frame_interval_s * np.arange(count, dtype=np.float64)
    if times_s is None and "time" not in frames.coords:
        raise InputError("times: missing; give frame_interval_s or times_s, or frames with a coordinate time in s")
    times = frames["time"].values if times_s is None else np.asarray(times_s)
    if times.dtype.kind == "m":
        times = times / np.timedelta64(1, "s")
    units = frames["time"].attrs.get("units", "s") if times_s is None else "s"
    if times.dtype.kind not in "fiu" or units != "s":
        raise InputError(f"times: got {times.dtype} in {units!r}; allowed: numbers in s; give times_s")
    if times.shape != (count,):
        raise InputError(f"times: got shape {times.shape}; allowed: ({count},), a time for each frame")
    return times.astype(np.float64)


def _spacing(frames: xr.DataArray, given: Sequence[float] | None) -> tuple[float, float, float]:
    """Return the voxel's size along (z, y, x) in mm."""
    found = given if given is not None else frames.attrs.get("spacing_mm")
    axes = [dim for dim in FRAME_DIMS[1:] if dim in frames.dims]
    if found is None and all(dim in frames.coords and frames.sizes[dim] > 1 for dim in axes):
        found = [float(np.abs(np.diff(frames[dim].values.astype(np.float64))).mean()) for dim in axes]
    if found is None:
        raise InputError(
            "spacing_mm: missing; give the voxel's size along (z, y, x) in mm, or frames with attrs['spacing_mm']"
        )
    sizes = np.asarray(found)
    if len(axes) == 2 and sizes.shape == (2,):
        sizes = np.array([_SLICE_MM, *sizes])
    if sizes.shape != (3,) or sizes.dtype.kind not in "fiu" or not (np.isfinite(sizes) & (sizes > 0)).all():
        raise InputError(f"spacing_mm: got {found!r}; allowed: 3 numbers above 0, the voxel's size along (z, y, x)")
    return float(sizes[0]), float(sizes[1]), float(sizes[2])


def _coordinate(frames: xr.DataArray, name: str) -> npt.ArrayLike | None:
    """Return a coordinate with its axes in order; None where there is none."""
    if name not in frames.coords:
        return None
    part = frames[name]
    values: npt.ArrayLike = part.transpose(*(dim for dim in FRAME_DIMS if dim in part.dims)).values
    return values


def _mask(name: str, values: npt.ArrayLike | None, shape: tuple[int, ...]) -> Mask | None:
    if values is None:
        return None
    mask = np.asarray(values)
    if mask.shape == shape[1:] and shape[0] == 1:
        mask = mask[np.newaxis]
    if mask.shape != shape or mask.dtype != bool:
        raise InputError(f"{name}: got {mask.dtype} of shape {mask.shape}; allowed: bool of shape {shape}")
    if name == "brain" and not mask.any():
        raise InputError("brain: got an empty mask; allowed: at least one voxel")
    return mask


def _places(at: Places, shape: tuple[int, ...]) -> tuple[Place, ...]:
    """Return voxels, one or several, as indices (z, y, x)."""
    if at is None:
        return ()
    rows = np.atleast_2d(np.asarray(at))
    if rows.ndim == 2 and rows.shape[1] == 2 and shape[0] == 1:
        rows = np.insert(rows, 0, 0, axis=1)
    fits = rows.ndim == 2 and rows.shape[1] == 3 and rows.size and rows.dtype.kind in "iu"
    if not fits or not ((rows >= 0) & (rows < shape)).all():
        raise InputError(f"aif_at: got {at!r}; allowed: an index (z, y, x) below {shape}, or several")
    return tuple((int(z), int(y), int(x)) for z, y, x in rows)


def _curve(name: str, values: npt.ArrayLike | None, count: int) -> Float32 | None:
    if values is None:
        return None
    curve = np.asarray(values)
    if curve.shape != (count,) or curve.dtype.kind not in "fiu" or not np.isfinite(curve).all():
        raise InputError(
            f"{name}: got {curve.dtype} of shape {curve.shape}; allowed: ({count},) finite numbers, HU above baseline"
        )
    if name == "aif" and not curve.max() > 0:
        raise InputError("aif: got no positive value; allowed: a curve that rises above baseline")
    return curve.astype(np.float32)
