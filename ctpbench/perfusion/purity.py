"""Voxels of an artery that hold a vein as well, or instead: told by what each curve is a mixture of."""

from __future__ import annotations

import numpy as np

from ctpbench.arrays import Index
from ctpbench.perfusion.bolus import half_maxima
from ctpbench.perfusion.vessels import Scan

_VENOUS = 0.25  # share of a voxel's area that is the vein's, from which on it is left out
_SURE = 2.0  # standard errors that this is above 0: no voxel is left out for its noise alone
_LATER_S = 1.5  # that the vein must be: curves that lie closer are not told apart
_FEWEST, _ROUNDS = 3, 5


def without_vein(scan: Scan, artery: Index, vein: Index) -> Index:
    """Return the voxels of an artery, in their order, of which no large part is a vein.

    Each voxel's curve is fitted by the mean of the artery's voxels and of the vein's, by least squares. The mean holds
    a vein itself as long as voxels of it are in, and so the fit is made again without those that were left out.
    Where fewer than 3 would stay, or the vein is hardly later, all do.
    """
    if not (artery.size and vein.size):
        return artery
    outflow, kept = scan.mean_of(vein), artery
    for _ in range(_ROUNDS):
        blood = scan.mean_of(kept)
        if _rise_s(scan, vein) - _rise_s(scan, kept) < _LATER_S:
            return artery
        curves = np.stack([blood, outflow], axis=1).astype(np.float64)
        curves -= curves.mean(axis=0)
        inverse = np.linalg.pinv(curves.T @ curves)
        parts = inverse @ curves.T @ scan.curves[:, artery]
        rest = scan.curves[:, artery] - curves @ parts
        noise = rest.std(axis=0) * np.sqrt(inverse[1, 1])
        areas = parts * np.array([[blood.sum()], [outflow.sum()]])
        venous = (areas[1] > _VENOUS * areas.sum(axis=0)) & (parts[1] > _SURE * noise)
        pure = artery[~venous]
        if pure.size < _FEWEST:
            return artery
        if np.array_equal(pure, kept):
            break
        kept = pure
    return kept


def _rise_s(scan: Scan, vessel: Index) -> float:
    return half_maxima(scan.smoothed(vessel))[0] * scan.dt_s
