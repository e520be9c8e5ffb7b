"""Factors that take the known bias out of CBF and CBV: one pair a set of cases, the same for every method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ctpbench.arrays import Array, Mask
from ctpbench.errors import DataError


def scale_factor(
    estimate: Array | Sequence[Array],
    reference: Array | Sequence[Array],
    mask: Array | Sequence[Array] | None = None,
) -> float:
    """Return the factor f that minimises ``||f * estimate - reference||`` over one case or several.

    Parameters
    ----------
    estimate, reference : array, or list or tuple of arrays, one for each case
        The same map twice, in the same unit. Pixels where the reference is NaN (no such truth) are left out.
    mask : array of bool, list or tuple of them, or None
        The pixels that count.

    Returns
    -------
    float

    Raises
    ------
    DataError
        Where shapes or numbers of cases differ, or the estimate is zero or not finite wherever it counts.

    Examples
    --------
    Two cases share one factor; where the truth is unknown, nothing counts.

    >>> import numpy as np
    >>> from ctpbench.perfusion import scale_factor
    >>> estimates, truths = [np.array([10, 20]), np.array([5, 30])], [np.array([15, 30]), np.array([7.5, np.nan])]
    >>> scale_factor(estimates, truths)
    1.5

    Source: Wu, Ren, Li, appendix VIII-A, below eq. 23.
    """
    estimates, references = _cases(estimate), _cases(reference)
    masks = [None] * len(estimates) if mask is None else _cases(mask)
    if not len(estimates) == len(references) == len(masks):
        raise DataError(
            f"scaling: got {len(estimates)} estimates, {len(references)} references and {len(masks)} masks; "
            "allowed: one of each for every case"
        )
    return pooled_factor([scale_sums(*case) for case in zip(estimates, references, masks, strict=True)])


def scale_sums(estimate: Array, reference: Array, mask: Array | None = None) -> tuple[float, float]:
    """Return one case's ``(sum of x y, sum of x x)``, x the estimate and y the reference.

    `pooled_factor` of the sums of several cases is `scale_factor` of all of them, which need never be in memory at
    once. Parameters and errors as there.

    >>> import numpy as np
    >>> from ctpbench.perfusion import scale_sums
    >>> scale_sums(np.array([1, 2]), np.array([3, 5]))
    (13.0, 5.0)
    """
    x, y = np.asarray(estimate, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if x.shape != y.shape:
        raise DataError(f"scaling: got an estimate of shape {x.shape}; allowed: the reference's {y.shape}")
    counts = ~np.isnan(y) if mask is None else ~np.isnan(y) & _checked_mask(mask, y.shape)
    x, y = x[counts], y[counts]
    xy, xx = float(x @ y), float(x @ x)
    if not (np.isfinite(xy) and np.isfinite(xx)):
        raise DataError("scaling: got NaN or infinity; allowed: finite estimates where the reference is known")
    return xy, xx


def pooled_factor(sums: Sequence[tuple[float, float]]) -> float:
    """Return the factor of several cases together from the `scale_sums` of each.

    Raises
    ------
    DataError
        Where the estimates are zero wherever they count.

    >>> from ctpbench.perfusion import pooled_factor
    >>> pooled_factor([(13.0, 5.0), (2.0, 5.0)])
    1.5
    """
    xy, xx = (sum(case[i] for case in sums) for i in (0, 1))
    if not xx > 0:
        raise DataError("scaling: got an estimate of zeros; allowed: a value other than 0 where the mask holds")
    return xy / xx


def roi_factor(values: Array, roi: Array, target: float) -> float:
    """Return the factor that brings the mean of a map over a region of interest to a target.

    For real data: normal white matter has a CBF of 22 mL/100 g/min and a CBV of 2 mL/100 g.

    Parameters
    ----------
    values : array, (...)
        A map.
    roi : array, (...), bool
    target : float
        The wanted mean, in the map's unit.

    Returns
    -------
    float

    Raises
    ------
    DataError
        Where the region is empty or does not fit, or the map's mean over it is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from ctpbench.perfusion import roi_factor
    >>> roi_factor(np.array([10, 12, 50]), np.array([True, True, False]), 22.0)
    2.0

    Source: Wu, Ren, Li, appendix VIII-A, below eq. 23.
    """
    region = np.asarray(values, dtype=np.float64)[_checked_mask(roi, np.shape(values))]
    mean = float(region.mean()) if region.size else 0.0
    if not 0 < mean < np.inf:
        raise DataError(f"roi: got a mean of {mean} over {region.size} pixels; allowed: a mean above 0")
    return target / mean


def _cases(arrays: Array | Sequence[Array]) -> list[Array]:
    return list(arrays) if isinstance(arrays, (list, tuple)) else [np.asarray(arrays)]


def _checked_mask(mask: Array, shape: tuple[int, ...]) -> Mask:
    checked = np.asarray(mask)
    if checked.shape != shape or checked.dtype != bool:
        raise DataError(f"mask: got {checked.dtype} of shape {checked.shape}; allowed: bool of shape {shape}")
    return checked
