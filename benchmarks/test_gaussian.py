"""The Gaussian filter beside the same normalised convolution by scipy and by OpenCV."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from scipy import ndimage

from ctpbench_filters import Gaussian

from .contest import THREADS, Peer, within
from .machine import Work

SIGMA_PX = 2.0
REACH_PX = 8  # 4 sigma


def scipy_blur(image: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter(image, SIGMA_PX, mode="constant", truncate=REACH_PX / SIGMA_PX)


def opencv_blur(image: np.ndarray) -> np.ndarray:
    side = 2 * REACH_PX + 1
    return cv2.GaussianBlur(image, (side, side), SIGMA_PX, borderType=cv2.BORDER_CONSTANT)


def filtered(frames: np.ndarray, mask: np.ndarray, blur: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Blur the mask's part of every frame and divide by the blurred mask; other pixels pass unchanged."""
    inside = mask.astype(np.float32)
    weight = np.where(mask, blur(inside), 1)
    return np.stack([np.where(mask, blur(frame * inside) / weight, frame) for frame in frames])


@pytest.mark.parametrize("who", ["ours", "scipy.ndimage", "OpenCV"])
@pytest.mark.parametrize("size", [64, 256])
def test_gaussian(contest, scan, context, size, who):
    frames, tissue = scan(size).frames, scan(size).tissue[0]
    series = frames.values[:, 0]
    cv2.setNumThreads(THREADS)
    same = within(0.01, "HU")
    contest(
        who,
        task="gaussian",
        size=f"{size}x{size}x44",
        ours=lambda: Gaussian(sigma_px=SIGMA_PX).denoise(frames, context).values[:, 0],
        peers={
            "scipy.ndimage": Peer(lambda: filtered(series, tissue, scipy_blur), same),
            "OpenCV": Peer(lambda: filtered(series, tissue, opencv_blur), same),
        },
        work=Work(8e-6 * series.size, 4e-9 * (2 * REACH_PX + 1) * len(series) * tissue.sum()),  # two passes
    )
