"""Circulant deconvolution: ``c = A r`` solved by Tikhonov, truncated SVD or oscillation index.

A is circulant, so the DFT along time diagonalises it: its singular values are the moduli of the DFT of
dt * AIF, and every filter of singular values multiplies the spectrum. Each linear solution is therefore one
M x T matrix K, ``r = K c``, built without an SVD.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from ctpbench.errors import DataError

Method = Literal["tikhonov", "tsvd", "osvd"]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

PIXEL_BLOCK = 8192  # voxels solved at once, so that their residues are still in cache when they are read
_ONE_THREAD = 2**18  # multiplications up to which OpenBLAS keeps a product on the calling thread


def circulant_length(frames: int) -> int:
    """Return M = 2 T, the number of lags for T frames: enough that no convolution wraps onto itself."""
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

    Source: Wu, Ren, Li, eq. 21, its two cases swapped so that A is causal; Wu O. 2003, MRM 50:164.
    """
    return _circulant(_padded(aif, dt_s))


def tikhonov_kernel(aif: npt.ArrayLike, dt_s: float, lambda_rel: float = 0.3) -> Float64:
    """Return K of ``r = K c``, the minimiser of ``||A r - c||^2 + (lambda_rel smax)^2 ||r||^2``.

    Parameters
    ----------
    aif : array, (time,), HU above baseline
    dt_s : float
        Frame interval in s.
    lambda_rel : float
        Regularisation relative to the largest singular value smax of A, at least 0. At 0 the answer is the
        pseudo-inverse.

    Returns
    -------
    array, (M, T), float64, 1/(HU s)
        ``IDFT(conj(a) / (|a|^2 + (lambda_rel smax)^2))`` as a circulant matrix, a the DFT of dt * AIF.

    Raises
    ------
    DataError
        Where the AIF is not a finite curve that rises above zero, or `dt_s` is not positive.
    ValueError
        Where `lambda_rel` is negative.

    Source: Wu, Ren, Li, eq. 23; Fieselmann 2011.
    """
    if not lambda_rel >= 0:
        raise ValueError(f"lambda_rel: got {lambda_rel}; allowed: 0 or more")
    spectrum, modulus, floor = _spectrum(aif, dt_s)
    power = modulus**2 + (lambda_rel * modulus.max()) ** 2
    inverse = np.divide(spectrum.conj(), power, out=np.zeros_like(spectrum), where=power > floor**2)
    return _kernel(inverse)


def tsvd_kernel(aif: npt.ArrayLike, dt_s: float, threshold_rel: float = 0.15) -> Float64:
    """Return K of ``r = K c``, the inverse of A over its singular values of at least ``threshold_rel smax``.

    Parameters
    ----------
    aif : array, (time,), HU above baseline
    dt_s : float
        Frame interval in s.
    threshold_rel : float
        Threshold relative to the largest singular value, from 0 to 1.

    Returns
    -------
    array, (M, T), float64, 1/(HU s)

    Raises
    ------
    DataError
        Where the AIF is not a finite curve that rises above zero, or `dt_s` is not positive.
    ValueError
        Where `threshold_rel` is not within 0 to 1.

    Source: Wu O. 2003, MRM 50:164; Fieselmann 2011.
    """
    if not 0 <= threshold_rel <= 1:
        raise ValueError(f"threshold_rel: got {threshold_rel}; allowed: 0 to 1")
    spectrum, modulus, floor = _spectrum(aif, dt_s)
    return _kernel(_truncated_inverse(spectrum, modulus >= max(threshold_rel * modulus.max(), floor)))


