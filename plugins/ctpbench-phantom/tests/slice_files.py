"""Writes a simulated slice in the formats that `prepared_slices` and `fau_phantom` read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ctpbench_phantom.series import SliceSeries

LOWEST, COUNT = 20, 6  # slices of the volumes that hold brain


def prepared_arrays(source: SliceSeries) -> dict[str, np.ndarray]:
    """Return the arrays of a prepared slice."""
    cbf, cbv, mtt = source.maps[:3]
    baseline = source.series[0]
    return {
        "frames": source.series - baseline,
        "baseline": baseline,
        "brain": np.isfinite(cbf),
        "aif": source.aif,
        "cbf": cbf,
        "cbv": cbv,
        "mtt": mtt,
        "times": source.times_s,
    }


def write_volumes(folder: Path, source: SliceSeries) -> Path:
    """Write volumes as the original's own software does: six slices of a head, 0 where nothing is stored."""
    size = source.series.shape[-1]
    tissue = np.nan_to_num(source.maps[0]) > 0

    def write(name: str, image: np.ndarray) -> None:
        volume = np.zeros((size, size, size), "<f4")
        volume[LOWEST : LOWEST + COUNT] = image.T  # the first axis is the fastest
        volume.tofile(folder / name)

    stored = np.where(source.series > -500, source.series, 0)
    write("baseline", stored[0])
    for name, values in zip(("cbf", "cbv", "mtt"), source.maps, strict=False):
        write(name, np.where(tissue, values, 0))
    for k, frame in enumerate(stored):
        write(str(k + 1), frame)
    return folder
