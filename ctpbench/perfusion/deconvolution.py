"""Circulant deconvolution: ``c = A r`` solved by Tikhonov, truncated SVD or oscillation index.

The first two are linear: one M x T matrix K, ``r = K c``, built without an SVD. The third chooses one of
several such matrices for each voxel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float32, Float64
from ctpbench.errors import DataError
from ctpbench.perfusion.circulant import Spectrum, circulant_length

PIXEL_BLOCK = 8192  # voxels solved at once, so that their residues are still in cache when they are read
_ONE_THREAD = 2**18  # multiplications up to which OpenBLAS keeps a product on the calling thread


@dataclass(frozen=True)
class Tikhonov:
    """The minimiser of ``||A r - c||^2 + (lambda_rel smax)^2 ||r||^2``.

    Parameters
    ----------
    lambda_rel : float
        Regularisation relative to the largest singular value smax of A, at least 0. At 0 the answer is the
        pseudo-inverse's.

    Raises
    ------
    ValueError
        Where `lambda_rel` is negative.

    Source: Wu, Ren, Li, eq. 23; Fieselmann 2011.
    """

    lambda_rel: float = 0.3

    def __post_init__(self) -> None:
        if not self.lambda_rel >= 0:
            raise ValueError(f"lambda_rel: got {self.lambda_rel}; allowed: 0 or more")


@dataclass(frozen=True)
class Tsvd:
    """The inverse of A over its singular values of at least ``threshold_rel smax``.

    Parameters
    ----------
    threshold_rel : float
        Threshold relative to the largest singular value smax, from 0 to 1.

    Raises
    ------
    ValueError
        Where `threshold_rel` is not within 0 to 1.

    Source: Wu O. 2003, MRM 50:164; Fieselmann 2011.
    """

    threshold_rel: float = 0.15

    def __post_init__(self) -> None:
        if not 0 <= self.threshold_rel <= 1:
            raise ValueError(f"threshold_rel: got {self.threshold_rel}; allowed: 0 to 1")


@dataclass(frozen=True)
class Osvd:
    """Truncated SVD with a threshold of each voxel's own: the lowest that lets its residue not oscillate.

    The threshold is raised one singular value at a time until the residue's oscillation index
    ``sum |r[k] - 2 r[k-1] + r[k-2]| / (M max r)`` is at most `oscillation_index`.

    Parameters
    ----------
    oscillation_index : float
        Above 0. Usual limits are 0.095 in CT and 0.035 in MR.

    Raises
    ------
    ValueError
        Where `oscillation_index` is not above 0.

    Source: Wu O. 2003, MRM 50:164.
    """

    oscillation_index: float = 0.095

    def __post_init__(self) -> None:
        if not self.oscillation_index > 0:
            raise ValueError(f"oscillation_index: got {self.oscillation_index}; allowed: above 0")


Deconvolution: TypeAlias = Tikhonov | Tsvd | Osvd
"""How ``c = A r`` is solved, with its parameter."""

DEFAULT = Tikhonov()


def inverse_kernel(aif: npt.ArrayLike, dt_s: float, deconvolution: Tikhonov | Tsvd = DEFAULT) -> Float64:
    """Return the matrix K of ``r = K c``, for the solutions that are linear in the curve.

    Parameters
    ----------
    aif : array, (time,), HU above baseline
    dt_s : float
        Frame interval in s.
    deconvolution : Tikhonov or Tsvd

    Returns
    -------
    array, (M, T), float64, 1/(HU s)
        With a the DFT of dt * AIF, the circulant matrix of ``IDFT(conj(a) / (|a|^2 + (lambda_rel smax)^2))``, or of
        ``IDFT(1 / a)`` over the |a| of at least ``threshold_rel smax``.

    Raises
    ------
    DataError
        Where the AIF is not a finite curve that rises above zero, or `dt_s` is not positive.

    Examples
    --------
    An impulse as AIF has singular values all alike, of which Tikhonov makes ``s / (s^2 + (0.3 s)^2)``.

    >>> from ctpbench.perfusion import Tikhonov, Tsvd, inverse_kernel
    >>> print(inverse_kernel([2.0, 0.0], 0.5, Tsvd()))
    [[1. 0.]
     [0. 1.]
     [0. 0.]
     [0. 0.]]
    >>> print((inverse_kernel([2.0, 0.0], 0.5, Tikhonov(0.3))[0, 0] * 1.09).round(9))
    1.0

    Source: Wu, Ren, Li, eq. 23; Wu O. 2003, MRM 50:164; Fieselmann 2011.
    """
    spectrum = Spectrum.of(aif, dt_s)
    if isinstance(deconvolution, Tikhonov):
        return spectrum.damped_inverse(deconvolution.lambda_rel)
    least = max(deconvolution.threshold_rel * spectrum.moduli.max(), spectrum.floor)
    return spectrum.truncated_inverse(spectrum.moduli >= least)


def deconvolve(
    concentration: npt.ArrayLike, aif: npt.ArrayLike, dt_s: float, deconvolution: Deconvolution = DEFAULT
) -> Float32:
    """Deconvolve every voxel's concentration with the AIF.

    Parameters
    ----------
    concentration : array, (time, ...), HU above baseline
    aif : array, (time,), HU above baseline
    dt_s : float
        Frame interval in s.
    deconvolution : Tikhonov, Tsvd or Osvd
        How, and how much it regularises.

    Returns
    -------
    array, (M, ...), float32, 1/s
        The residue functions, flow included, of M = 2 T lags.

    Raises
    ------
    DataError
        Where the AIF is not a finite curve that rises above zero and is as long as the concentration, or
        `dt_s` is not positive.
    ValueError
        Where `deconvolution` is none of the three.

    Examples
    --------
    Blood that leaves after two frames, at a flow of 0.01/s, has the residue (0.01, 0.01, 0, ...).

    >>> from ctpbench.perfusion import Tikhonov, Tsvd, deconvolve
    >>> aif = [0, 200, 100, 0, 0, 0]
    >>> curve = [0, 2, 3, 1, 0, 0]
    >>> print(deconvolve(curve, aif, 1.0, Tsvd(0)).round(4) + 0)
    [0.01 0.01 0.   0.   0.   0.   0.   0.   0.   0.   0.   0.  ]

    Regularisation flattens it.

    >>> print(deconvolve(curve, aif, 1.0, Tikhonov(0.3)).max().round(4))
    0.0088

    Source: Wu, Ren, Li, eqs 21-23; Wu O. 2003, MRM 50:164 (oscillation index).
    """
    curves = as_curves(concentration, aif)
    solve = residue_solver(aif, dt_s, deconvolution)
    flat = curves.reshape(curves.shape[0], -1)
    residues = np.empty((circulant_length(len(flat)), flat.shape[1]), np.float32)
    for start in range(0, flat.shape[1], PIXEL_BLOCK):
        residues[:, start : start + PIXEL_BLOCK] = solve(flat[:, start : start + PIXEL_BLOCK])
    return residues.reshape(len(residues), *curves.shape[1:])


def residue_solver(aif: npt.ArrayLike, dt_s: float, deconvolution: Deconvolution) -> Callable[[Float32], Float32]:
    """Return the function from curves (time, voxel) to residues (M, voxel); parameters and errors as `deconvolve`."""
    if isinstance(deconvolution, Osvd):
        ladder, limit = _truncation_ladder(aif, dt_s), deconvolution.oscillation_index
        return lambda curves: _oscillation_limited(curves, ladder, limit)
    if isinstance(deconvolution, Tikhonov | Tsvd):
        kernel = inverse_kernel(aif, dt_s, deconvolution).astype(np.float32)
        return lambda curves: multiply(kernel, curves)
    raise ValueError(f"deconvolution: got {deconvolution!r}; allowed: Tikhonov(...), Tsvd(...) or Osvd(...)")


def multiply(kernel: Float32, curves: Float32) -> Float32:
    """Return ``kernel @ curves`` by strips of columns so narrow that BLAS keeps each on one thread.

    A wide product in two threads waits at their barriers. Measured on two cores, threads gain a third on an
    idle machine and cost thirty times as much on a busy one; the strips cost a fifth, idle or busy.
    """
    width = max(16, _ONE_THREAD // kernel.size // 16 * 16)
    strips = curves.shape[1] // width
    product = np.empty((kernel.shape[0], curves.shape[1]), np.float32)

    def in_strips(values: Float32) -> Float32:
        return values[:, : strips * width].reshape(len(values), strips, width).transpose(1, 0, 2)

    np.matmul(kernel, in_strips(curves), out=in_strips(product))
    np.matmul(kernel, curves[:, strips * width :], out=product[:, strips * width :])
    return product


def as_curves(concentration: npt.ArrayLike, aif: npt.ArrayLike) -> Float32:
    """Return the concentration as float32, or raise DataError where it is not as long as the AIF."""
    curves = np.asarray(concentration, dtype=np.float32)
    if curves.shape[:1] != np.shape(aif):
        raise DataError(
            f"concentration: got shape {curves.shape} with an AIF of shape {np.shape(aif)}; "
            "allowed: (time, ...) and (time,) of one length"
        )
    return curves


def _truncation_ladder(aif: npt.ArrayLike, dt_s: float) -> list[Float32]:
    """Return one kernel for each distinct truncation of A's singular values, the least truncated first."""
    spectrum = Spectrum.of(aif, dt_s)
    thresholds = np.unique(spectrum.moduli[spectrum.moduli >= spectrum.floor])
    return [spectrum.truncated_inverse(spectrum.moduli >= least).astype(np.float32) for least in thresholds]


def _oscillation_limited(curves: Float32, ladder: list[Float32], limit: float) -> Float32:
    """Return each voxel's residue by the ladder's first kernel that keeps its oscillation index in the limit.

    The last kernel keeps the mean alone. It serves those that none satisfies: curves with a mean below zero.
    """
    residues = multiply(ladder[-1], curves)
    pending = np.arange(curves.shape[1])
    for kernel in ladder[:-1]:
        trial = multiply(kernel, np.take(curves, pending, axis=1))
        roughness = np.abs(np.diff(trial, n=2, axis=0)).sum(axis=0)
        smooth = roughness <= limit * len(trial) * trial.max(axis=0)
        residues[:, pending[smooth]] = trial[:, smooth]
        pending = pending[~smooth]
        if not pending.size:
            break
    return residues
