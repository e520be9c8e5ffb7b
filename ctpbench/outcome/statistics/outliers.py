"""Which of a few values are far from the others."""

from __future__ import annotations

import numpy as np

from ctpbench.arrays import Array, Mask

REACH = 3.0
"""Robust standard deviations from the median beyond which a value is marked."""
LEAST_VALUES = 6
"""Of fewer values none is marked."""

_PER_MAD = 1.4826  # standard deviation of a normal over its median absolute deviation


def outlying(values: Array) -> Mask:
    """Return which values lie further from their median than three robust standard deviations.

    The robust standard deviation is 1.4826 times the median absolute deviation. Where that is 0, as of volumes most of
    which are 0, no value is marked.

    Parameters
    ----------
    values : ndarray, (n,)
        NaN is not marked, and does not count.

    Returns
    -------
    ndarray, (n,), bool

    References
    ----------
    C. Leys et al., "Detecting outliers: do not use standard deviation around the mean, use absolute deviation around
    the median", J. Exp. Soc. Psychol. 49 (2013) 764-766.

    Examples
    --------
    >>> outlying(np.array([8.0, 8.1, 7.9, 8.2, np.nan, 7.8, 9.9])).tolist()
    [False, False, False, False, False, False, True]
    """
    numbers = np.asarray(values, dtype=np.float64)
    known = numbers[~np.isnan(numbers)]
    if known.size < LEAST_VALUES:
        return np.zeros(numbers.shape, dtype=bool)
    away = np.abs(numbers - np.median(known))
    spread = _PER_MAD * float(np.median(away[~np.isnan(away)]))
    marked: Mask = away > REACH * spread if spread > 0 else np.zeros(numbers.shape, dtype=bool)
    return marked
