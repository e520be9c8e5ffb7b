"""Bayesian deconvolution: each voxel's posterior over flow, delay and residue function, and maps of its means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float32, Float64, Mask
from ctpbench.perfusion.circulant import rectified_aif
from ctpbench.perfusion.normal_tail import scaled_tail
from ctpbench.perfusion.responses import Responses, responses
from ctpbench.perfusion.voxels import as_curves, blocks, columns, energies, levels, mask_of, multiply, peak

ARTERIAL_SHARE = 0.15
"""Standard deviation of the arterial blood beside a voxel's tissue, as a share of the typical blood volume."""
FLOW_SPREAD = 1.5
"""Scale of the flow's prior, in typical flows: the typical blood volume over the prior's transit time."""

_BLOCK = 256  # voxels at once: a thousand entries each, so that a block's posterior stays in cache
_SIGNALS = 10  # curves of tissue are a combination of so many, or fewer: the rest is noise
_NEGLIGIBLE = 1e-4  # singular values of the responses below this share of the largest are left out
_LEAST_VOLUME = 1e-9  # mL/mL, where the typical volume is zero


@dataclass(frozen=True)
class Bayesian:
    """Prior and noise model of the Bayesian deconvolution.

    Parameters
    ----------
    mtt_s : float
        Median of the transit time's log-normal prior, above 0; a standard deviation is a factor of 2.
    delay_s : float
        Mean of the delay's exponential prior, above 0.
    model_error : float
        What no response explains, as a share of a typical curve's root mean square; 0.001 or more.
    baseline_frames : int
        How many early frames were averaged for the baseline, at least 1. Their noise is an offset of the whole curve.

    Raises
    ------
    ValueError
        Where one of them is out of range.
    """

    mtt_s: float = 5.0
    delay_s: float = 2.0
    model_error: float = 0.1
    baseline_frames: int = 2

    def __post_init__(self) -> None:
        for name, value in (("mtt_s", self.mtt_s), ("delay_s", self.delay_s)):
            if not 0 < value < np.inf:
                raise ValueError(f"{name}: got {value}; allowed: above 0 s")
        if not 0.001 <= self.model_error < np.inf:
            raise ValueError(f"model_error: got {self.model_error}; allowed: 0.001 or more")
        if not self.baseline_frames >= 1:
            raise ValueError(f"baseline_frames: got {self.baseline_frames}; allowed: 1 or more")


