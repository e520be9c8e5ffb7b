"""How many temporal components of noiseless series stand above noise: how much there is to lose by denoising."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ctpbench.arrays import Float32, Float64, Mask


@dataclass(frozen=True)
class Components:
    """The temporal components of noiseless series.

    Attributes
    ----------
    ratios : ndarray, (time), float64, no unit
        Their variances per pixel over the noise's, the largest first.
    pixels : int
        How many they were found in.
    """

    ratios: Float64
    pixels: int

    def above_noise(self, pixels: int | None = None) -> int:
        """Return how many can be told from noise in so many pixels, without a number in those they were found in.

        A component counts where its variance exceeds the noise's times ``sqrt(time / pixels)``: below that the
        eigenvectors of noisy series have nothing in common with it.

        Source: Baik, Ben Arous, Peche, Ann Probab 33:1643, 2005; Nadler, Ann Stat 36:2791, 2008.
        """
        return int((self.ratios > np.sqrt(self.ratios.size / (pixels or self.pixels))).sum())


def temporal_components(scans: Iterable[tuple[Float32, Mask]], noise_hu: float) -> Components:
    """Return the temporal components of noiseless series, each pixel's about its own mean over time.

    Parameters
    ----------
    scans : iterable of (frames, tissue)
        Frames, (time, z, y, x), HU, without noise, of one number of times; and the pixels that count, (z, y, x), bool:
        those of `ctpbench.Observation.tissue`.
    noise_hu : float
        Standard deviation of the noise in a pixel of a frame, HU.
    """
    total, pixels = np.zeros((1, 1)), 0
    for frames, tissue in scans:
        curves = frames[:, tissue].astype(np.float64)
        curves -= curves.mean(axis=0)
        total = total + curves @ curves.T
        pixels += curves.shape[1]
    variances = np.linalg.eigvalsh(total / max(pixels, 1))[::-1]
    return Components(np.maximum(variances, 0.0) / noise_hu**2, pixels)