def deconvolve(
    concentration: npt.ArrayLike,
    aif: npt.ArrayLike,
    dt_s: float,
    *,
    method: Method = "tikhonov",
    lambda_rel: float = 0.3,
    threshold_rel: float = 0.15,
    oscillation_index: float = 0.095,
) -> Float32:
    """Deconvolve every voxel's concentration with the AIF.

    Parameters
    ----------
    concentration : array, (time, ...), HU above baseline
    aif : array, (time,), HU above baseline
    dt_s : float
        Frame interval in s.
    method : {"tikhonov", "tsvd", "osvd"}
        "osvd" raises the truncation threshold voxel by voxel, one singular value at a time, until the
        residue's oscillation index ``sum |r[k] - 2 r[k-1] + r[k-2]| / (M max r)`` is at most
        `oscillation_index`.
    lambda_rel : float
        Of "tikhonov": see `tikhonov_kernel`.
    threshold_rel : float
        Of "tsvd": see `tsvd_kernel`.
    oscillation_index : float
        Of "osvd": above 0. Usual limits are 0.095 in CT and 0.035 in MR.

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
        Where the method is unknown or its parameter out of range.

    Source: Wu, Ren, Li, eqs 21-23; Wu O. 2003, MRM 50:164 (oscillation index).
    """
    curves = as_curves(concentration, aif)
    solve = residue_solver(
        aif,
        dt_s,
        method=method,
        lambda_rel=lambda_rel,
        threshold_rel=threshold_rel,
        oscillation_index=oscillation_index,
    )
    flat = curves.reshape(curves.shape[0], -1)
    residues = np.empty((circulant_length(len(flat)), flat.shape[1]), np.float32)
    for start in range(0, flat.shape[1], PIXEL_BLOCK):
        residues[:, start : start + PIXEL_BLOCK] = solve(flat[:, start : start + PIXEL_BLOCK])
    return residues.reshape(len(residues), *curves.shape[1:])


def residue_solver(
    aif: npt.ArrayLike,
    dt_s: float,
    *,
    method: Method,
    lambda_rel: float,
    threshold_rel: float,
    oscillation_index: float,
) -> Callable[[Float32], Float32]:
    """Return the function from curves (time, voxel) to residues (M, voxel). Parameters as in `deconvolve`."""
    if method == "osvd":
        if not oscillation_index > 0:
            raise ValueError(f"oscillation_index: got {oscillation_index}; allowed: above 0")
        ladder = _truncation_ladder(aif, dt_s)
        return lambda curves: _oscillation_limited(curves, ladder, oscillation_index)
    if method == "tikhonov":
        kernel = tikhonov_kernel(aif, dt_s, lambda_rel).astype(np.float32)
    elif method == "tsvd":
        kernel = tsvd_kernel(aif, dt_s, threshold_rel).astype(np.float32)
    else:
        raise ValueError(f"method: got {method!r}; allowed: {', '.join(get_args(Method))}")
    return lambda curves: multiply(kernel, curves)


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


def _padded(aif: npt.ArrayLike, dt_s: float) -> Float64:
    curve = np.asarray(aif, dtype=np.float64)
    if curve.ndim != 1 or not np.isfinite(curve).all() or not curve.max(initial=0.0) > 0:
        raise DataError(f"aif: got shape {curve.shape}; allowed: (time,), finite, with a sample above 0 HU")
    if not (np.isfinite(dt_s) and dt_s > 0):
        raise DataError(f"dt_s: got {dt_s}; allowed: a frame interval above 0 s")
    padded = np.zeros(circulant_length(curve.size))
    padded[: curve.size] = dt_s * np.maximum(curve, 0)
    return padded


def _spectrum(aif: npt.ArrayLike, dt_s: float) -> tuple[npt.NDArray[np.complex128], Float64, float]:
    """Return the half DFT of A's first column, its moduli, and the modulus under which one counts as zero."""
    padded = _padded(aif, dt_s)
    spectrum = np.fft.rfft(padded)
    modulus = np.abs(spectrum)
    return spectrum, modulus, float(padded.size * np.finfo(np.float64).eps * modulus.max())


def _truncated_inverse(spectrum: npt.NDArray[np.complex128], kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.complex128]:
    return np.divide(1, spectrum, out=np.zeros_like(spectrum), where=kept)


def _circulant(column: Float64) -> Float64:
    index = np.arange(column.size)
    matrix: Float64 = column[np.subtract.outer(index, index) % column.size]
    return matrix


def _kernel(inverse: npt.NDArray[np.complex128]) -> Float64:
    """Return the M x T part of the circulant matrix with half spectrum `inverse`: c is zero beyond T."""
    frames = inverse.size - 1
    column: Float64 = np.fft.irfft(inverse, circulant_length(frames))
    return _circulant(column)[:, :frames]


def _truncation_ladder(aif: npt.ArrayLike, dt_s: float) -> list[Float32]:
    """Return one kernel for each distinct truncation of A's singular values, the least truncated first."""
    spectrum, modulus, floor = _spectrum(aif, dt_s)
    thresholds = np.unique(modulus[modulus >= floor])
    kernels = (_kernel(_truncated_inverse(spectrum, modulus >= least)) for least in thresholds)
    return [kernel.astype(np.float32) for kernel in kernels]


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
