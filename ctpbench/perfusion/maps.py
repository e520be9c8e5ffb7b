"""Perfusion maps: CBF, CBV, MTT, TTP and Tmax from concentrations or from residue functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float32
from ctpbench.errors import DataError
from ctpbench.perfusion.bayesian import Bayesian, posterior_maps
from ctpbench.perfusion.circulant import circulant_length, circulant_matrix
from ctpbench.perfusion.deconvolution import fixed, residue_solver
from ctpbench.perfusion.regularisation import DEFAULT, Deconvolution
from ctpbench.perfusion.voxels import Pixels, as_curves, blocks, columns, mask_of, multiply, peak

PeakLags: TypeAlias = Literal["circle", "scan"]
"""Where the residue's maximum is looked for."""

MAPS = ("cbf", "cbv", "mtt", "ttp", "tmax")


def perfusion_maps(
    concentration: npt.ArrayLike,
    aif: npt.ArrayLike,
    dt_s: float,
    deconvolution: Deconvolution | Bayesian = DEFAULT,
    *,
    mask: npt.ArrayLike | None = None,
    kappa: float = 1.0,
    rho: float = 1.0,
    peak_lags: PeakLags = "circle",
) -> dict[str, Float32]:
    """Deconvolve a concentration and compute its perfusion maps.

    ``CBF = 6000 kappa/rho max r``, the maximum over all M lags of the circle or over those that `peak_lags` names;
    ``CBV = 100 kappa/rho dt sum r``; ``MTT = 60 CBV/CBF``, zero where CBF is not positive;
    ``TTP = dt argmax c``; ``Tmax = dt argmax r``, lags above M / 2 counted negative.

    Parameters
    ----------
    concentration : array, (time, ...), HU above baseline
    aif : array, (time,), HU above baseline
    dt_s : float
        Frame interval in s.
    deconvolution : Tikhonov, Tsvd, Osvd, Gcv, LCurve or Bayesian
        See `ctpbench.perfusion.deconvolve`; a weight is chosen once for all voxels of the mask. For Bayesian see
        `ctpbench.perfusion.posterior_maps`, whose maps these are.
    mask : array, (...), bool, or None
        Where maps are computed; None means everywhere.
    kappa : float
        Correction for the haematocrit of small vessels.
    rho : float
        Density of brain in g/mL.
    peak_lags : "circle" or "scan"
        "circle": the maximum that gives CBF and Tmax is over all M lags, those above M / 2 negative. "scan": over the
        first T, so that no tissue is found to enhance before the AIF. Bayesian delays are never negative.

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
        Where `deconvolution` is none of these, or `peak_lags` neither.

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
    reduction = _Reduction(dt_s, kappa / rho, peak_lags)
    if isinstance(deconvolution, Bayesian):
        posterior = posterior_maps(concentration, aif, dt_s, deconvolution, mask=mask, kappa=kappa, rho=rho)
        return {name: posterior[name] for name in MAPS}
    series = as_curves(concentration, aif)
    solve = residue_solver(aif, dt_s, fixed(deconvolution, series, aif, dt_s, mask))
    flat = series.reshape(series.shape[0], -1)

    def residues_and_curves(pixels: Pixels) -> tuple[Float32, Float32]:
        curves = columns(flat, pixels)
        return solve(curves), curves

    return _maps(residues_and_curves, series.shape[1:], mask, reduction)


def maps_from_residues(
    residues: npt.ArrayLike,
    aif: npt.ArrayLike,
    dt_s: float,
    *,
    frames: int,
    mask: npt.ArrayLike | None = None,
    kappa: float = 1.0,
    rho: float = 1.0,
    peak_lags: PeakLags = "circle",
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
    kappa, rho, peak_lags
        See `perfusion_maps`.

    Returns
    -------
    dict of array, (...), float32
        As `perfusion_maps`.

    Raises
    ------
    DataError
        Where the mask, the AIF or the number of lags does not fit, or `dt_s` is not positive.
    ValueError
        Where `peak_lags` is neither "circle" nor "scan".

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
        lags = columns(flat, pixels)
        return lags, multiply(forward, lags)

    return _maps(residues_and_curves, given.shape[1:], mask, _Reduction(dt_s, kappa / rho, peak_lags))


@dataclass(frozen=True)
class _Reduction:
    """From a block of residues to CBF, CBV, MTT and Tmax: the interval in s, kappa/rho, and where the peak may lie."""

    dt_s: float
    scale: float
    peak_lags: PeakLags

    def __post_init__(self) -> None:
        if self.peak_lags not in get_args(PeakLags):
            raise ValueError(f"peak_lags: got {self.peak_lags!r}; allowed: circle or scan")

    def maps(self, residues: Float32) -> dict[str, Float32]:
        """Return maps, (voxel), of residues, (M, voxel)."""
        searched = len(residues) // 2 if self.peak_lags == "scan" else len(residues)
        height, lag = peak(residues[:searched])
        cbf = 6000 * self.scale * height
        cbv = 100 * self.scale * self.dt_s * residues.sum(axis=0)
        return {
            "cbf": cbf,
            "cbv": cbv,
            "mtt": np.divide(60 * cbv, cbf, out=np.zeros_like(cbf), where=cbf > 0),
            "tmax": self.dt_s * np.where(lag > len(residues) // 2, lag - len(residues), lag),
        }


def _maps(
    residues_and_curves: Callable[[Pixels], tuple[Float32, Float32]],
    shape: tuple[int, ...],
    mask: npt.ArrayLike | None,
    reduction: _Reduction,
) -> dict[str, Float32]:
    """Fill the maps block by block, so that a block's residues are still in cache when they are reduced."""
    inside = mask_of(mask, shape)
    maps = {name: np.zeros(inside.size, np.float32) for name in MAPS}
    for pixels in blocks(inside):
        residues, curves = residues_and_curves(pixels)
        for name, values in reduction.maps(residues).items():
            maps[name][pixels] = values
        maps["ttp"][pixels] = reduction.dt_s * peak(curves)[1]
    return {name: values.reshape(shape) for name, values in maps.items()}
