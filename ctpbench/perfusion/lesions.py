"""Infarct core and penumbra by fixed thresholds: the rules that readers of maps go by.

Sources: B. C. V. Campbell et al., Stroke 42 (2011) 3435-3440 (CBF against the other side); J.-M. Olivot et al., Stroke
40 (2009) 469-475 (Tmax).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import RCBF_THRESHOLD, TMAX_THRESHOLD_S, Float64, Mask


def side_of(brain: Mask) -> npt.NDArray[np.int8]:
    """Return -1, 0 or 1, (x): columns before, on and behind the middle of the brain's extent along x.

    `brain` is bool, (z, y, x). One sagittal plane serves all slices.

    Examples
    --------
    >>> import numpy as np
    >>> from ctpbench.perfusion import side_of
    >>> print(side_of(np.array([[[False, True, True, True, True, True]]])))
    [-1 -1 -1  0  1  1]
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

    Examples
    --------
    >>> import numpy as np
    >>> from ctpbench.perfusion import infarct_core
    >>> cbf = np.array([10.0, 45.0, 50.0, 52.0])
    >>> print(infarct_core(cbf, np.ones(4, bool), np.array([-1, -1, 1, 1], np.int8)))
    [ True False False False]
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

    Examples
    --------
    >>> import numpy as np
    >>> from ctpbench.perfusion import hypoperfused
    >>> print(hypoperfused(np.array([2.0, 7.0, 9.0]), np.array([True, True, False])))
    [False  True False]
    """
    if not domain.any() or not np.isfinite(tmax[domain]).all():
        return None
    return np.asarray(domain & (tmax > tmax_threshold_s))
