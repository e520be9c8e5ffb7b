"""Tissue curves of unit flow for families of transit times: what a Bayesian deconvolution compares a curve with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammainc, gammaincc

from ctpbench.arrays import Float64

SHAPES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Shapes of the gamma-distributed transit times: 1 is an exponential residue, 16 nearly a plateau."""
MTT_S = np.geomspace(1.0, 24.0, 18)
DELAY_S = np.array([0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 12.0, 15.0])

_MTT_SPREAD = 2.0  # one standard deviation of the transit time's prior, as a factor
_FINE_S = 0.125  # step of the convolution, or less


@dataclass(frozen=True)
class Responses:
    """Tissue curves of unit flow, one an entry: each shape with each transit time and each delay.

    Attributes
    ----------
    curves : ndarray, (time, entry), float64, HU s
        ``(AIF * R)(t - delay)``, R the residue function, 1 at lag 0.
    mtt_s, delay_s : ndarray, (entry), float64, s
    log_prior : ndarray, (entry), float64
        Of weights that sum to 1.
    """

    curves: Float64
    mtt_s: Float64
    delay_s: Float64
    log_prior: Float64


def responses(aif: Float64, dt_s: float, prior_mtt_s: float, prior_delay_s: float) -> Responses:
    """Return the responses to an AIF, (time), HU above baseline, none below zero, and their prior weights.

    Shapes are alike probable; transit times are log-normal about `prior_mtt_s`, a factor of 2 to each side, from 1 to
    24 s; delays are exponential of mean `prior_delay_s`, from 0 to 15 s. Sums over the grid stand for integrals.
    """
    fine = _Fine(aif, dt_s)
    tables = np.stack([fine.convolved(shape, MTT_S) for shape in SHAPES], axis=1)
    curves = np.stack([fine.sampled(tables, delay_s) for delay_s in DELAY_S], axis=-1)
    mtt_s, delay_s = (np.broadcast_to(grid, curves.shape[1:]).ravel() for grid in (MTT_S[:, np.newaxis], DELAY_S))
    widths = np.diff(DELAY_S, prepend=DELAY_S[0], append=DELAY_S[-1])
    weight = np.exp(-(np.log(MTT_S / prior_mtt_s) ** 2) / (2 * np.log(_MTT_SPREAD) ** 2))[:, np.newaxis]
    weight = weight * np.exp(-DELAY_S / prior_delay_s) * (widths[:-1] + widths[1:]) / 2
    weight = np.broadcast_to(weight, curves.shape[1:]).ravel()
    with np.errstate(divide="ignore"):  # a prior so narrow that a weight is zero
        log_prior = np.log(weight / weight.sum())
    return Responses(curves.reshape(len(aif), -1), mtt_s, delay_s, log_prior)


def residue_area(lag_s: npt.ArrayLike, shape: float, mtt_s: npt.ArrayLike) -> Float64:
    """Return the integral from 0 to a lag, s, of ``R = 1 - GammaCDF(lag; shape, MTT / shape)``; lag and MTT broadcast.

    By parts, ``lag R(lag) + MTT GammaCDF(lag; shape + 1, MTT / shape)``.
    """
    lag, mtt = np.asarray(lag_s, dtype=np.float64), np.asarray(mtt_s, dtype=np.float64)
    place = shape * lag / mtt
    area: Float64 = lag * gammaincc(shape, place) + mtt * gammainc(shape + 1, place)
    return area


class _Fine:
    """The AIF between its frames, on a grid that divides the frame interval: convolved there, then sampled."""

    def __init__(self, aif: Float64, dt_s: float) -> None:
        per_frame = int(np.ceil(dt_s / _FINE_S))
        self.step_s = dt_s / per_frame
        self.times_s = np.arange(aif.size) * dt_s
        # A monotone cubic neither overshoots a peak nor falls below zero.
        from scipy.interpolate import PchipInterpolator  # half of scipy, in the memory of each process that is forked

        curve = PchipInterpolator(np.arange(aif.size), aif)
        self.aif = curve(np.arange((aif.size - 1) * per_frame + 1) / per_frame)

    def convolved(self, shape: float, mtt_s: Float64) -> Float64:
        """Return AIF * R, (fine time, mtt), HU s: each weight is the area of R over one cell of the grid."""
        edges = np.concatenate([[0.0], (np.arange(self.aif.size) + 0.5) * self.step_s])
        weights = np.diff(residue_area(edges[:, np.newaxis], shape, mtt_s), axis=0)
        length = 2 * self.aif.size
        product = np.fft.rfft(self.aif, length)[:, np.newaxis] * np.fft.rfft(weights, length, axis=0)
        return np.fft.irfft(product, length, axis=0)[: self.aif.size]

    def sampled(self, table: Float64, delay_s: float) -> Float64:
        """Return the table's rows at the frames, (time, ...), `delay_s` late: zero before it begins."""
        place = (self.times_s - delay_s) / self.step_s
        index = np.clip(np.floor(place).astype(np.intp), 0, len(table) - 2)
        share = np.expand_dims(place - index, tuple(range(1, table.ndim)))
        rows = table[index] * (1 - share) + table[index + 1] * share
        return np.where(share >= 0, rows, 0.0)
