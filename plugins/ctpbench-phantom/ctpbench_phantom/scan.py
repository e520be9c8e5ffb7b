"""A slice scanned once for all doses, the frames at each of them, and the truth of what was scanned."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ctpbench import MAPS, DataError, Truth, regions
from ctpbench_phantom.scanner.geometry import FanBeam, Scanner, Window

if TYPE_CHECKING:
    from ctpbench.arrays import Float32, Float64, Mask
    from ctpbench_phantom.anatomy import Labels
    from ctpbench_phantom.scanner.acquisition import LineIntegrals

_DETECTOR_ARC_MM = 384 * 1.2858  # the whole detector of Table I; `detectors` divides it
_OUTSIDE_HU = -500.0  # what is below is outside the head, where no noise is wanted
_PLACE = ("z", "y", "x")


@dataclass(frozen=True)
class SliceScan:
    """What all doses of a scanned slice share.

    Attributes
    ----------
    head : ndarray, (y, x), bool
        Where there is more than air.
    lines : LineIntegrals
        Without noise.
    images : ndarray, (rank, y, x), float32, 1/mm
        Those of their basis.
    noiseless : ndarray, (time, y, x), float32, HU
        The frames that they give.
    """

    head: Mask
    lines: LineIntegrals
    images: Float32
    noiseless: Float32


def table_scanner(
    pixel_mm: float, views: int, detectors: int, window: Window = "hann", electronic_sigma: float = 0.0
) -> Scanner:
    """Return the scanner of a table, more coarsely sampled with fewer views or detectors.

    Source: Wu, Ren, Li, Table I.
    """
    fan = FanBeam(views=views, detectors=detectors, pitch_mm=_DETECTOR_ARC_MM / detectors)
    return Scanner(fan, pixel_mm, window=window, electronic_sigma=electronic_sigma)


def scan_slice(series_hu: Float32, scanner: Scanner) -> SliceScan:
    """Return the scan of one slice's series, (time, y, x), HU, without noise."""
    from ctpbench_phantom.scanner.acquisition import acquire, basis_images, reconstruct

    lines, shape = acquire(series_hu, scanner), series_hu.shape[1:]
    images = basis_images(lines, scanner, shape)
    noiseless = reconstruct(lines, scanner, shape, images=images)
    return SliceScan(series_hu[0] > _OUTSIDE_HU, lines, images, noiseless)


def frames_at(scan: SliceScan, scanner: Scanner, n0: float | None, seed: int) -> Float32:
    """Return the frames at `n0` photons per ray, (time, y, x), HU; those without noise where it is None."""
    if n0 is None:
        return scan.noiseless
    from ctpbench_phantom.scanner.acquisition import reconstruct

    shape = scan.head.shape
    return reconstruct(scan.lines, scanner, shape, n0=float(n0), seed=seed, roi=scan.head, images=scan.images)


def noise_seed(seed: int, scan: str, noise: float, replicate: int = 0) -> int:
    """Return a seed of its own for each dataset's seed, name of a scan, N0 and draw, the same in every process."""
    level = struct.unpack("<2I", struct.pack("<d", noise))
    draw = (replicate,) if replicate else ()
    sequence = np.random.SeedSequence([seed, *level, *scan.encode()], spawn_key=draw)
    state = sequence.generate_state(1, np.uint64)
    return int(state[0]) >> 1  # fits a signed 64-bit integer


def check_photons(dataset: str, noise: float | None) -> None:
    """Raise DataError where a noise level is no number of photons."""
    if noise is not None and not (math.isfinite(noise) and noise > 0):
        raise DataError(f"{dataset}: noise: got {noise}; allowed: photons per ray above 0, such as 2e5, or none")


def truth_of(
    frames: Float32,
    maps: Float32,
    labels: Labels | None,
    times_s: Float64,
    spacing_mm: tuple[float, float, float],
    resolved: Float32 | None = None,
    rois: Mapping[str, Mask] | None = None,
) -> Truth:
    """Return the truth of a scan, whose core and penumbra are where the labels say so. The arrays are kept, not copied.

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
    resolved : ndarray, (map, z, y, x), float32, or None
        The maps as the scanner resolves them.
    rois : dict of ndarray, (z, y, x), bool, or None
        More regions of interest, by name.
    """
    import xarray as xr  # loads when a slice is simulated, not when a dataset is listed

    steps = zip(_PLACE, frames.shape[1:], spacing_mm, strict=True)
    axes = {dim: (dim, np.arange(n) * step, {"units": "mm"}) for dim, n, step in steps}
    times = {"time": ("time", times_s, {"units": "s"})}
    masks = {**({} if labels is None else _lesion(labels)), **(rois or {})}
    on_maps = {"map": list(MAPS), **axes}
    return Truth(
        maps=xr.DataArray(maps, dims=("map", *_PLACE), coords=on_maps, name="maps"),
        resolved=None
        if resolved is None
        else xr.DataArray(resolved, dims=("map", *_PLACE), coords=on_maps, name="resolved"),
        frames=xr.DataArray(
            frames, dims=("time", *_PLACE), coords={**times, **axes}, attrs={"units": "HU"}, name="frames"
        ),
        labels=None
        if labels is None
        else xr.DataArray(labels, dims=_PLACE, coords=axes, attrs=_meanings(), name="labels"),
        rois=regions(**masks) if masks else None,
    )


def _meanings() -> dict[str, object]:
    """Return what labels mean, as the CF conventions have it."""
    from ctpbench_phantom.anatomy import Tissue

    return {
        "flag_values": np.array([int(tissue) for tissue in Tissue], np.int8),
        "flag_meanings": " ".join(tissue.name.lower() for tissue in Tissue),
    }


def _lesion(labels: Labels) -> dict[str, Mask]:
    """Return core and penumbra, those that a slice cuts."""
    from ctpbench_phantom.anatomy import Tissue

    core = np.isin(labels, [Tissue.GRAY_SEVERE, Tissue.WHITE_SEVERE])
    penumbra = np.isin(labels, [Tissue.GRAY_REDUCED, Tissue.WHITE_REDUCED])
    return {name: mask for name, mask in (("core", core), ("penumbra", penumbra)) if mask.any()}
