"""The variance of a mean, with its degrees of freedom: of patients, of seeds, and of both together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ctpbench.arrays import Array, Float64


@dataclass(frozen=True)
class Variance:
    """Variances of means and their degrees of freedom, float64 arrays of one shape, any."""

    value: Float64
    df: Float64

    @property
    def error(self) -> Float64:
        """The standard errors of the means."""
        return np.asarray(np.sqrt(self.value))

    def margin(self, confidence: float) -> Float64:
        """Return half the widths of Student's intervals about the means."""
        from scipy import stats

        return np.asarray(stats.t.ppf((1 + confidence) / 2, self.df) * self.error)


def of_mean(samples: Array) -> Variance:
    """Return the variance of the mean of independent values, s^2 / n with n - 1 degrees of freedom.

    Parameters
    ----------
    samples : ndarray, (..., n)
        Finite. Of a single value nothing is known: it counts as having no variance.

    Returns
    -------
    Variance, (...)
    """
    n = samples.shape[-1]
    shape = samples.shape[:-1]
    if n < 2:
        return Variance(np.zeros(shape), np.ones(shape))
    return Variance(samples.var(axis=-1, ddof=1) / n, np.full(shape, n - 1.0))


def total(*parts: Variance) -> Variance:
    """Return the variance of a sum of independent means, with the degrees of freedom of Satterthwaite.

    Where no part has any variance, the degrees of freedom are those of the first.

    References
    ----------
    F. E. Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics Bulletin 2
    (1946), 110-114: (sum of v)^2 / (sum of v^2 / df).
    """
    largest = np.maximum.reduce([part.value for part in parts])
    scale = np.where(largest > 0, largest, 1.0)  # squares of small variances would vanish
    whole = np.add.reduce([part.value / scale for part in parts])
    weighed = np.add.reduce([(part.value / scale) ** 2 / part.df for part in parts])
    df = np.divide(whole**2, weighed, out=parts[0].df.copy(), where=weighed > 0)
    return Variance(whole * scale, df)
