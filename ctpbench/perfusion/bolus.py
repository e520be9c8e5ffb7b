"""A bolus in a curve: whether there is one, when it comes, how wide it is, and how much the scan's end cuts off."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Array, Float32, Float64
from ctpbench.errors import DataError

NO_FALL = 0.75
"""A tail, as a share of the peak, above which a bolus has not fallen: neither its shape nor its area is known."""

_ARRIVED = 0.1  # of the peak
_SHIFTS_S = np.arange(-12.0, 10.5, 0.5)
_OVER_NOISE = 4.0  # a smoothed curve's peak over its noise: a bolus. Noise alone reaches 2.5


def truncation(curve: npt.ArrayLike) -> float:
    """Return how much of a bolus the end of the scan cuts off: the tail as a share of the peak.

    Parameters
    ----------
    curve : array, (time), HU above baseline

    Returns
    -------
    float
        Mean of the last three samples over the highest one: 0 where the bolus is over, 1 where it still rises.

    Raises
    ------
    DataError
        Where no sample is above 0.

    >>> truncation([0, 4, 10, 4, 1, 2, 3])
    0.2
    """
    values = _bolus(curve)
    return max(float(values[-3:].mean() / values.max()), 0.0)


def fwhm_s(curve: npt.ArrayLike, dt_s: float) -> float:
    """Return a bolus's width at half its maximum in s, linearly between frames.

    Parameters
    ----------
    curve : array, (time), HU above baseline
    dt_s : float
        Frame interval in s.

    Returns
    -------
    float
        Where the curve stays above half its maximum, the width ends with the scan.

    Raises
    ------
    DataError
        Where no sample is above 0.

    >>> fwhm_s([0, 5, 10, 8, 4, 0], 2.0)
    5.5
    """
    rise, fall = half_maxima(_bolus(curve))
    return (fall - rise) * dt_s


def arrival_s(curve: npt.ArrayLike, dt_s: float) -> float:
    """Return when a bolus arrives, in s from the first sample: where it last passes a tenth of its peak on the way up.

    Parameters
    ----------
    curve : array, (time), HU above baseline
    dt_s : float
        Frame interval in s.

    Returns
    -------
    float
        Linearly between frames; 0 where the curve is above from the first sample on.

    Raises
    ------
    DataError
        Where no sample is above 0.

    >>> arrival_s([0, 0, 0, 5, 10, 4], 2.0)
    4.4
    """
    values = _bolus(curve)
    peak = int(values.argmax())
    return dt_s * (peak - _frames_above(values[peak::-1], _ARRIVED * values[peak]))


def _bolus(curve: npt.ArrayLike) -> Float64:
    values = np.asarray(curve, dtype=np.float64)
    if values.ndim != 1 or not values.max(initial=0.0) > 0:
        raise DataError(f"curve: got shape {values.shape} or no sample above 0; allowed: (time,) with a peak")
    return values


def half_maxima(curve: Array) -> tuple[float, float]:
    """Return where, in frames, a curve passes half its maximum before and after the peak."""
    peak = int(curve.argmax())
    half = min(curve[peak] / 2, curve[peak])  # the latter where noise leaves no sample above 0
    return peak - _frames_above(curve[peak::-1], half), peak + _frames_above(curve[peak:], half)


def _frames_above(away: Array, level: float) -> float:
    """Return after how many frames a curve that starts at its peak falls below a level; all where it never does."""
    below = np.flatnonzero(away < level)
    if not below.size:
        return float(away.size - 1)
    k = int(below[0])
    return float(k - (level - away[k]) / (away[k - 1] - away[k]))


def rises(smoothing: Float32, curve: Float32) -> bool:
    """Return whether a curve, (time), peaks above its noise, as `over_noise` has it."""
    return over_noise(smoothing, curve) > _OVER_NOISE


def over_noise(smoothing: Float32, curve: Float32) -> float:
    """Return a curve's peak, (time), over its noise, which is taken from its second differences.

    `smoothing`, (time, time), is the matrix that smooths it first.
    """
    noise = np.sqrt(np.mean(np.diff(curve, 2) ** 2) / 6)
    peak = float((smoothing @ curve).max())
    return peak / max(float(noise), float(np.finfo(np.float32).tiny)) if peak > 0 else 0.0


def likeness(curve: Float32, mean: Float32, dt_s: float) -> float:
    """Return the correlation of a curve, (time), with the brain's mean at the shift where it is highest."""
    frames = np.arange(len(mean), dtype=np.float64)
    shapes = np.stack([np.interp(frames - shift / dt_s, frames, mean) for shift in _SHIFTS_S])
    shapes -= shapes.mean(axis=1, keepdims=True)
    centred = curve - curve.mean()
    norms = np.linalg.norm(shapes, axis=1) * np.linalg.norm(centred)
    return float((shapes @ centred / np.maximum(norms, np.finfo(np.float32).tiny)).max())
