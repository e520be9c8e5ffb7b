"""Texture of the noise: its power by spatial frequency, which a standard deviation does not tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from ctpbench import Metric, ScoredCase
from ctpbench.arrays import Float32, Float64, Mask
from ctpbench_metrics.scores import one, per_frequency

if TYPE_CHECKING:
    import xarray as xr

BLOCK_PX = 32
STEP_PX = 16
BINS = 16
LEAST_INSIDE = 0.5  # of a block's window (its power) that must lie in the tissue


def frequencies_per_mm(pixel_mm: tuple[float, float]) -> Float64:
    """Return the bins' centres, (frequency), 1/mm: 16 equal steps up to the Nyquist frequency of the larger pixel."""
    return np.arange(1, BINS + 1) / (2 * BINS * max(pixel_mm))


def temporal_residual(series: Float32) -> Float32:
    """Return ``(x(t) - (x(t-1) + x(t+1)) / 2) / sqrt(1.5)``, (time - 2, ...): noise of x's variance if independent."""
    return (series[1:-1] - (series[:-2] + series[2:]) / 2) / np.float32(np.sqrt(1.5))


def noise_power(residual: Float32, tissue: Mask, pixel_mm: tuple[float, float]) -> Float64:
    """Return the radial mean of the in-plane noise power spectrum.

    Parameters
    ----------
    residual : ndarray, (time, z, y, x), float32
        Noise, in any unit u.
    tissue : ndarray, (z, y, x), bool
    pixel_mm : pair of floats
        Pixel size along (y, x).

    Returns
    -------
    ndarray, (frequency), float64, u^2 mm^2
        At `frequencies_per_mm`. NaN where no block of 32 x 32 pixels has half of its window's power in the tissue.

    Notes
    -----
    ``NPS = dy dx |FFT(w (n - <n>))|^2 / sum w^2``, averaged over frames and half-overlapping blocks, w a Hann window
    that is 0 outside the tissue and ``<n>`` the mean it weighs. Its integral over the plane of frequencies is the
    variance. ICRU Report 87 (2012), chapter 4.
    """
    # Half a block of margin, so that blocks reach the border and a small image is one block.
    half = BLOCK_PX // 2
    window = np.hanning(BLOCK_PX + 2)[1:-1]
    window = np.outer(window, window).astype(np.float32)
    power, blocks = np.zeros((BLOCK_PX, half + 1)), 0
    for z, mask in enumerate(np.pad(tissue, ((0, 0), (half, half), (half, half)))):
        inside = np.pad(residual[:, z], ((0, 0), (half, half), (half, half)))
        for y, x in _corners(mask):
            box = np.s_[..., y : y + BLOCK_PX, x : x + BLOCK_PX]
            w = window * mask[box]
            if (w**2).sum() < LEAST_INSIDE * (window**2).sum():
                continue
            noise = np.where(mask[box], inside[box], np.float32(0))
            noise -= ((w * noise).sum(axis=(1, 2)) / w.sum())[:, None, None]
            spectrum = np.fft.rfft2(w * noise)
            power += (spectrum.real**2 + spectrum.imag**2).mean(axis=0, dtype=np.float64) / (w**2).sum()
            blocks += 1
    if not blocks:
        return np.full(BINS, np.nan)
    return _radial(power * np.prod(pixel_mm) / blocks, pixel_mm)


def _corners(mask: Mask) -> list[tuple[int, int]]:
    """Return where blocks begin so that they cover the mask's box, which is no smaller than one step."""
    starts = []
    for axis in (1, 0):
        along = np.flatnonzero(mask.any(axis=axis))
        if not along.size:
            return []
        spare = max(along[-1] + 1 - along[0] - BLOCK_PX, 0)
        first = (along[0] + along[-1] + 1 - BLOCK_PX - spare) // 2
        starts.append([first + offset for offset in range(0, spare + 1, STEP_PX)])
    return [(y, x) for y in starts[0] for x in starts[1]]