def posterior_maps(
    concentration: npt.ArrayLike,
    aif: npt.ArrayLike,
    dt_s: float,
    prior: Bayesian = Bayesian(),  # frozen
    *,
    mask: npt.ArrayLike | None = None,
    kappa: float = 1.0,
    rho: float = 1.0,
) -> dict[str, Float32]:
    """Compute the posterior means of each voxel's perfusion, and how sure its CBF is.

    A curve is ``c = f d_j + e``. d_j is one of 990 responses of unit flow, `AIF * R(t - delay)`: transit times that are
    gamma-distributed with shape 1 (an exponential residue) to 16 (nearly a plateau), MTT 1 to 24 s, delay 0 to 15 s.
    The flow f has a half-normal prior. e is Gaussian with the covariance

    ``(s^2 + m^2) I + s^2 / T0 + (a AIF)(a AIF)'``:

    the noise s of a frame, what no response explains (m, `model_error`), the noise of the baseline, which all frames
    share, and arterial blood beside the tissue, a being 0.15 of the typical blood volume. Each response's evidence and
    mean flow are closed forms; the maps are means over the responses, weighted by evidence and prior.

    What a scan's voxels share is estimated from all in the mask: s from the median of what is left of a curve outside
    the ten main responses and a constant; the typical volume is the median of area over AIF's area; the scale of the
    flow's prior is 1.5 times it over `mtt_s`. A curve of more energy than the median is brought down to it before, and
    its CBF and CBV up again after, for what a response leaves unexplained grows with the curve. So curves twice as high
    have twice the CBF and CBV, and the same MTT and Tmax.

    Parameters
    ----------
    concentration : array, (time, ...), HU above baseline
    aif : array, (time,), HU above baseline
        Samples below zero count as zero.
    dt_s : float
        Frame interval in s.
    prior : Bayesian
    mask : array, (...), bool, or None
        Where maps are computed; None means everywhere.
    kappa : float
        Correction for the haematocrit of small vessels.
    rho : float
        Density of brain in g/mL.

    Returns
    -------
    dict of array, (...), float32
        Posterior means "cbf" in mL/100 g/min, "cbv" in mL/100 g, "mtt" and "tmax" (the delay) in s, and "cbf_sd", the
        posterior standard deviation of CBF; "ttp", s, is that of the curve. Zero outside the mask, and everywhere where
        no curve differs from zero. The mean of MTT is not 60 CBV/CBF: the mean of a quotient is not that of means. The
        grid's transit times are a fifth apart, so that no CBF is surer than a twentieth, whatever "cbf_sd".

    Raises
    ------
    DataError
        Where the mask does not fit, a curve in it is not finite, the AIF is not a finite curve that rises above zero
        and is as long as the concentration, or `dt_s` is not positive.

    Examples
    --------
    Two residues of 6 s at a flow of 60 mL/100 g/min, two seconds late, under noise of 1 HU. Which of the shapes it was
    the curves hardly tell, so the flow of an exponential comes out too low, and that of a plateau too high.

    >>> import numpy as np
    >>> from ctpbench.perfusion import posterior_maps
    >>> aif = np.zeros(40)
    >>> aif[10:16] = [80, 240, 300, 200, 90, 30]
    >>> exponential, plateau = np.exp(-np.arange(40) / 6), 1.0 * (np.arange(40) < 7)
    >>> plateau[6] = 0.5
    >>> for residue in (exponential, plateau):
    ...     residue[0] = 0.5  # the trapezium rule
    ...     curve = 0.01 * np.convolve(np.roll(aif, 2), residue)[:40]
    ...     noisy = curve[:, np.newaxis] + np.random.default_rng(0).normal(size=(40, 500))
    ...     maps = posterior_maps(noisy, aif, 1.0)
    ...     print({name: round(float(np.median(values)), 1) for name, values in maps.items()})
    {'cbf': 50.7, 'cbv': 5.8, 'mtt': 7.3, 'ttp': 16.0, 'tmax': 1.5, 'cbf_sd': 10.5}
    {'cbf': 70.1, 'cbv': 6.1, 'mtt': 5.3, 'ttp': 17.0, 'tmax': 2.2, 'cbf_sd': 9.4}

    Sources: Mouridsen et al. 2006, NeuroImage 33:570 (Bayesian deconvolution with a vascular model); Boutelier et al.
    2012, IEEE Trans Med Imaging 31:1381 (delay, and flow in closed form); Wu, Ren, Li, eqs 16-19.
    """
    series = as_curves(concentration, aif)
    artery = rectified_aif(aif, dt_s)
    flat, inside = series.reshape(len(series), -1), mask_of(mask, series.shape[1:])
    maps = {name: np.zeros(inside.size, np.float32) for name in ("cbf", "cbv", "mtt", "ttp", "tmax", "cbf_sd")}
    energy = energies(flat, inside)
    if energy.any():
        known = responses(artery, dt_s, prior.mtt_s, prior.delay_s)
        posterior = _Posterior.of(known, artery, _Scan.of(flat, inside, energy, artery, known), prior)
        flow = 6000 * kappa / rho
        units = {"cbf": flow, "cbv": 100 * kappa / rho, "mtt": 1, "tmax": 1, "cbf_sd": flow}
        level = np.ones(inside.size, np.float32)
        level[inside.ravel()] = levels(energy)
        for pixels in blocks(inside, _BLOCK):
            curves = columns(flat, pixels)
            for name, values in posterior.means(curves * level[pixels]).items():
                linear = name in ("cbf", "cbv", "cbf_sd")
                maps[name][pixels] = units[name] * (values / level[pixels] if linear else values)
            maps["ttp"][pixels] = dt_s * peak(curves)[1]
    return {name: values.reshape(inside.shape) for name, values in maps.items()}


