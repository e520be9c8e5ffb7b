"""From frames to concentration: the baseline subtracted, irregular frame times made uniform."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ctpbench.errors import DataError

_UNIFORM_S = 1e-6
_JITTER = 0.02  # of a frame interval: time stamps this far from uniform are rounding


def subtract_baseline(frames: npt.ArrayLike, baseline_frames: int = 2) -> npt.NDArray[np.float32]:
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

    Source: Wu, Ren, Li, eq. 1.
    """
    series = np.asarray(frames)
    length = series.shape[0] if series.ndim else 0
    if not 1 <= baseline_frames < length:
        raise DataError(f"baseline: got {baseline_frames} early frames of {length}; allowed: 1 to {length - 1}")
    baseline = series[:baseline_frames].mean(axis=0, dtype=np.float32)
    concentration: npt.NDArray[np.float32] = np.subtract(series, baseline, dtype=np.float32)
    return concentration


def resample(curves: npt.ArrayLike, times_s: npt.ArrayLike) -> tuple[npt.NDArray[np.float32], float]:
    """Bring curves onto a uniform time grid by linear interpolation.

    The grid starts at the first frame, its interval is the median of the given ones, and it ends at or before
    the last frame. Times that are uniform within 1e-6 s leave the curves as they are.

    Parameters
    ----------
    curves : array, (time, ...)
        The AIF, or concentrations with their spatial axes.
    times_s : array, (time,), s
        Strictly increasing.

    Returns
    -------
    curves : array, (time, ...), float32
        Its length differs from the input's where the times were irregular.
    dt_s : float
        The interval of the grid in s.

    Raises
    ------
    DataError
        Where the times are fewer than 2, not finite, not increasing, or not one for each frame.
    """
    values = np.asarray(curves, dtype=np.float32)
    times = np.asarray(times_s, dtype=np.float64)
    if times.ndim != 1 or times.size < 2 or values.shape[:1] != times.shape:
        raise DataError(
            f"times: got shape {times.shape} for curves of shape {values.shape}; "
            "allowed: one time for each frame, at least 2"
        )
    intervals = np.diff(times)
    if not (np.isfinite(times).all() and (intervals > 0).all()):
        raise DataError("times: got times that are not finite or do not increase; allowed: increasing, in s")
    dt_s = float(np.median(intervals))
    if np.abs(intervals - dt_s).max() <= _UNIFORM_S:
        return values, dt_s
    # A thousandth of an interval forgives rounded time stamps, which would otherwise cost the last frame.
    length = int((times[-1] - times[0]) / dt_s + 1e-3) + 1
    return interpolate(values, times, times[0] + dt_s * np.arange(length)), dt_s


def interpolate(
    curves: npt.NDArray[np.float32], times_s: npt.NDArray[np.float64], grid_s: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
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
    interpolated: npt.NDArray[np.float32] = curves[left] * (1 - weight) + curves[left + 1] * weight
    return interpolated


def uniform_times(frame_times_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
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
    dt_s = float(np.median(intervals))
    even: npt.NDArray[np.float64] = np.arange(len(times)) * (times[-1] - times[0]).mean() / (len(times) - 1)
    if is_on_grid(times, even):
        return even
    first, last = float(times[0].max()), float(times[-1].min())
    grid: npt.NDArray[np.float64] = first + dt_s * np.arange(int((last - first) / dt_s + 1e-3) + 1, dtype=np.float64)
    if grid.size < 3:
        raise DataError("times: the slices have fewer than 3 frames in common; check their time stamps")
    return grid


def on_grid(
    frames: npt.NDArray[np.float32], frame_times_s: npt.NDArray[np.float64], times_s: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
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


def is_on_grid(frame_times_s: npt.NDArray[np.float64], times_s: npt.NDArray[np.float64]) -> bool:
    """Return whether frames taken at (time, z), s, are those of a uniform grid, (time), but for rounding."""
    if len(frame_times_s) != times_s.size:
        return False
    away_s = np.abs(frame_times_s - times_s[:, np.newaxis]).max()
    return bool(away_s <= _JITTER * (times_s[1] - times_s[0]))
