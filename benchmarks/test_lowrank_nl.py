"""The non-local mean of temporal components beside numpy, and beside what libraries call non-local means."""

from __future__ import annotations

from itertools import product

import cv2
import numpy as np
import pytest
from skimage.restoration import denoise_nl_means

from ctpbench.perfusion import smooth_components
from ctpbench_filters import LowrankNl, Tips

from .contest import THREADS, Peer, within
from .machine import Work

RANK, H, SIGMA_S_PX, REACH_PX = 3, 3.0, 3.5, 5
WINDOW_PX = 2 * REACH_PX + 1


def features_of(series: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Basis, features (rank + 1, y, x) and the variance of their noise."""
    found = smooth_components(series[:, None], mask[None])
    basis = found.with_mean(RANK)
    return basis, np.tensordot(basis.T, series, axes=1), found.noise_variance


def shifted_mean(series: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The same mean over an 11x11 window, one shift of the brain's bounding box at a time."""
    basis, features, noise = features_of(series, mask)
    rows, columns = (slice(edge.min(), edge.max() + 1) for edge in np.nonzero(mask))
    here, inside = features[:, rows, columns].astype(np.float32), mask[rows, columns]
    height, width = inside.shape
    padded = np.pad(here, ((0, 0), (REACH_PX, REACH_PX), (REACH_PX, REACH_PX)))
    padded_mask = np.pad(inside, REACH_PX)
    sums, total = np.zeros_like(here), np.zeros((height, width), np.float32)
    for dy, dx in product(range(WINDOW_PX), repeat=2):
        there = padded[:, dy : dy + height, dx : dx + width]
        beyond = np.maximum(np.square(there - here).sum(axis=0) - np.float32(2 * noise * (RANK + 1)), 0)
        away = ((dy - REACH_PX) ** 2 + (dx - REACH_PX) ** 2) / (2 * SIGMA_S_PX**2)
        weight = np.exp(-beyond / np.float32(2 * H**2 * noise) - np.float32(away))
        weight *= padded_mask[dy : dy + height, dx : dx + width]
        sums += weight * there
        total += weight
    smooth = series.copy()
    smooth[:, mask] = basis @ (sums / np.where(inside, total, 1))[:, inside]
    return smooth


def scikit_image(series: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Non-local means of the same features as channels: no mask, no weight by distance."""
    basis, features, noise = features_of(series, mask)
    seen = np.moveaxis(np.where(mask, features, 0), 0, -1).astype(np.float32)
    smooth = denoise_nl_means(
        seen, patch_size=3, patch_distance=REACH_PX, h=H * noise**0.5, sigma=noise**0.5, fast_mode=True, channel_axis=-1
    )
    return np.tensordot(basis, np.moveaxis(smooth, -1, 0), axes=1)


def opencv(series: np.ndarray) -> list[np.ndarray]:
    """Non-local means of each frame alone, in 16 bits."""
    frames = np.clip(series + 1024, 0, 65535).astype(np.uint16)
    return [cv2.fastNlMeansDenoising(frame, [20.0], None, 3, WINDOW_PX, cv2.NORM_L1) for frame in frames]


def work_of(series: np.ndarray, mask: np.ndarray) -> Work:
    """The series is read for its covariance, read for its components, and written; then the mean of these."""
    times, features, pixels = len(series), RANK + 1, int(mask.sum())
    mapped = times * (times + 1) + 4 * times * features
    return Work(12e-6 * series.size, 1e-9 * pixels * (mapped + 5 * features * WINDOW_PX**2))


@pytest.mark.parametrize("who", ["ours", "numpy", "TIPS", "scikit-image", "OpenCV"])
@pytest.mark.parametrize("size", [64, 256])
def test_lowrank_nl(contest, scan, context, size, who):
    frames, tissue = scan(size).frames, scan(size).tissue[0]
    series = frames.values[:, 0]
    cv2.setNumThreads(THREADS)
    ours = LowrankNl(rank=RANK, h=H, sigma_s_px=SIGMA_S_PX, window_px=WINDOW_PX)
    contest(
        who,
        task="lowrank_nl",
        size=f"{size}x{size}x44",
        ours=lambda: ours.denoise(frames, context).values[:, 0],
        peers={
            "numpy": Peer(lambda: shifted_mean(series, tissue), within(0.02, "HU")),
            "TIPS": Peer(lambda: Tips(window_px=WINDOW_PX).denoise(frames, context)),
            "scikit-image": Peer(lambda: scikit_image(series, tissue)),
            "OpenCV": Peer(lambda: opencv(series)),
        },
        work=work_of(series, tissue),
    )
