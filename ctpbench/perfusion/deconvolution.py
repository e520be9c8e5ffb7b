"""Circulant deconvolution: ``c = A r`` solved by Tikhonov, truncated SVD or oscillation index.

The first two are linear: one M x T matrix K, ``r = K c``, built without an SVD. The third chooses one of
several such matrices for each voxel. Where a criterion chooses Tikhonov's weight, it does so once for all voxels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float32, Float64
from ctpbench.perfusion.circulant import Spectrum, circulant_length
from ctpbench.perfusion.criteria import regularisation_weight
from ctpbench.perfusion.regularisation import DEFAULT, Deconvolution, Gcv, LCurve, Osvd, Tikhonov, Tsvd
from ctpbench.perfusion.voxels import PIXEL_BLOCK, as_curves, multiply

Fixed: TypeAlias = Tikhonov | Tsvd | Osvd
"""The deconvolutions whose regularisation no criterion chooses."""

_ALLOWED = "Tikhonov(...), Tsvd(...), Osvd(...), Gcv(...) or LCurve(...); for maps also Bayesian(...)"


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
        ``IDFT(1 / a)`` over the ``|a|`` of at least ``threshold_rel smax``.

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
    deconvolution : Tikhonov, Tsvd, Osvd, Gcv or LCurve
        How, and how much it regularises. The last two choose one weight for all voxels.

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
        Where `deconvolution` is none of these.

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
    solve = residue_solver(aif, dt_s, fixed(deconvolution, curves, aif, dt_s))
    flat = curves.reshape(curves.shape[0], -1)
    residues = np.empty((circulant_length(len(flat)), flat.shape[1]), np.float32)
    for start in range(0, flat.shape[1], PIXEL_BLOCK):
        residues[:, start : start + PIXEL_BLOCK] = solve(flat[:, start : start + PIXEL_BLOCK])
    return residues.reshape(len(residues), *curves.shape[1:])


def fixed(
    deconvolution: Deconvolution,
    concentration: npt.ArrayLike,
    aif: npt.ArrayLike,
    dt_s: float,
    mask: npt.ArrayLike | None = None,
) -> Fixed:
    """Return the deconvolution, Tikhonov in place of a criterion: with the weight that it chooses for these voxels."""
    if isinstance(deconvolution, Gcv | LCurve):
        return Tikhonov(regularisation_weight(concentration, aif, dt_s, deconvolution, mask=mask))
    return deconvolution


def residue_solver(aif: npt.ArrayLike, dt_s: float, deconvolution: Fixed) -> Callable[[Float32], Float32]:
    """Return the function from curves (time, voxel) to residues (M, voxel); parameters and errors as `deconvolve`."""
    if isinstance(deconvolution, Osvd):
        ladder, limit = _truncation_ladder(aif, dt_s), deconvolution.oscillation_index
        return lambda curves: _oscillation_limited(curves, ladder, limit)
    if isinstance(deconvolution, Tikhonov | Tsvd):
        kernel = inverse_kernel(aif, dt_s, deconvolution).astype(np.float32)
        return lambda curves: multiply(kernel, curves)
    raise ValueError(f"deconvolution: got {deconvolution!r}; allowed: {_ALLOWED}")


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
