"""Residue functions whose area is the mean transit time exactly, and the tissue curves they make of an AIF."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from ctpbench.arrays import Float32, Float64
from ctpbench_phantom.aif import GRID_S

Residue = Literal["plateau", "gamma", "exponential"]

PLATEAU = 0.8  # share of the MTT during which all contrast is still in the tissue
GAMMA_SHAPE = 10.0
_MTT_STEP_S = 0.05


def residue(lag_s: npt.ArrayLike, mtt_s: npt.ArrayLike, kind: Residue) -> Float64:
    """Return the residue function R: the share of contrast still in the tissue.

    Parameters
    ----------
    lag_s, mtt_s : array
        Lag after arrival and mean transit time, s. They broadcast.
    kind : "plateau", "gamma" or "exponential"
        "plateau": 1 for 0.8 MTT, then an exponential of time constant 0.2 MTT;
        "gamma": 1 minus the distribution function of a gamma distribution of shape 10 and mean MTT;
        "exponential": an exponential of time constant MTT, the residue of one well-mixed compartment.

    Returns
    -------
    ndarray, float64, no unit
        0 at negative lags. Its integral over the lag is `mtt_s`.
    """
    lag, mtt = np.asarray(lag_s, dtype=np.float64), np.asarray(mtt_s, dtype=np.float64)
    if kind == "plateau":
        values = np.exp(-np.maximum(lag - PLATEAU * mtt, 0) / ((1 - PLATEAU) * mtt))
    elif kind == "exponential":
        values = np.exp(-np.maximum(lag, 0) / mtt)
    else:
        values = special.gammaincc(GAMMA_SHAPE, GAMMA_SHAPE * np.maximum(lag, 0) / mtt)
    return np.where(lag < 0, 0.0, values)


def residue_area(lag_s: npt.ArrayLike, mtt_s: npt.ArrayLike, kind: Residue) -> Float64:
    """Return the integral of `residue` from 0 to a lag, in s: `mtt_s` at infinity."""
    lag, mtt = np.maximum(np.asarray(lag_s, dtype=np.float64), 0), np.asarray(mtt_s, dtype=np.float64)
    if kind == "plateau":
        decayed = -np.expm1(-np.maximum(lag - PLATEAU * mtt, 0) / ((1 - PLATEAU) * mtt))
        return np.minimum(lag, PLATEAU * mtt) + (1 - PLATEAU) * mtt * decayed
    if kind == "exponential":
        return mtt * -np.expm1(-lag / mtt)
    scaled = GAMMA_SHAPE * lag / mtt
    return lag * special.gammaincc(GAMMA_SHAPE, scaled) + mtt * special.gammainc(GAMMA_SHAPE + 1, scaled)


def tissue_curves(
    aif_hu: npt.ArrayLike,
    times_s: npt.ArrayLike,
    cbf: npt.ArrayLike,
    mtt_s: npt.ArrayLike,
    delay_s: npt.ArrayLike,
    kind: Residue,
) -> Float32:
    """Return the enhancement of voxels: ``c(t) = CBF/6000 (AIF * R)(t - delay)``.

    Parameters
    ----------
    aif_hu : array, (fine time)
        AIF in HU above baseline on the fine grid of `ctpbench_phantom.aif`, from 0 s to the last frame or later.
    times_s : array, (time)
        Frame times, s.
    cbf, mtt_s, delay_s : array, (voxel)
        Flow in mL/100 g/min, mean transit time and delay in s. Delays take few different values.
    kind : "plateau", "gamma" or "exponential"

    Returns
    -------
    ndarray, (time, voxel), float32, HU above baseline

    Notes
    -----
    The convolution is tabulated over the transit time in steps of 0.05 s and interpolated linearly between them;
    each weight of the convolution is the residue's integral over one cell of the grid, so that the area is kept.

    Source: Wu, Ren, Li, eqs 16 and 17, with rho = kappa = 1.
    """
    mtt, delay = np.asarray(mtt_s, dtype=np.float64), np.asarray(delay_s, dtype=np.float64)
    curves = np.zeros((np.size(times_s), mtt.size), np.float32)
    if not mtt.size:
        return curves
    nodes_s, index, share = transit_grid(mtt)
    table = convolved(np.asarray(aif_hu, dtype=np.float64), nodes_s, kind)
    share = share.astype(np.float32)
    flow = (np.asarray(cbf, dtype=np.float64) / 6000.0).astype(np.float32)
    for each in np.unique(delay):
        voxels = np.flatnonzero(delay == each)
        rows = _sampled(table, np.asarray(times_s, dtype=np.float64) - each)
        first, weight = index[voxels], share[voxels]
        curves[:, voxels] = flow[voxels] * (rows[:, first] * (1 - weight) + rows[:, first + 1] * weight)
    return curves


def transit_grid(mtt_s: Float64) -> tuple[Float64, npt.NDArray[np.intp], Float64]:
    """Return the transit times that curves are tabulated over, and where voxels lie among them.

    Parameters
    ----------
    mtt_s : ndarray, (voxel), float64, s
        One at least.

    Returns
    -------
    nodes_s : ndarray, (node), float64, s
        From below the shortest to above the longest, 0.05 s apart.
    index : ndarray, (voxel), int
        The node below each voxel's transit time.
    share : ndarray, (voxel), float64, no unit
        Weight of the node above it.
    """
    low = int(np.floor(mtt_s.min() / _MTT_STEP_S))
    count = int(np.ceil(mtt_s.max() / _MTT_STEP_S)) - low + 2
    place = mtt_s / _MTT_STEP_S - low
    index = place.astype(np.intp)
    return (low + np.arange(count)) * _MTT_STEP_S, index, place - index


def convolved(aif_hu: Float64, mtt_s: Float64, kind: Residue) -> Float64:
    """Return ``AIF * R`` on the fine grid for each transit time: (fine time, mtt), float64, HU s."""
    edges = np.concatenate([[0.0], (np.arange(aif_hu.size) + 0.5) * GRID_S])
    weights = np.diff(residue_area(edges[:, None], np.maximum(mtt_s, 1e-6), kind), axis=0)
    length = 2 * aif_hu.size
    product = np.fft.rfft(aif_hu, length)[:, None] * np.fft.rfft(weights, length, axis=0)
    return np.fft.irfft(product, length, axis=0)[: aif_hu.size]


def _sampled(table: Float64, times_s: Float64) -> Float32:
    """Rows of the table at any times, linearly between the grid's; the first row before the scan begins."""
    place = np.clip(times_s / GRID_S, 0, len(table) - 1)
    index = np.minimum(place.astype(np.intp), len(table) - 2)
    share = (place - index)[:, None]
    return (table[index] * (1 - share) + table[index + 1] * share).astype(np.float32)