def _radial(power: Float64, pixel_mm: tuple[float, float]) -> Float64:
    """Return the mean over rings of a spectrum without its mirrored half, (fy, fx)."""
    fy, fx = np.fft.fftfreq(BLOCK_PX, pixel_mm[0]), np.fft.rfftfreq(BLOCK_PX, pixel_mm[1])
    step = frequencies_per_mm(pixel_mm)[0]
    ring = np.rint(np.hypot(fy[:, None], fx) / step).astype(np.intp)
    times = np.broadcast_to(np.where((fx == 0) | (fx == fx[-1]), 1.0, 2.0), ring.shape)
    total, count = (np.bincount(ring.ravel(), w.ravel())[1 : BINS + 1] for w in (times * power, times))
    return total / count


class NoiseMetric(Metric):
    """Base of the metrics of the noise power spectrum of a method's concentration."""

    residual: Annotated[
        Literal["noiseless", "temporal"],
        Field(description="what noise is: the difference to the noiseless scan, or of a frame to its neighbours"),
    ] = "noiseless"

    @property
    def needs(self) -> frozenset[str]:
        known = {"noiseless_concentration"} if self.residual == "noiseless" else set()
        return frozenset({"concentration"} | known)

    def spectrum(self, case: ScoredCase) -> tuple[Float64, Float64]:
        """Return frequencies in 1/mm and noise power in HU^2 mm^2, both (frequency)."""
        series, tissue = case.concentration.values, case.observation.tissue
        if self.residual == "noiseless":
            noise = series - case.noiseless_concentration.values
        else:
            noise = temporal_residual(series)
        _, *pixel_mm = case.observation.frames.attrs["spacing_mm"]
        frequencies = frequencies_per_mm(tuple(pixel_mm))
        if not np.isfinite(noise[:, tissue]).all():
            return frequencies, np.full(BINS, np.nan)
        return frequencies, noise_power(noise, tissue, tuple(pixel_mm))


class Nps(NoiseMetric):
    """In-plane noise power spectrum of the method's concentration within the tissue, in HU^2 mm^2 by frequency.

    The mean over directions, frames and blocks of 32 x 32 pixels at 16 frequencies up to that of the pixel grid. Noise
    is the difference to the noiseless scan (`residual` noiseless, so a method's blur counts as noise), or that of a
    frame to the mean of its neighbours (`residual` temporal, for recorded scans). The latter sees no noise that frames
    share, such as the baseline's, and is too low where a method averages over time. The means of blocks are taken off
    first. NaN where no block lies within the tissue, or the method's frames hold NaN there.

    Source: ICRU Report 87, "Radiation dose and image-quality assessment in computed tomography", J. ICRU 12 (2012).
    """

    name, version = "nps", "1"
    better, units, best = "lower", "HU^2 mm^2", 0.0

    def score(self, case: ScoredCase) -> xr.DataArray:
        """Return the power, (frequency)."""
        frequencies, power = self.spectrum(case)
        return per_frequency(power, frequencies)


class NpsMeanFrequency(NoiseMetric):
    """Mean spatial frequency of the noise within the tissue, in 1/mm, weighted by its power in the plane.

    Higher is finer grain. Smoothing takes the high frequencies first and leaves blotches that pass for lesions, so
    of two methods with the same `roi_std` the one with finer grain is to be preferred; alone it ranks nothing, and
    no filter at all has the finest. `residual` as in `nps`. NaN where `nps` is, or where there is no noise.

    Source: J. B. Solomon, O. Christianson, E. Samei, "Quantitative comparison of noise texture across CT scanners from
    different manufacturers", Med. Phys. 39 (2012) 6048-6055.
    """

    name, version = "nps_mean_frequency", "1"
    better, units = "higher", "1/mm"

    def score(self, case: ScoredCase) -> xr.DataArray:
        """Return the mean frequency, one number."""
        frequencies, power = self.spectrum(case)
        weights = frequencies * power  # a ring's area grows with its radius
        total = weights.sum()
        return one(weights @ frequencies / total if total > 0 else np.nan)
