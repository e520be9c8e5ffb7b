"""One scan as a scanner delivers it, and what it must keep to.

Arrays are xarray objects with these dimensions: ``time`` (s), ``z``, ``y``, ``x`` (mm). Those that a component is given
are read-only: it works on copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import CSF_HU, Float32, Float64, Mask
from ctpbench.errors import DataError

if TYPE_CHECKING:
    import xarray as xr

FRAME_DIMS = ("time", "z", "y", "x")
MIN_FRAMES = 3
RADIOLOGICAL = "z to the head, y to the back, x to the left"
"""How the axes of a scan lie in the patient where pictures show it as radiologists see it, from below the feet."""
OBSERVATION_COORDS = ("time", "z", "y", "x", "brain", "vessels", "aif", "vof")
"""The coordinates that frames may have; all but ``vof`` they must have."""


@dataclass(frozen=True)
class Observation:
    """One scan as a scanner delivers it: all that a denoiser may ever see.

    Attributes
    ----------
    frames : DataArray, (time, z, y, x), float32, HU
        Finite; 3 frames or more. Coordinates: ``time`` in s, strictly increasing; ``z``, ``y``, ``x`` in mm; ``brain``
        and ``vessels``, bool, (z, y, x); ``aif`` and (where known) ``vof``, float32, (time), HU above baseline; and no
        other. ``attrs["spacing_mm"]`` is the voxel's size along (z, y, x). ``attrs["axes"]`` is `RADIOLOGICAL` where
        it is known that the axes lie so in the patient: pictures then say which side is which. Further attributes are
        remarks about the scan: text, numbers, short lists of them.
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
        radiological: bool = False,
    ) -> Observation:
        """Build an Observation from plain arrays of the shapes and units given above, and check it.

        `radiological` says that its axes are known to be `RADIOLOGICAL`.

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
        import xarray as xr  # here, for who makes none does without

        values = np.asarray(frames)
        if values.ndim != 4:
            raise DataError(f"frames: got shape {values.shape}; allowed: 4 axes (time, z, y, x)")
        axes = {
            dim: (dim, np.arange(n) * float(step), {"units": "mm"})
            for dim, n, step in zip(FRAME_DIMS[1:], values.shape[1:], spacing_mm, strict=True)
        }
        axes_known = {"axes": RADIOLOGICAL} if radiological else {}
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
                attrs={"units": "HU", "spacing_mm": [float(s) for s in spacing_mm], **axes_known},
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
        return np.asarray(self._of("time"), dtype=np.float64)

    @property
    def dt_s(self) -> float:
        """Frame interval in s: the median where frames are irregular."""
        return float(np.median(np.diff(self.times_s)))

    @property
    def aif(self) -> Float32:
        """Arterial input function, (time), HU above baseline."""
        return np.asarray(self._of("aif"), dtype=np.float32)

    @property
    def tissue(self) -> Mask:
        """Brain without major vessels, (z, y, x), bool: where maps are compared."""
        return np.asarray(self._of("brain") & ~self._of("vessels"), dtype=bool)

    def solid(self, csf_hu: float = CSF_HU) -> Mask:
        """Tissue without fluid, (z, y, x), bool: where the mean over all frames is `csf_hu` or more."""
        return np.asarray(self.tissue & (self.frames.values.mean(axis=0) >= csf_hu), dtype=bool)

    def _of(self, name: str) -> npt.NDArray[Any]:
        """Return a coordinate's values; ``frames[name].values`` are the same and take ten times as long."""
        values: npt.NDArray[Any] = self.frames.coords.variables[name].values
        return values


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
    held = frames.coords.variables  # `frames[name]` makes an array of its own, which takes ten times as long
    if frames.dims != FRAME_DIMS:
        faults.append(f"frames: got dims {frames.dims}; allowed: {FRAME_DIMS}")
    if frames.dtype != np.float32:
        faults.append(f"frames: got dtype {frames.dtype}; allowed: float32")
    elif not np.isfinite(frames.values).all():
        faults.append("frames: got NaN or infinity; allowed: finite HU")
    missing = [name for name in OBSERVATION_COORDS if name != "vof" and name not in held]
    if missing:
        faults.append(f"frames: coordinates missing: {', '.join(missing)}")
        raise DataError("observation: " + "; ".join(faults))
    if frames.sizes.get("time", 0) < MIN_FRAMES or not (np.diff(held["time"].values) > 0).all():
        faults.append(
            f"time: got fewer than {MIN_FRAMES} frames or times that do not increase; "
            f"allowed: {MIN_FRAMES} or more, increasing"
        )
    for mask in ("brain", "vessels"):
        if held[mask].dims != FRAME_DIMS[1:] or held[mask].dtype != bool:
            faults.append(f"{mask}: got {held[mask].dtype} {held[mask].dims}; allowed: bool ('z', 'y', 'x')")
    if held["brain"].dtype == bool and not held["brain"].values.any():
        faults.append("brain: got an empty mask; allowed: at least one voxel")
    for curve in ("aif", "vof"):
        if curve in held and not np.isfinite(held[curve].values).all():
            faults.append(f"{curve}: got NaN or infinity; allowed: finite HU")
    if not held["aif"].values.max(initial=0) > 0:
        faults.append("aif: got no positive sample; allowed: a curve that rises above baseline")
    if len(frames.attrs.get("spacing_mm", ())) != 3:
        faults.append("frames: attrs['spacing_mm'] missing; allowed: voxel size (z, y, x) in mm")
    if faults:
        raise DataError("observation: " + "; ".join(faults))