@dataclass(frozen=True)
class _Scan:
    """What all voxels share: noise of a frame and root mean square of a typical curve, HU, and its volume, mL/mL."""

    noise: float
    size: float
    volume: float

    @classmethod
    def of(cls, flat: Float32, inside: Mask, energy: Float32, aif: Float64, known: Responses) -> _Scan:
        """Estimate them by medians over the curves that differ from zero."""
        frames = len(flat)
        left = np.linalg.svd(known.curves, full_matrices=False)[0][:, : min(_SIGNALS, frames // 2 - 1)]
        rest = np.linalg.qr(np.column_stack([np.ones(frames), left]), mode="complete")[0][:, left.shape[1] + 1 :]
        noise_only = np.ascontiguousarray(rest.T, dtype=np.float32)
        parts = [columns(flat, pixels) for pixels in blocks(inside)]
        seen = energy > 0
        square = np.median(np.concatenate([np.square(multiply(noise_only, part)).sum(axis=0) for part in parts])[seen])
        area = np.median(np.concatenate([part.sum(axis=0) for part in parts])[seen])
        freedom = rest.shape[1]
        usual = freedom * (1 - 2 / (9 * freedom)) ** 3  # the median of chi square: Wilson, Hilferty 1931
        return cls(
            noise=float(np.sqrt(square / usual)),
            size=float(np.sqrt(np.median(energy[seen]) / frames)),
            volume=max(abs(float(area)) / float(aif.sum()), _LEAST_VOLUME),
        )


@dataclass(frozen=True)
class _Posterior:
    """A scan's posterior, ready for curves. With W'W the inverse covariance of e and s the scale of the flow's prior,

    ``A_j = ||W d_j||^2 + 1/s^2`` and ``z_j = (W d_j)'(W c) / sqrt(A_j)``: the flow is normal about z / sqrt(A) with
    variance 1 / A, cut off at zero, and the evidence is ``exp(z^2 / 2) Phi(z) / (s sqrt(A))`` but for a factor.

    Attributes
    ----------
    project : ndarray, (rank, time), float32
        From a curve to the coordinates in which z is ``entries @ project @ c``.
    entries : ndarray, (entry, rank), float32
    log_weight : ndarray, (entry, 1), float32
        ``log prior - log(s sqrt(A))``.
    by_weight, by_flow, by_square : ndarray, (k, entry), float32
        What is summed over entries with weight 1: 1, MTT, delay; with the flow times sqrt(A): 1/sqrt(A), MTT/sqrt(A);
        with its square: 1/A.
    """

    project: Float32
    entries: Float32
    log_weight: Float32
    by_weight: Float32
    by_flow: Float32
    by_square: Float32

    @classmethod
    def of(cls, known: Responses, aif: Float64, scan: _Scan, prior: Bayesian) -> _Posterior:
        frames = aif.size
        covariance = (scan.noise**2 + (prior.model_error * scan.size) ** 2) * np.eye(frames)
        covariance += scan.noise**2 / prior.baseline_frames
        covariance += (ARTERIAL_SHARE * scan.volume) ** 2 * np.outer(aif, aif)
        whiten = np.linalg.inv(np.linalg.cholesky(covariance))
        scale = FLOW_SPREAD * scan.volume / prior.mtt_s
        white = whiten @ known.curves
        root = np.sqrt(np.square(white).sum(axis=0) + scale**-2)
        left, size, right = np.linalg.svd(white / root, full_matrices=False)
        kept = size > _NEGLIGIBLE * size[0]
        terms = np.stack([np.ones_like(root), known.mtt_s, known.delay_s])
        return cls(
            (left[:, kept].T @ whiten).astype(np.float32),
            (size[kept, np.newaxis] * right[kept]).T.astype(np.float32),
            (known.log_prior - np.log(scale * root)).astype(np.float32)[:, np.newaxis],
            terms.astype(np.float32),
            (terms[:2] / root).astype(np.float32),
            (root**-2).astype(np.float32)[np.newaxis],
        )

    def means(self, curves: Float32) -> dict[str, Float32]:
        """Return posterior means of curves, (time, voxel): flow in 1/s, volume in mL/mL, times in s, deviation of flow.

        With q the weight ``exp(z^2 / 2) Phi(z)`` of an entry and p = 1 / sqrt(2 pi), the cut-off normal's moments times
        q are ``q z + p`` and ``q (1 + z^2) + p z``, in units of 1 / sqrt(A) and 1 / A.
        """
        z = multiply(self.entries, multiply(self.project, curves))
        above = z > 0
        square = np.square(z)
        grown = np.square(np.maximum(z, 0)) / 2 + self.log_weight
        highest = grown.max(axis=0)
        alone = np.exp(self.log_weight - highest)
        # Phi(z) is 1 less the tail above zero, the tail below. A bool times a float is ten times as fast as np.where.
        tail = scaled_tail(np.abs(z)) * alone
        q = np.exp(grown - highest) * above + tail - 2 * (tail * above)
        p = alone / np.float32((2 * np.pi) ** 0.5)
        total, mtt_s, delay_s = multiply(self.by_weight, q)
        flow, volume = multiply(self.by_flow, q * z + p) / total
        (second,) = multiply(self.by_square, q + q * square + p * z) / total
        return {
            "cbf": flow,
            "cbv": volume,
            "mtt": mtt_s / total,
            "tmax": delay_s / total,
            "cbf_sd": np.sqrt(np.maximum(second - flow**2, 0)),
        }
