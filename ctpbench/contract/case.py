"""What a dataset hands over: an Observation for the methods and, apart from it, the Truth for the scores.

Arrays are xarray objects with these dimensions: ``time`` (s), ``z``, ``y``, ``x`` (mm), ``map`` and ``roi``. Those that
a component is given are read-only: it works on copies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from ctpbench.arrays import Float32, Float64, Mask
from ctpbench.errors import DataError

FRAME_DIMS = ("time", "z", "y", "x")
MAP_DIMS = ("map", "z", "y", "x")
ROI_DIMS = ("roi", "z", "y", "x")
MIN_FRAMES = 3
OBSERVATION_COORDS = ("time", "z", "y", "x", "brain", "vessels", "aif", "vof")
"""The coordinates that frames may have; all but ``vof`` they must have."""
MAPS = ("cbf", "cbv", "mtt", "ttp", "tmax")
MAP_UNITS = {"cbf": "mL/100 g/min", "cbv": "mL/100 g", "mtt": "s", "ttp": "s", "tmax": "s"}


@dataclass(frozen=True)
class Observation:
    """One scan as a scanner delivers it: all that a denoiser may ever see.

    Attributes
    ----------
    frames : DataArray, (time, z, y, x), float32, HU
        Finite; 3 frames or more. Coordinates: ``time`` in s, strictly increasing; ``z``, ``y``, ``x`` in mm; ``brain``
        and ``vessels``, bool, (z, y, x); ``aif`` and (where known) ``vof``, float32, (time), HU above baseline; and no
        other. ``attrs["spacing_mm"]`` is the voxel's size along (z, y, x). Further attributes are remarks about the
        scan: text, numbers, short lists of them.
    """

    frames: xr.DataArray

    @classmethod
    def of(
        cls,
        frames: npt.ArrayLike,
        *,
        times_s: npt.ArrayLike,
        spacing_mm: Sequence[float],
        brain: npt.ArrayLike,
        vessels: npt.ArrayLike,
        aif: npt.ArrayLike,
        vof: npt.ArrayLike | None = None,
    ) -> Observation:
        """Build an Observation from plain arrays of the shapes and units given above, and check it.

        Raises
        ------
        DataError
            Where a shape, dtype or value breaks the contract.

        Examples
        --------
        >>> observation = Observation.of(
        ...     np.zeros((3, 1, 2, 2), np.float32), times_s=[0, 2, 4], spacing_mm=(5, 1, 1),
        ...     brain=np.ones((1, 2, 2), bool), vessels=np.zeros((1, 2, 2), bool), aif=[0, 80, 20],
        ... )
        >>> observation.frames.sizes["time"], observation.dt_s, int(observation.tissue.sum())
        (3, 2.0, 4)
        """
        values = np.asarray(frames)
        if values.ndim != 4:
            raise DataError(f"frames: got shape {values.shape}; allowed: 4 axes (time, z, y, x)")
        axes = {
            dim: (dim, np.arange(n) * float(step), {"units": "mm"})
            for dim, n, step in zip(FRAME_DIMS[1:], values.shape[1:], spacing_mm, strict=True)
        }
        curves = {"aif": aif} if vof is None else {"aif": aif, "vof": vof}
        try:
            array = xr.DataArray(
                values,
                dims=FRAME_DIMS,
                coords={
                    "time": ("time", np.asarray(times_s, dtype=np.float64), {"units": "s"}),
                    **axes,
                    "brain": (FRAME_DIMS[1:], np.asarray(brain)),
                    "vessels": (FRAME_DIMS[1:], np.asarray(vessels)),
                    **{k: ("time", np.asarray(v, dtype=np.float32), {"units": "HU"}) for k, v in curves.items()},
                },
                attrs={"units": "HU", "spacing_mm": [float(s) for s in spacing_mm]},
                name="frames",
            )
        except ValueError as error:
            raise DataError(f"observation: {error}") from error
        observation = cls(array)
        check_observation(observation)
        return observation

    @property
    def times_s(self) -> Float64:
        """Frame times, (time), s."""
        return np.asarray(self.frames["time"].values, dtype=np.float64)

    @property
    def dt_s(self) -> float:
        """Frame interval in s: the median where frames are irregular."""
        return float(np.median(np.diff(self.times_s)))

    @property
    def aif(self) -> Float32:
        """Arterial input function, (time), HU above baseline."""
        return np.asarray(self.frames["aif"].values, dtype=np.float32)

    @property
    def tissue(self) -> Mask:
        """Brain without major vessels, (z, y, x), bool: where maps are compared."""
        return np.asarray(self.frames["brain"].values & ~self.frames["vessels"].values, dtype=bool)


@dataclass(frozen=True)
class Truth:
    """What is known of a case beyond its observation. Only metrics see it; each part may be unknown.

    Sizes and coordinates are those of the observation's frames.

    Attributes
    ----------
    maps : DataArray, (map, z, y, x), float32, units of `MAP_UNITS`, or None
        The true maps, the five of `MAPS` in their order; NaN where a map is undefined (outside tissue) and everywhere
        in a map that is not known.
    frames : DataArray, (time, z, y, x), float32, HU, or None
        The noiseless frames of the same scan.
    labels : DataArray, (z, y, x), int8, or None
        Tissue classes, ``attrs["flag_values"]`` and ``attrs["flag_meanings"]`` (blank-separated) as in CF.
    rois : DataArray, (roi, z, y, x), bool, or None
        Regions of interest that are known or were drawn by people, each named once by the coordinate `roi`:
        ``"core"``, the infarct's, and ``"white_matter"``, flat and healthy. They lie within the brain, but for an edge
        that its mask may miss. A region that this case has nothing of is empty or left out. See `regions`.
    """

    maps: xr.DataArray | None = None
    frames: xr.DataArray | None = None
    labels: xr.DataArray | None = None
    rois: xr.DataArray | None = None


@dataclass(frozen=True)
class Case:
    """One scan with its identity.

    Attributes
    ----------
    id : str
        Unique within a dataset, and what `ctpbench.Dataset.load` was asked for.
    observation : Observation
    truth : Truth or None
        None for unlabelled data.
    inspection : mapping or None
        What was found out about a recorded scan, by name: text, booleans and finite numbers of Python's own types,
        which every result carries. See `ctpbench.Inspection.facts`.
    """

    id: str
    observation: Observation
    truth: Truth | None = None
    inspection: Mapping[str, bool | float | str] | None = None


@dataclass(frozen=True)
class TrainingCase:
    """What `Trainable.fit` is given: `clean` is None unless the method declares that it learns from clean."""

    id: str
    observation: Observation
    clean: xr.DataArray | None = None


@dataclass(frozen=True)
class ScoredCase:
    """One case with a method's answer, as a metric reads it: read-only. All maps of a case set are scaled alike.

    Attributes
    ----------
    id : str
    observation : Observation
    maps : DataArray, (map, z, y, x), float32
        The method's maps.
    noiseless : DataArray, (map, z, y, x), float32, or None
        Maps of the noiseless frames through the same deconvolution.
    truth : Truth or None
    concentration : DataArray, (time, z, y, x), float32, HU, or None
        The method's concentration; None for a method that emits residues and no frames.
    noiseless_concentration : DataArray, (time, z, y, x), float32, HU, or None
    rois : DataArray, (roi, z, y, x), bool, or None
        The truth's regions of interest; ``"white_matter"``, where the truth knows none, as found in the
        unfiltered frames, the same for every method. None where there is none.
    """

    id: str
    observation: Observation
    maps: xr.DataArray
    noiseless: xr.DataArray | None = None
    truth: Truth | None = None
    concentration: xr.DataArray | None = None
    noiseless_concentration: xr.DataArray | None = None
    rois: xr.DataArray | None = None


def regions(**masks: npt.ArrayLike) -> xr.DataArray:
    """Return named masks, each bool (z, y, x), as the regions of interest of a `Truth`.

    Examples
    --------
    >>> core = np.zeros((1, 2, 2), bool)
    >>> core[0, 0, 1] = True
    >>> rois = regions(core=core, white_matter=~core)
    >>> rois.dims, rois["roi"].values.tolist(), int(rois.sel(roi="core").sum())
    (('roi', 'z', 'y', 'x'), ['core', 'white_matter'], 1)
    """
    stack = np.stack([np.asarray(mask, dtype=bool) for mask in masks.values()])
    return xr.DataArray(stack, dims=ROI_DIMS, coords={"roi": list(masks)}, name="rois")


def check_observation(observation: Observation) -> None:
    """Check an observation against its contract; the harness does so with every case it loads.

    Raises
    ------
    DataError
        Where it is broken; one line that names every fault.

    Examples
    --------
    >>> from ctpbench.testing import example_observation
    >>> sound = example_observation()
    >>> check_observation(sound)
    >>> check_observation(Observation(sound.frames.astype(np.float64)))
    Traceback (most recent call last):
        ...
    ctpbench.errors.DataError: observation: frames: got dtype float64; allowed: float32
    """
    frames, faults = observation.frames, []
    if frames.dims != FRAME_DIMS:
        faults.append(f"frames: got dims {frames.dims}; allowed: {FRAME_DIMS}")
    if frames.dtype != np.float32:
        faults.append(f"frames: got dtype {frames.dtype}; allowed: float32")
    elif not np.isfinite(frames.values).all():
        faults.append("frames: got NaN or infinity; allowed: finite HU")
    missing = [name for name in OBSERVATION_COORDS if name != "vof" and name not in frames.coords]
    if missing:
        faults.append(f"frames: coordinates missing: {', '.join(missing)}")
        raise DataError("observation: " + "; ".join(faults))
    if frames.sizes.get("time", 0) < MIN_FRAMES or not (np.diff(frames["time"].values) > 0).all():
        faults.append(
            f"time: got fewer than {MIN_FRAMES} frames or times that do not increase; "
            f"allowed: {MIN_FRAMES} or more, increasing"
        )
    for mask in ("brain", "vessels"):
        if frames[mask].dims != FRAME_DIMS[1:] or frames[mask].dtype != bool:
            faults.append(f"{mask}: got {frames[mask].dtype} {frames[mask].dims}; allowed: bool ('z', 'y', 'x')")
    if frames["brain"].dtype == bool and not frames["brain"].values.any():
        faults.append("brain: got an empty mask; allowed: at least one voxel")
    for curve in ("aif", "vof"):
        if curve in frames.coords and not np.isfinite(frames[curve].values).all():
            faults.append(f"{curve}: got NaN or infinity; allowed: finite HU")
    if not frames["aif"].values.max(initial=0) > 0:
        faults.append("aif: got no positive sample; allowed: a curve that rises above baseline")
    if len(frames.attrs.get("spacing_mm", ())) != 3:
        faults.append("frames: attrs['spacing_mm'] missing; allowed: voxel size (z, y, x) in mm")
    if faults:
        raise DataError("observation: " + "; ".join(faults))


def check_output(output: object, dims: Sequence[str], like: xr.DataArray, name: str) -> xr.DataArray:
    """Return a method's output where it is sound.

    Parameters
    ----------
    output : object
        Must be a float32 DataArray of finite values.
    dims : sequence of str
        Its dimensions, in order.
    like : DataArray
        Sizes and coordinates must equal its, wherever it has the dimension.
    name : str
        What the output is called in messages.

    Raises
    ------
    ValueError
        Where it is not; one line.

    Examples
    --------
    >>> frames = xr.DataArray(np.zeros((3, 2), np.float32), dims=("time", "x"))
    >>> check_output(frames.copy(), ("time", "x"), frames, "denoise").dims
    ('time', 'x')
    >>> check_output(frames[1:], ("time", "x"), frames, "denoise")
    Traceback (most recent call last):
        ...
    ValueError: denoise: got 2 along time; allowed: 3
    """
    if not isinstance(output, xr.DataArray):
        raise ValueError(f"{name}: got {type(output).__name__}; allowed: DataArray {tuple(dims)}")
    if output.dims != tuple(dims):
        raise ValueError(f"{name}: got dims {output.dims}; allowed: {tuple(dims)}")
    for dim in dims:
        if dim not in like.dims:
            continue
        if output.sizes[dim] != like.sizes[dim]:
            raise ValueError(f"{name}: got {output.sizes[dim]} along {dim}; allowed: {like.sizes[dim]}")
        if dim in output.coords and not np.array_equal(output[dim].values, like[dim].values):
            raise ValueError(f"{name}: coordinate {dim} was changed; allowed: the input's")
    if output.dtype != np.float32:
        raise ValueError(f"{name}: got dtype {output.dtype}; allowed: float32")
    bad = int(np.size(output.values) - np.isfinite(output.values).sum())
    if bad:
        raise ValueError(f"{name}: got {bad} values that are NaN or infinite; allowed: finite values")
    return output
