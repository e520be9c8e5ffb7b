"""TIPS beside numpy on shifted arrays."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from scipy import ndimage

from ctpbench_filters import Tips

from .contest import Agreement, Peer, within
from .machine import Work
from .optional import PCT, missing, octave, optional

SIGMA_T_HU, SIGMA_S_PX, REACH_PX = 7.5, 2.0, 5


def similar_mean(series: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Weighted mean over an 11x11 window, one shift of the whole brain's bounding box at a time."""
    rows, columns = (slice(edge.min(), edge.max() + 1) for edge in np.nonzero(mask))
    here, inside = series[:, rows, columns], mask[rows, columns]
    height, width = inside.shape
    padded = np.pad(here, ((0, 0), (REACH_PX, REACH_PX), (REACH_PX, REACH_PX)))
    padded_mask = np.pad(inside, REACH_PX)
    sums, total = np.zeros_like(here), np.zeros((height, width), np.float32)
    for dy, dx in product(range(2 * REACH_PX + 1), repeat=2):
        there = padded[:, dy : dy + height, dx : dx + width]
        ssd = np.square(there - here).sum(axis=0)
        distance2 = (dy - REACH_PX) ** 2 + (dx - REACH_PX) ** 2
        weight = np.exp(-ssd / np.float32(2 * len(here) * SIGMA_T_HU**2) - np.float32(distance2 / (2 * SIGMA_S_PX**2)))
        weight *= padded_mask[dy : dy + height, dx : dx + width]
        sums += weight * there
        total += weight
    smooth = series.copy()
    smooth[:, rows, columns] = np.where(inside, sums / np.where(inside, total, 1), here)
    return smooth


def pct_tips(series: np.ndarray, mask: np.ndarray) -> Peer:
    """The pct toolbox's TIPS under Octave, of the brain's bounding box; it knows no mask, so edges are not compared."""
    rows, columns = (slice(edge.min(), edge.max() + 1) for edge in np.nonzero(mask))
    octave().put(box=np.moveaxis(series[:, rows, columns], 0, -1).astype(np.float64))
    deep = ndimage.binary_erosion(mask, np.ones((2 * REACH_PX + 1,) * 2))

    def run() -> Callable[[], np.ndarray]:
        octave().run(f"smooth = pct_tips(box, {REACH_PX}, [{SIGMA_S_PX} {SIGMA_T_HU}]);")
        return lambda: octave().get("smooth")

    def departure(ours: np.ndarray, theirs: Callable[[], np.ndarray]) -> float:
        known = np.moveaxis(theirs(), -1, 0)[:, deep[rows, columns]]
        return float(np.abs(ours[:, deep] - known).max())

    return Peer(run, Agreement(0.01, "HU", departure))


@pytest.mark.parametrize("who", ["ours", "numpy", optional(PCT)])
@pytest.mark.parametrize("size", [64, 256])
def test_tips(contest, scan, context, size, who):
    frames, tissue = scan(size).frames, scan(size).tissue[0]
    tips = Tips(sigma_t_hu=SIGMA_T_HU, sigma_s_px=SIGMA_S_PX, window_px=2 * REACH_PX + 1)
    series = frames.values[:, 0]
    peers = {"numpy": Peer(lambda: similar_mean(series, tissue), within(0.01, "HU"))}
    if not missing(PCT):
        peers[PCT] = pct_tips(series, tissue)
    contest(
        who,
        task="tips",
        size=f"{size}x{size}x44",
        ours=lambda: tips.denoise(frames, context).values[:, 0],
        peers=peers,
        work=Work(8e-6 * series.size, 5e-9 * (2 * REACH_PX + 1) ** 2 * len(series) * tissue.sum()),
    )
