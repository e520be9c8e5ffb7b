"""From frames to concentration: the baseline subtracted, irregular frame times made uniform.

Time stamps are rounded. One that lies within 2% of a frame interval of a uniform grid counts as on it
(`is_on_grid`), here and wherever the core asks whether frames are uniform: such frames are taken as they are, and
only others are interpolated.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float32, Float64
from ctpbench.errors import DataError

_ROUNDING = 0.02  # of a frame interval: how far rounding takes a time stamp


def subtract_baseline(frames: npt.ArrayLike, baseline_frames: int = 2) -> Float32:
    """Subtract from every frame the mean of the first frames, before the bolus arrives.

    Parameters
    ----------
    frames : array, (time, ...), HU
    baseline_frames : int
        T0, how many early frames make the baseline: at least 1, fewer than there are frames.

    Returns
    -------
    array, (time, ...), float32, HU above baseline

    Raises
    ------
    DataError
        Where `baseline_frames` does not fit the series.

    Examples
    --------
    >>> from ctpbench.perfusion import subtract_baseline
    >>> print(subtract_baseline([34, 36, 41, 38]))
    [-1.  1.  6.  3.]

    Source: Wu, Ren, Li, eq. 1.
    """
    series = np.asarray(frames)
    length = series.shape[0] if series.ndim else 0
    if not 1 <= baseline_frames < length:
        raise DataError(f"baseline: got {baseline_frames} early frames of {length}; allowed: 1 to {length - 1}")
    baseline = series[:baseline_frames].mean(axis=0, dtype=np.float32)
    concentration: Float32 = np.subtract(series, baseline, dtype=np.float32)
    return concentration


def resample(curves: npt.ArrayLike, times_s: npt.ArrayLike) -> tuple[Float32, float]:
    """Bring curves onto a uniform time grid by linear interpolation.

    Parameters
    ----------
    curves : array, (time, ...)
        The AIF, or concentrations with their spatial axes.
    times_s : array, (time,), s
        Strictly increasing.

    Returns
    -------
    curves : array, (grid, ...), float32
        At the times of `uniform_grid`: the given curves where these are on it, see `is_on_grid`.
    dt_s : float
        The interval of the grid in s.

    Raises
    ------
    DataError
        Where the times are fewer than 2, not finite, not increasing, or not one for each frame.

    Examples
    --------
    The frame at 3 s is missing.

    >>> from ctpbench.perfusion import resample
    >>> curve, dt_s = resample([0, 10, 20, 40, 30], [0, 1, 2, 4, 5])
    >>> print(curve, dt_s)
    [ 0. 10. 20. 30. 40. 30.] 1.0
    """
    values, times = np.asarray(curves, dtype=np.float32), np.asarray(times_s, dtype=np.float64)
    grid_s, dt_s = uniform_grid(times)
    if values.shape[:1] != times.shape:
        raise DataError(
            f"times: got shape {times.shape} for curves of shape {values.shape}; allowed: one time for each frame"
        )
    return (values if is_on_grid(times, grid_s) else interpolate(values, times, grid_s)), dt_s


def uniform_grid(times_s: npt.ArrayLike) -> tuple[Float64, float]:
    """Return the uniform grid for frames taken at some times, and its interval.

    It starts at the first frame and ends at the last or less than an interval before. Its interval is the median of
    the given ones; where the frames are uniform at their mean interval alone, it is that.

    Parameters
    ----------
    times_s : array, (time,), s
        Strictly increasing.

    Returns
    -------
    grid_s : array, (grid,), float64, s
    dt_s : float
        Its interval in s.

    Raises
    ------
    DataError
        Where the times are fewer than 2, not finite or not increasing.
    """
    times = np.asarray(times_s, dtype=np.float64)
    if times.ndim != 1 or times.size < 2:
        raise DataError(f"times: got shape {times.shape}; allowed: (time,), at least 2")
    intervals = np.diff(times)
    if not (np.isfinite(times).all() and (intervals > 0).all()):
        raise DataError("times: got times that are not finite or do not increase; allowed: increasing, in s")
    first_s, last_s, dt_s = float(times[0]), float(times[-1]), float(np.median(intervals))
    grid = _grid(first_s, last_s, dt_s)
    if not is_on_grid(times, grid):  # rounded, the median may be off by so much that a long series drifts from it
        mean_s = (last_s - first_s) / intervals.size
        even = _grid(first_s, last_s, mean_s)
        if is_on_grid(times, even):
            return even, mean_s
    return grid, dt_s


def interpolate(curves: Float32, times_s: Float64, grid_s: Float64) -> Float32:
    """Return curves at other times, by linear interpolation; the first and last frame hold beyond the ends.

    Parameters
    ----------
    curves : array, (time, ...), float32
    times_s : array, (time,), s
        Strictly increasing, at least 2.
    grid_s : array, (grid,), s

    Returns
    -------
    array, (grid, ...), float32
    """
    grid = np.clip(grid_s, times_s[0], times_s[-1])
    left = np.clip(np.searchsorted(times_s, grid, side="right") - 1, 0, times_s.size - 2)
    weight = ((grid - times_s[left]) / np.diff(times_s)[left]).astype(np.float32)
    weight = weight.reshape(-1, *(1,) * (curves.ndim - 1))
    interpolated: Float32 = curves[left] * (1 - weight) + curves[left + 1] * weight
    return interpolated


def uniform_times(frame_times_s: Float64) -> Float64:
    """Return the uniform time grid of a scan: its own times but for rounding, where they are uniform.

    Else it lies within what every slice saw, at the median interval.

    Parameters
    ----------
    frame_times_s : array, (time, z), s
        When each slice of each frame was taken.

    Returns
    -------
    array, (grid,), s

    Raises
    ------
    DataError
        Where there are fewer than 3 frames, or times do not increase.
    """
    times = frame_times_s
    intervals = np.diff(times, axis=0)
    if len(times) < 3 or not np.isfinite(times).all() or not (intervals > 0).all():
        raise DataError(
            f"times: got {len(times)} frames, or times that do not increase; allowed: 3 or more, increasing"
        )
    even: Float64 = np.arange(len(times)) * (times[-1] - times[0]).mean() / (len(times) - 1)
    if is_on_grid(times, even):
        return even
    grid = _grid(float(times[0].max()), float(times[-1].min()), float(np.median(intervals)))
    if grid.size < 3:
        raise DataError(
            f"times: got slices with {grid.size} of {len(times)} frames in common; allowed: 3 or more; "
            "check their time stamps"
        )
    return grid


def on_grid(frames: Float32, frame_times_s: Float64, times_s: Float64) -> Float32:
    """Bring frames, each slice taken at its own times, onto one grid.

    Parameters
    ----------
    frames : array, (time, z, y, x), float32
    frame_times_s : array, (time, z), s
    times_s : array, (grid,), s
        Uniform: see `uniform_times`.

    Returns
    -------
    array, (grid, z, y, x), float32
        The frames themselves where they are on the grid.
    """
    if is_on_grid(frame_times_s, times_s):
        return frames
    placed = np.empty((times_s.size, *frames.shape[1:]), np.float32)
    for z in range(frames.shape[1]):
        placed[:, z] = interpolate(frames[:, z], frame_times_s[:, z], times_s)
    return placed


def is_on_grid(times_s: Float64, grid_s: Float64) -> bool:
    """Return whether frames are those of a uniform grid: each within 2% of its interval, which is rounding.

    Parameters
    ----------
    times_s : array, (time,) or (time, z), s
        When each frame, or each slice of it, was taken.
    grid_s : array, (grid,), s
        Uniform, at least 2.

    Examples
    --------
    >>> import numpy as np
    >>> is_on_grid(np.array([0, 1.015, 2.0, 2.99]), np.arange(4.0))
    True
    >>> is_on_grid(np.array([0, 1.03, 2.0, 2.99]), np.arange(4.0))
    False
    """
    if len(times_s) != grid_s.size:
        return False
    away_s = np.abs(times_s.T - grid_s).max()
    return bool(away_s <= _ROUNDING * (grid_s[1] - grid_s[0]))


def _grid(first_s: float, last_s: float, dt_s: float) -> Float64:
    """Return the times from the first to the last at this interval, the last one within rounding."""
    frames = int((last_s - first_s) / dt_s + _ROUNDING) + 1
    grid: Float64 = first_s + dt_s * np.arange(frames, dtype=np.float64)
    return grid
