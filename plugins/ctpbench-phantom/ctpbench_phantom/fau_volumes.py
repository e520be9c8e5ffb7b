"""Reads the volumes of the original digital brain phantom, which its own ``create_phantom`` writes.

A folder holds ``baseline``, ``cbf``, ``cbv``, ``mtt`` and the frames ``1``, ``2``, ... (the k-th at ``(k - 1) dt``),
each n slices of n x n float32, little-endian, the first axis fastest. Values are HU with 0 where nothing is stored,
and units those of `ctpbench.MAP_UNITS`. The AIF is the phantom's own. Its residue function has the area MTT + 1 s
while its stored CBV uses MTT: the curves lie above the maps, by about 21% in gray matter.

Source: Aichert, Manhart et al., "A realistic digital phantom for perfusion C-arm CT based on MRI data", 2013.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_fill_holes

from ctpbench import MAPS, DataError, FileStamps, file_stamps
from ctpbench.arrays import AIR_HU, Float32
from ctpbench_phantom.aif import grid, phantom_aif
from ctpbench_phantom.series import SliceSeries, at_frames

_LEAST_TISSUE = 0.03  # of a slice's pixels: what has less is the top or the bottom of the head
_MAPS = ("cbf", "cbv", "mtt")


def volume_files(folder: Path) -> list[Path]:
    """Return the files that are read: baseline, maps, then the frames in their order.

    Raises
    ------
    DataError
        Where the folder cannot be read, or a frame is missing.
    """
    try:
        found = list(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror})") from error
    frames = sorted((path for path in found if path.name.isdecimal()), key=lambda path: int(path.name))
    if [path.name for path in frames] != [str(k + 1) for k in range(len(frames))] or len(frames) < 3:
        raise DataError(f"{folder}: got {len(frames)} frames; allowed: files 1, 2, 3, ... without a gap, at least 3")
    return [folder / "baseline", *(folder / name for name in _MAPS), *frames]


def brain_slices(folder: Path) -> range:
    """Return the slices between the lowest and the highest that hold brain tissue.

    Raises
    ------
    DataError
        Where no slice does, or a file cannot be read.
    """
    path = folder / "cbf"
    return _slices_with_flow(path, file_stamps([path]))


@lru_cache(maxsize=4)
def _slices_with_flow(path: Path, stamps: FileStamps) -> range:
    """Look through a volume of CBF once. `stamps` is in the key so that a changed file is read again."""
    share = (_open(path) > 0).mean(axis=(1, 2))
    found = np.flatnonzero(share >= _LEAST_TISSUE)
    if not found.size:
        raise DataError(f"{path}: got no slice with brain tissue; allowed: CBF above 0 in tissue")
    return range(int(found[0]), int(found[-1]) + 1)


def read_volume_slice(folder: Path, index: int, dt_s: float) -> SliceSeries:
    """Return one slice of the volumes, whose frames are `dt_s` apart.

    Raises
    ------
    DataError
        Where a file is missing, of another size, or holds NaN; names it.
    """
    baseline, *rest = (_slice(path, index) for path in volume_files(folder))
    cbf, cbv, mtt, *frames = rest
    times_s = np.arange(len(frames)) * dt_s
    series = np.stack(frames)
    series[:, ~binary_fill_holes(baseline != 0)] = AIR_HU
    tissue = cbf > 0
    ttp = times_s[series.argmax(axis=0)]
    by_name = {"cbf": cbf, "cbv": cbv, "mtt": mtt, "ttp": ttp, "tmax": np.zeros_like(cbf)}
    maps = np.stack([np.where(tissue, by_name[name], np.nan) for name in MAPS]).astype(np.float32)
    aif = at_frames(phantom_aif(grid(times_s[-1])), times_s)
    return SliceSeries(series=series, times_s=times_s, aif=aif, vof=None, maps=maps)


def _slice(path: Path, index: int) -> Float32:
    values = np.array(_open(path)[index].T, dtype=np.float32, order="C")
    if not np.isfinite(values).all():
        raise DataError(f"{path}: slice {index}: got NaN or infinity; allowed: finite values")
    return values


def _open(path: Path) -> Float32:
    """Map a file of n x n x n float32 into memory as (slice, second axis, first axis)."""
    try:
        size = path.stat().st_size
        n = round((size / 4) ** (1 / 3))
        if n < 1 or 4 * n**3 != size:
            raise DataError(f"{path}: got {size} bytes; allowed: n x n x n values of float32; write it again")
        return np.memmap(path, np.dtype("<f4"), "r", shape=(n, n, n))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
