"""A small synthetic head to write to disk as scanners and challenges do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest


@dataclass(frozen=True)
class Head:
    """A scan whose every part is known, in the canonical axes: z towards the head, y to the back, x to the left.

    `frames` are (time, z, y, x), float32, HU (whole numbers, so that every format keeps them); masks (z, y, x).
    """

    frames: npt.NDArray[np.float32]
    times_s: npt.NDArray[np.float64]
    spacing_mm: tuple[float, float, float]
    brain: npt.NDArray[np.bool_]
    artery: npt.NDArray[np.bool_]
    core: npt.NDArray[np.bool_]
    white_matter: npt.NDArray[np.bool_]
    aif: npt.NDArray[np.float64]


def bolus(times_s: npt.NDArray[np.float64], start_s: float, width_s: float) -> npt.NDArray[np.float64]:
    """Return a gamma variate of peak 1 that starts at `start_s` and peaks `width_s` later."""
    late = np.maximum(times_s - start_s, 0.0) / width_s
    return (late * np.exp(1.0 - late)) ** 3


def head_series(
    *,
    slices: int = 2,
    rows: int = 48,
    columns: int = 44,
    frames: int = 24,
    interval_s: float = 1.0,
    noise_hu: float = 5.0,
    seed: int = 0,
) -> Head:
    """Return a head of few pixels: skull, tissue, two arteries, a sinus; no two sides of it are alike."""
    z, y, x = np.meshgrid(np.arange(slices), *(np.linspace(-1, 1, n) for n in (rows, columns)), indexing="ij")
    times_s = np.arange(frames) * interval_s
    radius = np.hypot(y / 0.92, x / 0.8)
    hu = np.full(radius.shape, -1000.0)
    hu[radius < 1.0] = 900.0
    brain = radius < 0.86
    white = brain & (np.hypot(y, x) < 0.55)
    hu[brain] = 36.0
    hu[white] = 28.0
    hu[brain & (np.hypot(y + 0.3, x + 0.1) < 0.12)] = 8.0  # a ventricle on the right, towards the front
    hu[brain & (np.hypot(y - 0.4, x - 0.3) < 0.06)] = 90.0 + 5.0 * z[brain & (np.hypot(y - 0.4, x - 0.3) < 0.06)]
    core = white & (np.hypot(y - 0.05, x - 0.3) < 0.2)
    artery = brain & ((np.hypot(y + 0.55, x - 0.12) < 0.07) | (np.hypot(y + 0.15, x + 0.58) < 0.07))
    sinus = brain & (np.hypot(y - 0.72, x) < 0.08)
    aif = 150.0 * bolus(times_s, 3.0, 5.0)
    vof = 240.0 * bolus(times_s, 5.0, 5.5)
    share = np.where(brain, np.where(white, 0.03, 0.06), 0.0) * np.where(core, 0.2, 1.0)
    rise = share[np.newaxis] * 150.0 * bolus(times_s, 4.0, 6.0)[:, None, None, None]
    rise[:, artery] = aif[:, np.newaxis]
    rise[:, sinus] = vof[:, np.newaxis]
    noise = noise_hu * np.random.default_rng(seed).standard_normal(rise.shape)
    noisy = hu + rise + np.where(radius < 1.0, noise, 0.0)
    pixel_mm = 176.0 / max(rows, columns)
    healthy = white & (np.hypot(y - 0.05, x + 0.3) < 0.2)
    return Head(
        np.rint(noisy).astype(np.float32), times_s, (5.0, pixel_mm, pixel_mm), brain, artery, core, healthy, aif
    )


@pytest.fixture(scope="session")
def head() -> Head:
    """The small head with its defaults: 2 slices of 48x44 pixels, 24 frames at 1 s."""
    return head_series()
