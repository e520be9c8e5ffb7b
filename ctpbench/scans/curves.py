"""A curve in a file: an AIF of one's own, of another slab or another program."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from ctpbench.arrays import Float32, Float64
from ctpbench.errors import DataError

_ALLOWED = "two columns, time_s and HU above baseline, separated by commas, semicolons or tabs"
_LEAST = 4  # samples


def read_curve(path: Path, times_s: Float64) -> Float32:
    """Return a file's curve at a scan's times, linearly interpolated.

    Parameters
    ----------
    path : Path
        Text of two columns, times since the scan's first frame in s and HU above baseline, separated by commas,
        semicolons or tabs; a line of titles may come first. Times increase and hold all of the scan's.
    times_s : array, (time), s

    Returns
    -------
    ndarray, (time), float32, HU above baseline

    Raises
    ------
    DataError
        Where the file cannot be read or breaks one of these rules; names it and the line.
    """
    given_s, values_hu = _columns(path)
    since_s = times_s - times_s[0]
    step_s = float(since_s[1])
    if given_s.size < _LEAST:
        raise DataError(f"{path}: got {given_s.size} samples; allowed: {_LEAST} or more lines of {_ALLOWED}")
    later = np.diff(given_s) > 0
    if not later.all():
        place = int(np.argmin(later)) + 1
        raise DataError(
            f"{path}: got {given_s[place]:g} s after {given_s[place - 1]:g} s; allowed: times that increase"
        )
    if given_s[0] > step_s / 2 or given_s[-1] < since_s[-1] - step_s / 2:
        raise DataError(
            f"{path}: got {given_s[0]:g} to {given_s[-1]:g} s; allowed: all of the scan, 0 to {since_s[-1]:g} s after "
            "its first frame; give a longer curve"
        )
    if not values_hu.max() > 0:
        raise DataError(f"{path}: got no value above 0; allowed: HU above baseline with a bolus; subtract the baseline")
    return np.asarray(np.interp(since_s, given_s, values_hu), dtype=np.float32)


def _columns(path: Path) -> tuple[Float64, Float64]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text ({error}); allowed: a file of {_ALLOWED}") from None
    rows: list[tuple[float, float]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        first = not any(before.strip() for before in lines[: number - 1])
        separator = next((mark for mark in "\t;" if mark in line), ",")
        cells = next(csv.reader([line], delimiter=separator))
        try:
            time_s, value_hu = map(float, cells)
        except ValueError:
            if first and len(cells) == 2 and not _is_number(cells[0]):
                continue  # titles
            raise DataError(f"{path}:{number}: got {line.strip()[:60]!r}; allowed: {_ALLOWED}") from None
        if not np.isfinite([time_s, value_hu]).all():
            raise DataError(f"{path}:{number}: got {line.strip()[:60]!r}; allowed: finite numbers")
        rows.append((time_s, value_hu))
    table = np.array(rows, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
