"""The circulant matrix of an AIF, its spectrum, and the matrices that invert it.

A is circulant, so the DFT along time diagonalises it: its singular values are the moduli of the DFT of
dt * AIF, and every filter of singular values multiplies the spectrum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float64, Mask
from ctpbench.errors import DataError

Complex: TypeAlias = npt.NDArray[np.complex128]


def circulant_length(frames: int) -> int:
    """Return M = 2 T, the number of lags for T frames: enough that no convolution wraps onto itself.

    >>> from ctpbench.perfusion import circulant_length
    >>> circulant_length(44)
    88
    """
    return 2 * frames


def circulant_matrix(aif: npt.ArrayLike, dt_s: float) -> Float64:
    """Return the block-circulant convolution matrix of an AIF.

    Parameters
    ----------
    aif : array, (time,), HU above baseline
        Samples below zero count as zero.
    dt_s : float
        Frame interval in s.

    Returns
    -------
    array, (M, M), float64, HU s
        ``A[i, j] = dt * AIF[(i - j) mod M]`` with M = 2 T.

    Raises
    ------
    DataError
        Where the AIF is not a finite curve that rises above zero, or `dt_s` is not positive.

    Examples
    --------
    A column is the response to an impulse at its lag: it starts there, never before.

    >>> from ctpbench.perfusion import circulant_matrix
    >>> print(circulant_matrix([100, 50], 2.0))
    [[200.   0.   0. 100.]
     [100. 200.   0.   0.]
     [  0. 100. 200.   0.]
     [  0.   0. 100. 200.]]

    Source: Wu, Ren, Li, eq. 21, its two cases swapped so that A is causal; Wu O. 2003, MRM 50:164.
    """
    return _circulant(_first_column(aif, dt_s))


@dataclass(frozen=True)
class Spectrum:
    """The half DFT of A's first column: its diagonal form.

    Attributes
    ----------
    values : array, (T + 1), complex128, HU s
    moduli : array, (T + 1), float64, HU s
        The singular values of A.
    floor : float, HU s
        A modulus below it is zero but for rounding.
    """

    values: Complex
    moduli: Float64
    floor: float

    @classmethod
    def of(cls, aif: npt.ArrayLike, dt_s: float) -> Spectrum:
        """Return the spectrum of an AIF's matrix; parameters and errors as `circulant_matrix`."""
        column = _first_column(aif, dt_s)
        values = np.fft.rfft(column)
        moduli = np.abs(values)
        return cls(values, moduli, float(column.size * np.finfo(np.float64).eps * moduli.max()))

    def damped_inverse(self, lambda_rel: float) -> Float64:
        """Return K, (M, T), of the inverse ``conj(a) / (|a|^2 + (lambda_rel smax)^2)``."""
        power = self._damped(lambda_rel)
        inverse = np.divide(self.values.conj(), power, out=np.zeros_like(self.values), where=power > self.floor**2)
        return _kernel(inverse)

    def truncated_inverse(self, kept: Mask) -> Float64:
        """Return K, (M, T), of the inverse ``1 / a`` where it is kept, (T + 1), and 0 elsewhere."""
        return _kernel(np.divide(1, self.values, out=np.zeros_like(self.values), where=kept))

    def influence(self, lambda_rel: float) -> Float64:
        """Return H, (T, T), no unit, of the fit ``H c`` to T samples: their part of ``|a|^2 / (|a|^2 + lambda^2)``."""
        return self._samples(self.moduli**2 / self._damped(lambda_rel))

    def damped_power(self, lambda_rel: float) -> Float64:
        """Return ``K'K``, (T, T), 1/(HU s)^2, K the `damped_inverse`; `lambda_rel` is above 0."""
        return self._samples((self.moduli / self._damped(lambda_rel)) ** 2)

    def _damped(self, lambda_rel: float) -> Float64:
        power: Float64 = self.moduli**2 + (lambda_rel * self.moduli.max()) ** 2
        return power

    def _samples(self, gains: Float64) -> Float64:
        return _kernel(gains.astype(np.complex128))[: gains.size - 1]


def rectified_aif(aif: npt.ArrayLike, dt_s: float) -> Float64:
    """Return an AIF, (time), float64, samples below zero as zero; parameters and errors as `circulant_matrix`."""
    curve = np.asarray(aif, dtype=np.float64)
    if curve.ndim != 1 or not np.isfinite(curve).all() or not curve.max(initial=0.0) > 0:
        raise DataError(f"aif: got shape {curve.shape}; allowed: (time,), finite, with a sample above 0 HU")
    if not (np.isfinite(dt_s) and dt_s > 0):
        raise DataError(f"dt_s: got {dt_s}; allowed: a frame interval above 0 s")
    return np.maximum(curve, 0)


def _first_column(aif: npt.ArrayLike, dt_s: float) -> Float64:
    curve = rectified_aif(aif, dt_s)
    return dt_s * np.concatenate([curve, np.zeros(circulant_length(curve.size) - curve.size)])


def _circulant(column: Float64) -> Float64:
    index = np.arange(column.size)
    matrix: Float64 = column[np.subtract.outer(index, index) % column.size]
    return matrix


def _kernel(inverse: Complex) -> Float64:
    """Return the M x T part of the circulant matrix with half spectrum `inverse`: c is zero beyond T."""
    frames = inverse.size - 1
    column: Float64 = np.fft.irfft(inverse, circulant_length(frames))
    return _circulant(column)[:, :frames]
