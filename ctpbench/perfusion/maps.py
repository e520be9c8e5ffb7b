"""Perfusion maps: CBF, CBV, MTT, TTP and Tmax from concentrations or from residue functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float32, Index, Mask
from ctpbench.errors import DataError
from ctpbench.perfusion.circulant import circulant_length, circulant_matrix
from ctpbench.perfusion.deconvolution import (
    DEFAULT,
    PIXEL_BLOCK,
    Deconvolution,
    as_curves,
    multiply,
    residue_solver,
)

Pixels: TypeAlias = slice | Index


def perfusion_maps(
    concentration: npt.ArrayLike,
    aif: npt.ArrayLike,
    dt_s: float,
    deconvolution: Deconvolution = DEFAULT,
    *,
    mask: npt.ArrayLike | None = None,
    kappa: float = 1.0,
    rho: float = 1.0,
) -> dict[str, Float32]:
    """Deconvolve a concentration and compute its perfusion maps.

    ``CBF = 6000 kappa/rho max r``, the maximum over all M lags of the circle;
    ``CBV = 100 kappa/rho dt sum r``; ``MTT = 60 CBV/CBF``, zero where CBF is not positive;
    ``TTP = dt argmax c``; ``Tmax = dt argmax r``, lags above M / 2 counted negative.

    Parameters
    ----------
    concentration : array, (time, ...), HU above baseline
    aif : array, (time,), HU above baseline
    dt_s : float
        Frame interval in s.
    deconvolution : Tikhonov, Tsvd or Osvd
        See `ctpbench.perfusion.deconvolve`.
    mask : array, (...), bool, or None
        Where maps are computed; None means everywhere.
    kappa : float
        Correction for the haematocrit of small vessels.
    rho : float
        Density of brain in g/mL.

    Returns
    -------
    dict of array, (...), float32
        "cbf" in mL/100 g/min, "cbv" in mL/100 g, "mtt", "ttp" and "tmax" in s. Zero outside the mask.

    Raises
    ------
    DataError
        Where the mask does not fit, the AIF is not a finite curve that rises above zero and is as long as the
        concentration, or `dt_s` is not positive.
    ValueError
        Where `deconvolution` is none of the three.

    Examples
    --------
    MTT is 60 CBV/CBF, and tissue that enhances two frames later has a Tmax two frames later.

    >>> import numpy as np
    >>> from ctpbench.perfusion import Tsvd, perfusion_maps
    >>> aif = np.array([0, 200, 100, 0, 0, 0, 0, 0])
    >>> curves = np.array([[0, 2, 3, 1, 0, 0, 0, 0], [0, 0, 0, 2, 3, 1, 0, 0]]).T
    >>> maps = perfusion_maps(curves, aif, 1.0, Tsvd(0))
    >>> for name, values in maps.items():
    ...     print(name, values.round(3))
    cbf [60. 60.]
    cbv [2. 2.]
    mtt [2. 2.]
    ttp [2. 4.]
    tmax [0. 2.]

    Source: Wu, Ren, Li, eqs 16-23.
    """
    series = as_curves(concentration, aif)
    solve = residue_solver(aif, dt_s, deconvolution)
    flat = series.reshape(series.shape[0], -1)

    def residues_and_curves(pixels: Pixels) -> tuple[Float32, Float32]:
        curves = _columns(flat, pixels)
        return solve(curves), curves

    return _maps(residues_and_curves, series.shape[1:], mask, dt_s, kappa / rho)


def maps_from_residues(
    residues: npt.ArrayLike,
    aif: npt.ArrayLike,
    dt_s: float,
    *,
    frames: int,
    mask: npt.ArrayLike | None = None,
    kappa: float = 1.0,
    rho: float = 1.0,
) -> dict[str, Float32]:
    """Compute the perfusion maps of given residue functions.

    As `perfusion_maps`, but TTP is read from the curve ``A r`` that the residue stands for.

    Parameters
    ----------
    residues : array, (M, ...), 1/s
        Residue functions, flow included, with M = 2 `frames` lags.
    aif : array, (time,), HU above baseline
    dt_s : float
        Frame interval in s.
    frames : int
        T, the number of frames.
    mask : array, (...), bool, or None
    kappa, rho : float
        See `perfusion_maps`.

    Returns
    -------
    dict of array, (...), float32
        As `perfusion_maps`.

    Raises
    ------
    DataError
        Where the mask, the AIF or the number of lags does not fit, or `dt_s` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from ctpbench.perfusion import maps_from_residues
    >>> residue = np.array([0.01, 0.01, 0, 0, 0, 0])
    >>> maps = maps_from_residues(residue, [300, 100, 0], 2.0, frames=3)
    >>> {name: round(float(value), 3) for name, value in maps.items()}
    {'cbf': 60.0, 'cbv': 4.0, 'mtt': 4.0, 'ttp': 2.0, 'tmax': 0.0}

    Source: Wu, Ren, Li, eqs 16-22.
    """
    given = np.asarray(residues, dtype=np.float32)
    if given.shape[:1] != (circulant_length(frames),):
        raise DataError(
            f"residues: got shape {given.shape}; allowed: {circulant_length(frames)} lags for {frames} frames"
        )
    if np.shape(aif) != (frames,):
        raise DataError(f"aif: got shape {np.shape(aif)}; allowed: ({frames},)")
    forward = circulant_matrix(aif, dt_s)[:frames].astype(np.float32)
    flat = given.reshape(given.shape[0], -1)

    def residues_and_curves(pixels: Pixels) -> tuple[Float32, Float32]:
        columns = _columns(flat, pixels)
        return columns, multiply(forward, columns)

    return _maps(residues_and_curves, given.shape[1:], mask, dt_s, kappa / rho)


def _maps(
    residues_and_curves: Callable[[Pixels], tuple[Float32, Float32]],
    shape: tuple[int, ...],
    mask: npt.ArrayLike | None,
    dt_s: float,
    scale: float,
) -> dict[str, Float32]:
    """Fill the maps block by block, so that a block's residues are still in cache when they are reduced."""
    inside = np.ones(shape, bool) if mask is None else np.asarray(mask)
    if inside.shape != shape or inside.dtype != bool:
        raise DataError(f"mask: got {inside.dtype} of shape {inside.shape}; allowed: bool of shape {shape}")
    maps = {name: np.zeros(inside.size, np.float32) for name in ("cbf", "cbv", "mtt", "ttp", "tmax")}
    for pixels in _blocks(inside):
        residues, curves = residues_and_curves(pixels)
        height, lag = _peak(residues)
        cbf = 6000 * scale * height
        cbv = 100 * scale * dt_s * residues.sum(axis=0)
        maps["cbf"][pixels] = cbf
        maps["cbv"][pixels] = cbv
        maps["mtt"][pixels] = np.divide(60 * cbv, cbf, out=np.zeros_like(cbf), where=cbf > 0)
        maps["ttp"][pixels] = dt_s * _peak(curves)[1]
        maps["tmax"][pixels] = dt_s * np.where(lag > len(residues) // 2, lag - len(residues), lag)
    return {name: values.reshape(shape) for name, values in maps.items()}


def _blocks(inside: Mask) -> Iterator[Pixels]:
    """Yield the mask's pixels in blocks: a slice, which needs no gathering, where they lie side by side."""
    pixels = np.flatnonzero(inside)
    for start in range(0, pixels.size, PIXEL_BLOCK):
        block = pixels[start : start + PIXEL_BLOCK]
        first, last = int(block[0]), int(block[-1])
        yield slice(first, last + 1) if last - first + 1 == block.size else block


def _columns(values: Float32, pixels: Pixels) -> Float32:
    return values[:, pixels] if isinstance(pixels, slice) else np.take(values, pixels, axis=1)


def _peak(rows: Float32) -> tuple[Float32, Index]:
    """Return each column's maximum and the first row that holds it.

    A knock-out tournament of neighbouring rows. It compares whole rows, which numpy does by SIMD: measured, a
    fifth of the time of argmax along the first axis.
    """
    height = rows
    winner = np.arange(len(rows), dtype=np.min_scalar_type(len(rows)))[:, np.newaxis]
    while len(height) > 1:
        paired = len(height) // 2 * 2
        left, right = height[0:paired:2], height[1:paired:2]
        ahead, behind = winner[0:paired:2], winner[1:paired:2]
        # ahead, or behind where right wins; a strict > keeps the first of equals.
        won = (right > left).view(np.uint8) * (behind - ahead)
        won += ahead
        best = np.maximum(left, right)
        if paired < len(height):
            best = np.concatenate([best, height[paired:]])
            won = np.concatenate([won, np.broadcast_to(winner[paired:], (1, won.shape[1]))])
        height, winner = best, won
    return height[0], np.broadcast_to(winner[0], height[0].shape).astype(np.intp)
