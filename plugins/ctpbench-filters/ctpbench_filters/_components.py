"""The temporal components of a slice: few numbers that stand for the curve of a pixel, and how noisy they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float32, Float64


@dataclass(frozen=True)
class Components:
    """The temporal components of the curves of a slice, about each pixel's mean over time.

    Attributes
    ----------
    basis : ndarray, (time, time - 1), float64, no unit
        Orthonormal columns of mean 0, the component of most variance first.
    variances : ndarray, (time - 1), float64, HU^2
        Of each, per pixel, noise included.
    noise_variance : float
        Of noise in a pixel of a frame, HU^2: the median of the lower half of `variances`.
    """

    basis: Float64
    variances: Float64
    noise_variance: float

    def features(self, frames: npt.ArrayLike, rank: int) -> Float32:
        """Return what stands for each curve: (rank + 1, ...), float32, HU.

        Its first components, and its mean over time times the square root of the number of frames, so that noise is
        alike in all of them. `frames` is (time, ...), HU.
        """
        return np.tensordot(self._columns(rank).T, np.asarray(frames, np.float64), axes=1).astype(np.float32)

    def frames(self, features: Float32) -> Float32:
        """Return the curves that features stand for, (time, ...), float32, HU: the inverse of `features`."""
        return np.tensordot(self._columns(len(features) - 1), features.astype(np.float64), axes=1).astype(np.float32)

    def _columns(self, rank: int) -> Float64:
        frames = len(self.basis)
        return np.column_stack([self.basis[:, :rank], np.full(frames, 1 / np.sqrt(frames))])


def temporal_components(curves: npt.ArrayLike) -> Components:
    """Return the temporal components of curves, (time, pixel), HU, of two frames and one pixel or more."""
    curves = np.asarray(curves, dtype=np.float64)
    varying = curves - curves.mean(axis=0)
    covariance = varying @ varying.T / curves.shape[1]
    even = np.trace(covariance) + 1.0  # puts what does not vary over time behind all else, apart from it
    variances, basis = np.linalg.eigh(covariance - even / len(covariance))
    variances, basis = np.maximum(variances[:0:-1], 0.0), basis[:, :0:-1]
    return Components(basis, variances, float(np.median(variances[variances.size // 2 :])))
