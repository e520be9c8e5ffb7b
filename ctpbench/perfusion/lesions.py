"""Infarct core and penumbra by fixed thresholds: the rules that readers of maps go by.

Sources: B. C. V. Campbell et al., Stroke 42 (2011) 3435-3440 (CBF against the other side); J.-M. Olivot et al., Stroke
40 (2009) 469-475 (Tmax).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float64, Mask

RCBF_THRESHOLD = 0.3
"""Core: CBF below this part of the other side's mean."""
TMAX_THRESHOLD_S = 6.0
"""Penumbra, the core in it included: Tmax above this."""
CSF_HU = 20.0
"""A voxel whose mean over all frames is below is fluid, which has no flow and would pass for core."""


def side_of(brain: Mask) -> npt.NDArray[np.int8]:
    """Return -1, 0 or 1, (x): columns before, on and behind the middle of the brain's extent along x.

    `brain` is bool, (z, y, x). One sagittal plane serves all slices.
    """
    columns = np.flatnonzero(brain.any(axis=(0, 1)))
    return np.asarray(np.sign(2 * np.arange(brain.shape[2]) - (columns[0] + columns[-1])), dtype=np.int8)


def infarct_core(
    cbf: Float64, domain: Mask, sides: npt.NDArray[np.int8], rcbf_threshold: float = RCBF_THRESHOLD
) -> Mask | None:
    """Return where CBF is below `rcbf_threshold` times the mean CBF of the other side, or None.

    Parameters
    ----------
    cbf : ndarray, (z, y, x), float64, any unit
        Or some voxels in a row, (voxel).
    domain : ndarray, as `cbf`, bool
        The voxels that may be core and that the means are taken over.
    sides : ndarray, (x), int8
        From `side_of`; of voxels in a row that of each, (voxel). On the midline, where neither side is the other, the
        larger mean (the healthier side) counts.
    rcbf_threshold : float

    Returns
    -------
    ndarray, as `cbf`, bool, or None
        None where the rule cannot be applied: a side without a voxel, or NaN in the domain.
    """
    halves = [cbf[domain & (sides == side)] for side in (-1, 1)]
    if not all(half.size for half in halves) or not np.isfinite(cbf[domain]).all():
        return None
    before, behind = (half.mean() for half in halves)
    other = np.select([sides < 0, sides > 0], [behind, before], max(before, behind))
    return np.asarray(domain & (cbf < rcbf_threshold * other))


def hypoperfused(tmax: Float64, domain: Mask, tmax_threshold_s: float = TMAX_THRESHOLD_S) -> Mask | None:
    """Return where Tmax (s) exceeds the threshold, bool; None for an empty domain or NaN in it.

    `tmax` and `domain` are (z, y, x), or voxels in a row, (voxel).
    """
    if not domain.any() or not np.isfinite(tmax[domain]).all():
        return None
    return np.asarray(domain & (tmax > tmax_threshold_s))
