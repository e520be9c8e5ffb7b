"""Arteries and veins: trunks along drawn courses, and branches in the sulci where two random surfaces cross."""

from __future__ import annotations

import numpy as np

from ctpbench.arrays import Float64
from ctpbench_phantom.cortex import Cortex, callosum_depth
from ctpbench_phantom.head import Hull
from ctpbench_phantom.shapes import Points, tube
from ctpbench_phantom.texture import field

# Knots (x, y, z, radius) in mm on one side.
_MCA_STEM = ((14, -14, -16, 1.8), (28, -10, -12, 1.8), (37, -6, -8, 1.7), (39.5, 2, -3, 1.6))
_MCA_BRANCHES = (
    ((38, -9, -7, 1.6), (39, -11, 3, 1.5), (36, -17, 12, 1.3), (44, -18, 18, 1.1), (58, -20, 26, 1.0)),
    ((39.5, 2, -3, 1.6), (41, 3, 6, 1.5), (40, 6, 15, 1.3), (50, 8, 19, 1.2), (62, 12, 30, 1.0)),
    ((39.5, 2, -3, 1.5), (39, 12, 2, 1.5), (37, 19, 10, 1.3), (46, 27, 18, 1.2), (56, 34, 30, 1.0)),
)
_PCA = ((10, 16, -12, 1.4), (17, 26, -8, 1.4), (16, 38, -2, 1.3), (9, 52, 2, 1.2), (6, 68, 6, 1.0))
_DEEP_VEINS = ((1.2, -6, 9, 0.8), (1.4, 12, 11, 1.0), (1.0, 27, 8, 1.4), (0, 33, 6, 2.0))
_STRAIGHT_SINUS = ((0, 33, 6, 2.2), (0, 48, 2, 2.2), (0, 78, -12, 3.0))


def _pericallosal(points: Points) -> Float64:
    """Distance to the two anterior cerebral arteries, which climb in front of the callosum and arch over it."""
    over = np.abs(callosum_depth(points) + 3.5 + 1.8 * np.sin(points.y / 5.0))
    end = np.maximum(points.y - 30.0, 0.0)  # they end behind
    low = np.maximum(-8.0 - points.z + 0.4 * (points.y + 40), 0.0)
    return np.sqrt((np.abs(points.x) - 1.7) ** 2 + over**2 + end**2 + low**2) - 1.2


def _medial_branch(points: Points, out_mm: float) -> Float64:
    """Distance to a branch that arches so far outside the callosum, on alternating sides of the falx."""
    over = np.abs(callosum_depth(points) + out_mm + 2.5 * np.sin(points.y / 9.0))
    side = points.x - 1.6 * np.sign(np.sin(points.y / 17.0 + out_mm / 30.0))
    return np.sqrt(side**2 + over**2 + np.maximum(points.y - 40.0, 0.0) ** 2) - 1.15


def _pial(points: Points, hull: Hull, folds: Cortex, seed: int, name: str, level_mm: float, share: float) -> Float64:
    """Distance to branches that run in the sulci at a winding depth, in about `share` of them."""
    depth = level_mm * (1 + 0.5 * field(seed, f"{name}-depth", 25.0)(points.x, points.y, points.z))
    chosen = field(seed, f"{name}-where", 22.0)(points.x, points.y, points.z)
    threshold = -np.quantile(np.random.default_rng(0).standard_normal(4000), share)
    absent = 4.0 * np.maximum(threshold - chosen, 0.0)  # thins out and ends
    return np.sqrt(folds.sheet**2 + (hull.brain - np.maximum(depth, 0.3)) ** 2) + absent


def _sagittal_sinus(points: Points, hull: Hull) -> Float64:
    """Distance to the superior sagittal sinus: a triangle under the bone in the midline, growing backwards."""
    size = np.interp(points.y, (-90, -30, 40, 85), (1.8, 2.8, 4.2, 5.2))
    return np.maximum(np.abs(points.x) - 0.62 * (1.9 * size - hull.inner), -hull.inner)


def vessels(
    points: Points, bent: Points, hull: Hull, folds: Cortex, seed: int, pixel_mm: float
) -> tuple[Float64, Float64]:
    """Return the distances, mm and negative inside, to arteries and to veins.

    Parameters
    ----------
    points : Points
        Relative to the midline, (y, x).
    bent : Points
        The same, folded onto one side and bent.
    hull, folds
        The slice's hull and cortex.
    seed : int
    pixel_mm : float
        Vessels are widened where a coarse pixel would lose them.
    """
    trunks = [tube(bent, knots) for knots in (_MCA_STEM, *_MCA_BRANCHES, _PCA)]
    trunks += [_pericallosal(points), _medial_branch(points, 15.0), _medial_branch(points, 30.0)]
    branches = _pial(points, hull, folds, seed, "pial artery", 7.0, 0.48) - 1.05
    widen = max(0.0, 0.55 * pixel_mm - 1.0)
    arteries = np.minimum.reduce([*trunks, branches]) - widen
    deep_veins = tube(points.mirrored(), _DEEP_VEINS)
    straight = tube(points, _STRAIGHT_SINUS)
    cortical = _pial(points, hull, folds, seed, "cortical vein", 0.8, 0.4) - 1.2
    veins = np.minimum.reduce([_sagittal_sinus(points, hull), straight, deep_veins, cortical - widen])
    return arteries, veins
