"""Arterial input function and venous outflow: enhancement curves on a fine grid of times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline
from scipy.special import lambertw

from ctpbench import DataError
from ctpbench.arrays import Float64

GRID_S = 0.1  # step of the fine grid
ARRIVAL_S = 7.0  # the built-in curve is zero up to here
# HU at t = 1, 3, 5, ..., 49 s: the digital brain phantom's input function (Aichert et al., 2013).
_FIRST_PASS_HU = (0, 0, 0, 0, 25, 105, 220, 350, 440, 485, 430, 300, 180, 110, 104)
_SECOND_PASS_HU = (108, 115, 125, 115, 108, 98, 90, 98, 108, 112)
_RECIRCULATION_S = 12.0
_RECIRCULATION_SPREAD_S = 8.0


def grid(end_s: float) -> Float64:
    """Return the fine grid's times, s, from 0 to at least `end_s`."""
    return np.arange(int(np.ceil(end_s / GRID_S - 1e-9)) + 1) * GRID_S


def phantom_aif(times_s: npt.ArrayLike) -> Float64:
    """Return the digital brain phantom's AIF.

    A cubic spline through the published samples, zero until 7 s, held constant after 49 s.

    Parameters
    ----------
    times_s : array, (time)
        Times since the start of the scan, s.

    Returns
    -------
    ndarray, (time), float64, HU above baseline
        Its peak is 485 HU at 19 s.

    Source: Aichert, Manhart et al., "A realistic digital phantom for perfusion C-arm CT", 2013.
    """
    times = np.asarray(times_s, dtype=np.float64)
    knots = np.arange(1.0, 50.0, 2.0)
    curve = CubicSpline(knots, (*_FIRST_PASS_HU, *_SECOND_PASS_HU), bc_type="natural")(np.minimum(times, knots[-1]))
    return np.where(times <= ARRIVAL_S, 0.0, np.maximum(curve, 0.0))


def bolus(times_s: npt.ArrayLike, arrival_s: float, width_s: float, shape: float, recirculated: float) -> Float64:
    """Return a real-like AIF: a gamma-variate first pass, and its recirculation.

    Parameters
    ----------
    times_s : array, (time)
        Times since the start of the scan, s: 0, 0.1, 0.2, ...
    arrival_s : float
        When the contrast arrives, s.
    width_s : float
        Full width of the first pass at half of its height, s.
    shape : float
        The gamma variate's exponent: the smaller, the steeper its rise and the longer its tail.
    recirculated : float
        Share of the first pass's area that comes again, spread out by an exponential of 8 s, 12 s later.

    Returns
    -------
    ndarray, (time), float64, no unit
        The first pass peaks at 1.

    Source of the first pass: Thompson et al. 1964, Circ Res 14:502.
    """
    since = np.maximum(np.asarray(times_s, dtype=np.float64) - arrival_s, 0.0)
    rise_s = width_s / _gamma_variate_width(shape)
    first = _gamma_variate(since / rise_s, shape)
    return first + venous(first, _RECIRCULATION_S, _RECIRCULATION_SPREAD_S, recirculated)


def venous(aif_hu: npt.ArrayLike, delay_s: float = 4.0, spread_s: float = 2.5, gain: float = 1.25) -> Float64:
    """Return the VOF that belongs to an AIF: later, broader, free of partial volume and so with a larger area.

    Parameters
    ----------
    aif_hu : array, (time)
        Enhancement in HU on the fine grid.
    delay_s : float
        s. With the default spread the vein's peak comes 6 s after the artery's.
    spread_s : float
        Time constant of an exponential, s.
    gain : float
        Of the area.

    Returns
    -------
    ndarray, (time), float64, HU above baseline
    """
    curve = np.asarray(aif_hu, dtype=np.float64)
    lags = np.arange(curve.size) * GRID_S
    spread = np.exp(-lags / spread_s)
    spread /= spread.sum()
    spread_curve = np.convolve(curve, spread)[: curve.size]
    return gain * np.interp(lags - delay_s, lags, spread_curve, left=curve[0])


def read_aif(path: Path, end_s: float) -> Float64:
    """Return the AIF of a CSV file on the fine grid.

    Parameters
    ----------
    path : Path
        Two columns, ``time_s,hu``: time since the start of the scan in s and HU above baseline. A line of titles
        may come first. Times increase, begin at 0 or below, and reach the last frame.
    end_s : float
        Time of the last frame, s.

    Returns
    -------
    ndarray, (time), float64, HU above baseline
        Interpolated by a cubic spline; negative values are set to 0.

    Raises
    ------
    DataError
        Where the file cannot be read or breaks one of these rules.
    """
    times, values = _columns(path)
    if times.size < 4:
        raise DataError(f"{path}: got {times.size} samples; allowed: 4 or more lines of time_s,hu")
    if not (np.isfinite(times).all() and np.isfinite(values).all()):
        raise DataError(f"{path}: got NaN or infinity; allowed: finite numbers in both columns")
    if not (np.diff(times) > 0).all():
        raise DataError(f"{path}: column time_s: got times that do not increase; allowed: each later than the last")
    if times[0] > 0 or times[-1] < end_s - 1e-6:
        raise DataError(
            f"{path}: got {times[0]:g} to {times[-1]:g} s; allowed: all of the scan, 0 to {end_s:g} s; "
            "give a longer curve, or fewer frames"
        )
    if not values.max() > 0:
        raise DataError(f"{path}: column hu: got no value above 0; allowed: HU above baseline with a bolus")
    return np.maximum(CubicSpline(times, values)(np.minimum(grid(end_s), times[-1])), 0.0)


def _gamma_variate(time: Float64, shape: float) -> Float64:
    """(t exp(1 - t))^shape, which peaks with 1 at t = 1."""
    return (time * np.exp(1 - time)) ** shape


def _gamma_variate_width(shape: float) -> float:
    """Full width at half maximum, in units of the time from arrival to peak."""
    level = -np.exp(-1 - np.log(2) / shape)  # t exp(-t) = -level at both half maxima
    return float((lambertw(level, 0) - lambertw(level, -1)).real)


def _columns(path: Path) -> tuple[Float64, Float64]:
    try:
        lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text ({error}); allowed: a CSV file of time_s,hu") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        cells = [cell.strip() for cell in line.split(",")]
        try:
            time_s, value_hu = map(float, cells)
        except ValueError:
            if number == 1 and len(cells) == 2:
                continue  # titles
            raise DataError(f"{path}:{number}: got {line!r}; allowed: two numbers, time_s,hu") from None
        rows.append((time_s, value_hu))
    table = np.array(rows, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]
