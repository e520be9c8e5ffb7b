"""Temporal components: few numbers that stand for the curve of a pixel, and how noisy they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float64
from ctpbench.errors import DataError


@dataclass(frozen=True)
class TemporalComponents:
    """The temporal components of curves, about each pixel's mean over time.

    Attributes
    ----------
    basis : array, (time, time - 1), float64, no unit
        Orthonormal columns of mean 0, the component of most variance first; of each the largest value is positive.
    variances : array, (time - 1), float64, HU^2
        Of each, per pixel, noise included.
    noise_variance : float
        Of noise in a pixel of a frame, HU^2: the median of the lower half of `variances`.
    """

    basis: Float64
    variances: Float64
    noise_variance: float

    def with_mean(self, rank: int) -> Float64:
        """Return the first `rank` columns of the basis and an even one of the same length, (time, rank + 1).

        Coefficients on these columns all have the noise of one pixel of a frame.
        """
        frames = len(self.basis)
        return np.column_stack([self.basis[:, :rank], np.full(frames, 1 / np.sqrt(frames))])


def temporal_components(curves: npt.ArrayLike) -> TemporalComponents:
    """Return the temporal components of curves.

    Parameters
    ----------
    curves : array, (time, pixel), HU
        Of two frames and one pixel or more.

    Raises
    ------
    DataError
        Where there are fewer.

    Examples
    --------
    Two thousand curves with one bolus in them, each as high as it likes, and noise of 2 HU:

    >>> import numpy as np
    >>> from ctpbench.perfusion import temporal_components
    >>> rng = np.random.default_rng(0)
    >>> bolus = np.exp(-((np.arange(30) - 12) ** 2) / 8)
    >>> found = temporal_components(np.outer(bolus, rng.uniform(0, 40, 2000)) + rng.normal(0, 2, (30, 2000)))
    >>> int((found.variances > 2 * found.noise_variance).sum())
    1
    >>> round(float(np.sqrt(found.noise_variance)), 1)
    1.9
    """
    curves = np.asarray(curves, dtype=np.float64)
    if curves.ndim != 2 or len(curves) < 2 or not curves.shape[1]:
        raise DataError(f"curves: got shape {curves.shape}; allowed: (time, pixel) with 2 frames and 1 pixel or more")
    varying = curves - curves.mean(axis=0)
    covariance = varying @ varying.T / curves.shape[1]
    even = np.trace(covariance) + 1.0  # puts what does not vary over time behind all else, apart from it
    variances, basis = np.linalg.eigh(covariance - even / len(covariance))
    variances, basis = np.maximum(variances[:0:-1], 0.0), basis[:, :0:-1]
    largest = basis[np.abs(basis).argmax(axis=0), np.arange(basis.shape[1])]
    return TemporalComponents(basis * np.sign(largest), variances, float(np.median(variances[variances.size // 2 :])))
