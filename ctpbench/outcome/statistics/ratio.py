"""How much better one row is than another, in percent of the other's mean."""

from __future__ import annotations

import numpy as np

from ctpbench.arrays import Array
from ctpbench.contract.components import Better
from ctpbench.outcome.statistics.estimate import Estimate, Interval, few
from ctpbench.outcome.statistics.pairs import mean_over_seeds, paired_differences, two_rows

NO_PERCENT = "a score of 0, of which there are no percent"


def relative_lead(
    per_group: Array, better: Better, confidence: float = 0.95, seed: int = 0, resamples: int = 2000
) -> Estimate:
    """Return by how many percent of the second of two rows the first is better.

    A ratio of means over the patients that both have: of the differences of `paired_differences` and of the second's
    costs, whose size counts. Its interval is that of the ratio's linearisation, a mean over patients: to first order a
    ratio r = sum(d) / sum(b) varies as the mean of (d - r b) / mean(b). So a lead of the same percent in every patient
    has no spread, however far their scores spread. Of patients whose scores spread by 30% and whose leads by 10, an
    interval of 95% covers 91% for 6 or 8 patients and 93% for 24.

    Parameters
    ----------
    per_group : ndarray, (2, group) or (2, seed, group)
        As of `paired_differences`.
    better : {"lower", "higher", "zero"}
    confidence, seed, resamples
        As of `paired_differences`.

    Returns
    -------
    Estimate
        In percent; above 0 where the first is better. No value where the second's mean is 0. No interval where
        `paired_differences` has none.

    Raises
    ------
    ValueError
        As of `paired_differences`, and where there are not two rows.

    References
    ----------
    W. G. Cochran, Sampling Techniques, 3rd ed. (1977), chapter 6: the ratio of means and its variance.

    Examples
    --------
    >>> relative_lead(np.array([[3.0, 6.0], [4.0, 8.0]]), "lower").value
    25.0
    """
    ours, theirs = two_rows(per_group, better)
    means = np.array([mean_over_seeds(ours), mean_over_seeds(theirs)])
    means = means[:, ~np.isnan(means).any(axis=0)]
    patients = means.shape[1]
    if not patients:
        return Estimate(np.nan, None, 0, few(0))
    if infinite := int(np.isinf(means).any(axis=0).sum()):
        return Estimate(np.nan, None, patients, f"infinite in {infinite} of {patients} patients")
    first, second = means.mean(axis=1)
    if second == 0:
        return Estimate(np.nan, None, patients, NO_PERCENT)
    ratio = (second - first) / second
    scaled = np.stack([ours, (1 - ratio) * theirs]) * (100 / abs(second))
    (pair,) = paired_differences(scaled, "lower", confidence, seed, resamples)
    value, ends = float(100 * (second - first) / abs(second)), pair.difference.interval
    interval = Interval(value + ends.low, value + ends.high) if ends else None
    return Estimate(value, interval, patients, pair.difference.reason)
