"""How many patients it takes to see a difference, by the power of Student's paired test."""

from __future__ import annotations

import numpy as np

from ctpbench.outcome.statistics.estimate import LEAST_PATIENTS, check_share

_MOST_PATIENTS = 10**7


def patients_needed(sd_of_differences: float, difference: float, power: float = 0.8, alpha: float = 0.05) -> int:
    """Return how many patients a two-sided paired t-test needs to see a mean difference.

    About 8 s^2 / d^2 for a power of 80%, two more where they are few, and never fewer than the `LEAST_PATIENTS` of
    which there is a test here.

    Parameters
    ----------
    sd_of_differences : float
        Standard deviation over patients of the differences between two rows, in the scores' units.
    difference : float
        The mean difference that is to be seen; its sign does not matter.
    power : float
        The probability of seeing it.
    alpha : float
        The level of the test. Of k pairs tested together, Holm's first step is at ``alpha / k``.

    Raises
    ------
    ValueError
        Where the deviation is not above 0, the difference is 0, either is not finite, more than ten million patients
        would be needed, `power` or `alpha` is no share, or the power is not above the level.

    References
    ----------
    J. Cohen, Statistical Power Analysis for the Behavioral Sciences, 2nd ed. (1988), chapter 2: with n patients the
    statistic has a noncentral t distribution with n - 1 degrees of freedom and noncentrality sqrt(n) d / s.

    Examples
    --------
    >>> patients_needed(sd_of_differences=1.0, difference=0.5)
    34
    """
    _check_deviation(sd_of_differences)
    _check_shares(power, alpha)
    if not 0 < abs(difference) < np.inf:
        raise ValueError(f"difference: got {difference:g}; allowed: any finite number but 0")
    effect = abs(difference) / sd_of_differences
    if _power(effect, _MOST_PATIENTS, alpha) < power:
        raise ValueError(
            f"difference: got {difference:g} at a deviation of {sd_of_differences:g}, which takes more than "
            f"{_MOST_PATIENTS} patients; allowed: a larger difference"
        )
    too_few, enough = LEAST_PATIENTS - 1, _MOST_PATIENTS
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        too_few, enough = (too_few, middle) if _power(effect, middle, alpha) >= power else (middle, enough)
    return enough


def smallest_difference(sd_of_differences: float, patients: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """Return the smallest mean difference that a two-sided paired t-test sees with so many patients.

    Parameters
    ----------
    sd_of_differences : float
        Standard deviation over patients of the differences between two rows, in the scores' units.
    patients : int
        At least `LEAST_PATIENTS`.
    power, alpha : float
        As of `patients_needed`, whose source is this one's, too.

    Returns
    -------
    float
        Above 0, in the scores' units.

    Raises
    ------
    ValueError
        Where the deviation is not above 0 and finite, there are too few patients, `power` or `alpha` is no share, or
        the power is not above the level.

    Examples
    --------
    >>> f"{smallest_difference(sd_of_differences=2.0, patients=24):.2f}"
    '1.19'
    """
    from scipy import optimize

    _check_deviation(sd_of_differences)
    _check_shares(power, alpha)
    if patients < LEAST_PATIENTS:
        raise ValueError(f"patients: got {patients}; allowed: {LEAST_PATIENTS} or more, as a test needs")
    most = 1.0
    while _power(most, patients, alpha) < power:
        most *= 2
    effect = optimize.brentq(lambda effect: _power(effect, patients, alpha) - power, 0.0, most)
    return float(effect * sd_of_differences)


def _power(effect: float, n: int, alpha: float) -> float:
    """Return the power of the two-sided test at a mean difference of so many standard deviations.

    The lower tail is the upper one at the opposite shift, for scipy's own lower tail is NaN where it is small.
    """
    from scipy import stats

    critical, shift = stats.t.isf(alpha / 2, n - 1), np.sqrt(n) * effect
    return float(np.sum(stats.nct.sf(critical, n - 1, [shift, -shift])))


def _check_deviation(sd_of_differences: float) -> None:
    if not 0 < sd_of_differences < np.inf:
        raise ValueError(f"sd_of_differences: got {sd_of_differences:g}; allowed: a finite number above 0")


def _check_shares(power: float, alpha: float) -> None:
    check_share("power", power)
    check_share("alpha", alpha)
    if power <= alpha:
        raise ValueError(f"power: got {power:g}; allowed: above alpha, which is {alpha:g}")
