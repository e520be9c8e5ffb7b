"""What the datasets share: parameters of the scanner, a slice scanned once for all doses, and the truth to it."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr
from pydantic import Field

from ctpbench import MAPS, DataError, Truth, regions

if TYPE_CHECKING:
    from ctpbench_phantom.scanner import LineIntegrals, Scanner

_HEAD_MM = 200.0  # what the field of view must hold
_DETECTOR_ARC_MM = 384 * 1.2858  # the whole detector of Table I; `detectors` divides it
_AIR_HU = -500.0  # what is below is outside the head, where no noise is wanted
_PLACE = ("z", "y", "x")

Views = Annotated[int, Field(ge=16, multiple_of=8, examples=[120], description="views per rotation, a multiple of 8")]
Detectors = Annotated[
    int, Field(ge=32, multiple_of=2, examples=[96], description="detector elements, which divide an arc of 493.7 mm")
]
Window = Literal["hann", "ramp", "shepp-logan", "cosine", "hamming"]


@dataclass(frozen=True)
class SliceScan:
    """What all doses of a scanned slice share.

    Attributes
    ----------
    head : ndarray, (y, x), bool
        Where there is more than air.
    lines : LineIntegrals
        Without noise.
    noiseless : ndarray, (time, y, x), float32, HU
        The frames that they give.
    """

    head: npt.NDArray[np.bool_]
    lines: LineIntegrals
    noiseless: npt.NDArray[np.float32]


def table_scanner(
    pixel_mm: float, views: int, detectors: int, window: Window = "hann", electronic_sigma: float = 0.0
) -> Scanner:
    """Return the scanner of the paper's Table I, more coarsely sampled where fewer views or detectors are asked for."""
    from ctpbench_phantom.scanner import FanBeam, Scanner

    fan = FanBeam(views=views, detectors=detectors, pitch_mm=_DETECTOR_ARC_MM / detectors)
    return Scanner(fan, pixel_mm, window=window, electronic_sigma=electronic_sigma)


def scan_slice(series_hu: npt.NDArray[np.float32], scanner: Scanner) -> SliceScan:
    """Return the scan of one slice's series, (time, y, x), HU, without noise."""
    from ctpbench_phantom.scanner import acquire, reconstruct

    lines = acquire(series_hu, scanner)
    return SliceScan(series_hu[0] > _AIR_HU, lines, reconstruct(lines, scanner, series_hu.shape[1:]))


def frames_at(scan: SliceScan, scanner: Scanner, n0: float | None, seed: int) -> npt.NDArray[np.float32]:
    """Return the frames at `n0` photons per ray, (time, y, x), HU; those without noise where it is None."""
    if n0 is None:
        return scan.noiseless
    from ctpbench_phantom.scanner import reconstruct

    return reconstruct(scan.lines, scanner, scan.head.shape, n0=float(n0), seed=seed, roi=scan.head)


def noise_seed(seed: int, scan: str, noise: float) -> int:
    """Return a seed of its own for each dataset's seed, name of a scan and N0, the same in every process."""
    level = struct.unpack("<2I", struct.pack("<d", noise))
    state = np.random.SeedSequence([seed, *level, *scan.encode()]).generate_state(1, np.uint64)
    return int(state[0]) >> 1  # fits a signed 64-bit integer


def check_photons(dataset: str, noise: float | None) -> None:
    """Raise DataError where a noise level is no number of photons."""
    if noise is not None and not (math.isfinite(noise) and noise > 0):
        raise DataError(f"{dataset}: noise: got {noise}; allowed: photons per ray above 0, such as 2e5, or none")


def check_field_of_view(size_px: int, pixel_mm: float) -> None:
    """Raise ValueError where the head does not fit into the image."""
    if size_px * pixel_mm < _HEAD_MM:
        raise ValueError(
            f"size_px {size_px} x pixel_mm {pixel_mm:g} is a field of view of "
            f"{size_px * pixel_mm:g} mm; allowed: {_HEAD_MM:g} mm or more, to hold the head"
        )


def truth_of(
    frames: npt.NDArray[np.float32],
    maps: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int8] | None,
    times_s: npt.NDArray[np.float64],
    spacing_mm: tuple[float, float, float],
) -> Truth:
    """Return the truth of a scan, whose core is where the labels say so. The arrays are kept, not copied.

    Parameters
    ----------
    frames : ndarray, (time, z, y, x), float32, HU
        Without noise.
    maps : ndarray, (map, z, y, x), float32
        In the order and units of `ctpbench.MAPS`; NaN where undefined.
    labels : ndarray, (z, y, x), int8, or None
        Values of `Tissue`.
    times_s : ndarray, (time), s
    spacing_mm : tuple of 3 floats
        Along (z, y, x).
    """
    steps = zip(_PLACE, frames.shape[1:], spacing_mm, strict=True)
    axes = {dim: (dim, np.arange(n) * step, {"units": "mm"}) for dim, n, step in steps}
    times = {"time": ("time", times_s, {"units": "s"})}
    return Truth(
        maps=xr.DataArray(maps, dims=("map", *_PLACE), coords={"map": list(MAPS), **axes}, name="maps"),
        frames=xr.DataArray(
            frames, dims=("time", *_PLACE), coords={**times, **axes}, attrs={"units": "HU"}, name="frames"
        ),
        labels=None if labels is None else _labels(labels).assign_coords(axes),
        rois=None if labels is None else _core(labels),
    )


def _labels(values: npt.NDArray[np.int8]) -> xr.DataArray:
    from ctpbench_phantom.anatomy import Tissue

    flags = {
        "flag_values": np.array([int(tissue) for tissue in Tissue], np.int8),
        "flag_meanings": " ".join(tissue.name.lower() for tissue in Tissue),
    }
    return xr.DataArray(values, dims=_PLACE, attrs=flags, name="labels")


def _core(labels: npt.NDArray[np.int8]) -> xr.DataArray | None:
    """The infarct's core as a region of interest; None where no slice cuts one."""
    from ctpbench_phantom.anatomy import Tissue

    core = np.isin(labels, [Tissue.GRAY_SEVERE, Tissue.WHITE_SEVERE])
    return regions(core=core) if core.any() else None
