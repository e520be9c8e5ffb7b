"""Filtered backprojection beside scipy: filter by FFT, then each view spread over the pixels by interpolation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import fft, ndimage

from ctpbench_phantom.scanner.backprojector import fbp
from ctpbench_phantom.scanner.geometry import FanBeam, Scanner
from ctpbench_phantom.scanner.projector import project

from .contest import Peer, within
from .machine import Work

SMALL = Scanner(FanBeam(views=144, detectors=96, pitch_mm=4 * 1.2858), pixel_mm=4.0)
PAPER = Scanner()
LIMIT_HU = 0.1
HU_PER_MM = 1000 / 0.019


def hann_ramp(fan: FanBeam) -> np.ndarray:
    """The ramp filter times a Hann window at lags 0, 1, ...: Kak and Slaney's closed form, averaged over lags."""
    lag = np.abs(np.arange(-1, fan.detectors + 1))
    odd = lag % 2 == 1
    ramp = np.where(odd, -1 / (np.pi * np.where(odd, lag, 1) * fan.step_rad) ** 2, 0)
    ramp[lag == 0] = 1 / (4 * fan.step_rad**2)
    return ramp[1:-1] / 2 + (ramp[:-2] + ramp[2:]) / 4


def scipy_fbp(sinogram: np.ndarray, scanner: Scanner, size: int) -> np.ndarray:
    """Reconstruct one image."""
    fan, radius = scanner.fan, scanner.fan.source_iso_mm
    lags = fan.detectors
    angle = np.arange(1, lags) * fan.step_rad
    kernel = hann_ramp(fan) / 2
    kernel[1:] *= (angle / np.sin(angle)) ** 2
    length = fft.next_fast_len(2 * lags, real=True)
    spectrum = fft.rfft(np.concatenate([kernel, np.zeros(length - 2 * lags + 1), kernel[:0:-1]]))
    weighted = sinogram * (radius * np.cos(fan.ray_angles()) * fan.step_rad)
    filtered = fft.irfft(fft.rfft(weighted, length) * spectrum, length)[:, :lags].astype(np.float32)
    y, x = (np.mgrid[:size, :size] - (size - 1) / 2) * scanner.pixel_mm
    image = np.zeros((size, size))
    for beta, row in zip(fan.view_angles(), filtered, strict=True):
        depth = radius - np.sin(beta) * x + np.cos(beta) * y
        lateral = -np.cos(beta) * x - np.sin(beta) * y
        at = np.arctan2(lateral, depth) / fan.step_rad + (lags - 1) / 2
        image += ndimage.map_coordinates(row, [at], order=1, cval=0) / (depth**2 + lateral**2)
    return image * (2 * np.pi / fan.views)


def work_of(fan: FanBeam, size: int) -> Work:
    """Two Fourier transforms of each view, and in every view an interpolation and a weight for each pixel."""
    length = fft.next_fast_len(2 * fan.detectors, real=True)
    filtering, spreading = fan.views * 5 * length * np.log2(length), fan.views * size**2 * 5
    return Work(4e-6 * (fan.views * fan.detectors + size**2), 1e-9 * (filtering + spreading))


@pytest.mark.parametrize("who", ["ours", "scipy"])
@pytest.mark.parametrize(("scanner", "size"), [(SMALL, 64), (PAPER, 256)], ids=["64", "256"])
def test_backprojection(contest, head, scanner, size, who):
    sinograms = project(head(size), scanner.fan, scanner.pixel_mm)
    contest(
        who,
        task="filtered backprojection",
        size=f"{size}x{size}, {scanner.fan.views} views",
        ours=lambda: fbp(sinograms, scanner, (size, size))[0] * HU_PER_MM,
        peers={"scipy": Peer(lambda: scipy_fbp(sinograms[0], scanner, size) * HU_PER_MM, within(LIMIT_HU, "HU"))},
        images={"ours": len(sinograms)},
        work=work_of(scanner.fan, size),
    )
