"""Tikhonov's weight chosen by the data, one for a whole scan: generalised cross-validation and the L-curve."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float32, Float64, Mask
from ctpbench.perfusion.circulant import Spectrum
from ctpbench.perfusion.regularisation import Gcv, LCurve
from ctpbench.perfusion.voxels import as_curves, blocks, columns, energies, gram, levels, mask_of

_STEP = 1.05  # ratio of neighbouring weights that are tried, or less


def regularisation_weight(
    concentration: npt.ArrayLike,
    aif: npt.ArrayLike,
    dt_s: float,
    criterion: Gcv | LCurve,
    *,
    mask: npt.ArrayLike | None = None,
) -> float:
    """Choose Tikhonov's weight for all voxels of a scan at once.

    The residues are ``r = K c``, so the T measured samples are fitted by ``H c``, H the first T rows of ``A K``.
    The zeros that pad c to M = 2 T samples are no measurements: neither criterion counts a residual there. With
    sums over voxels, each weighing 1, or less where its curve has more energy than the median,

    - Gcv takes the weight at which ``T sum ||c - H c||^2 / trace(I - H)^2`` is least,
    - LCurve the one at which the curve ``(log sum ||c - H c||^2, log sum ||K c||^2)`` turns most.

    One weight serves all voxels: the noise is about the same in all of them, and the few samples of one voxel leave its
    own minimum to chance. Both sums follow from the T x T matrix ``sum c c'`` alone. Did all voxels weigh 1, they would
    be about the few vessels, where contrast is tens of times the tissue's.

    Both criteria take the noise of frames for independent. A filter in time breaks that, and the weight comes out too
    small.

    Parameters
    ----------
    concentration : array, (time, ...), HU above baseline
    aif : array, (time,), HU above baseline
    dt_s : float
        Frame interval in s.
    criterion : Gcv or LCurve
        Which of the two, and between which bounds.
    mask : array, (...), bool, or None
        The voxels that count; None means all.

    Returns
    -------
    float
        `lambda_rel`, of a grid with steps of 5 percent or less from bound to bound; the upper bound where every
        curve is zero.

    Raises
    ------
    DataError
        Where the mask does not fit, a curve in it is not finite, the AIF is not a finite curve that rises above zero
        and is as long as the concentration, or `dt_s` is not positive.

    Examples
    --------
    The noisier the curves, the larger the weight.

    >>> import numpy as np
    >>> from ctpbench.perfusion import Gcv, circulant_matrix, regularisation_weight
    >>> aif = np.array([0, 0, 40, 100, 60, 30, 15, 8, 4, 2, 1, 0])
    >>> curve = (circulant_matrix(aif, 1.0) @ np.exp(-np.arange(24) / 3))[:12]
    >>> noise = np.random.default_rng(0).normal(size=(12, 200))
    >>> for sigma in (0.1, 3, 30):
    ...     print(round(regularisation_weight(curve[:, None] + sigma * noise, aif, 1.0, Gcv()), 3))
    0.003
    0.011
    0.246

    Sources: Golub, Heath, Wahba 1979, Technometrics 21:215; Hansen, O'Leary 1993, SIAM J Sci Comput 14:1487.
    """
    curves = as_curves(concentration, aif)
    spectrum = Spectrum.of(aif, dt_s)
    flat, inside = curves.reshape(len(curves), -1), mask_of(mask, curves.shape[1:])
    products = _levelled_gram(flat, inside)
    count = math.ceil(math.log(criterion.lambda_rel_max / criterion.lambda_rel_min) / math.log(_STEP)) + 1
    weights = np.geomspace(criterion.lambda_rel_min, criterion.lambda_rel_max, max(count, 5))
    if not products.any():
        return criterion.lambda_rel_max
    fits = _Fits.of(products, spectrum, weights)
    best = fits.gcv().argmin() if isinstance(criterion, Gcv) else fits.corner()
    return float(weights[best])


@dataclass(frozen=True)
class _Fits:
    """What the criteria know of each weight, (weight,): sums of ||c - H c||^2 and ||K c||^2, and trace(I - H)."""

    weights: Float64
    residual: Float64
    size: Float64
    freedom: Float64

    @classmethod
    def of(cls, products: Float64, spectrum: Spectrum, weights: Float64) -> _Fits:
        """Compute them from ``sum c c'``, (T, T): ``sum ||B c||^2 = trace(B sum c c' B')`` for any matrix B."""
        missed = [np.eye(len(products)) - spectrum.influence(weight) for weight in weights]
        return cls(
            weights,
            np.array([np.sum((rest @ products) * rest) for rest in missed]),
            np.array([np.sum(spectrum.damped_power(weight) * products) for weight in weights]),
            np.array([np.trace(rest) for rest in missed]),
        )

    def gcv(self) -> Float64:
        return self.residual / self.freedom**2

    def corner(self) -> int:
        """Return where the L-curve turns most from steep to flat: the ends, whose bend nobody can tell, left out."""
        place = np.log(self.weights)
        tiny = np.finfo(np.float64).tiny
        x, y = (np.log(np.maximum(values, tiny)) for values in (self.residual, self.size))
        dx, dy = np.gradient(x, place), np.gradient(y, place)
        bend = dx * np.gradient(dy, place) - dy * np.gradient(dx, place)
        speed = np.maximum(np.hypot(dx, dy), tiny)
        return 2 + int((bend / speed**3)[2:-2].argmax())


def _levelled_gram(flat: Float32, inside: Mask) -> Float64:
    """Return ``sum c c'``, (T, T), over the mask's voxels, curves of more energy than the median brought down to it."""
    factors, total, start = levels(energies(flat, inside)), np.zeros((len(flat), len(flat))), 0
    for pixels in blocks(inside):
        curves = columns(flat, pixels)
        total += gram(curves * factors[start : start + curves.shape[1]])
        start += curves.shape[1]
    return total
