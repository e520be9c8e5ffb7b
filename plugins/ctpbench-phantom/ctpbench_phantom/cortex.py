"""The folded cortex: sheets of CSF run inwards from the brain's surface, and a ribbon of gray lines them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ctpbench.arrays import Float64
from ctpbench_phantom.head import Hull
from ctpbench_phantom.shapes import Points, level_distance, smooth_min, tube
from ctpbench_phantom.texture import field

RIBBON_MM = 3.4  # thickness of the cortex
_FOLD_MM = 19.5  # two gyri
_RADIAL = 0.55  # how much of the sulci's pattern hangs on the surface above them rather than on the place itself
_UPRIGHT = 0.75  # sulci stand rather than lie: a slice resembles the next
_STEEPEST = 0.06  # least slope of the folds' field, 1/mm, where its zero level is taken for a sharp sheet


@dataclass(frozen=True)
class Cortex:
    """Distances, in mm, that the tissue classes and the vessels are read from.

    Attributes
    ----------
    pia : ndarray
        To the nearest CSF surface or sheet; sulci are where it is below `gap`.
    gap : ndarray
        Half of the sulci's width.
    sheet : ndarray
        To the middle of the nearest sulcus of the convexity, however deep.
    """

    pia: Float64
    gap: Float64
    sheet: Float64


def callosum_depth(points: Points) -> Float64:
    """Depth in mm inside the midline's uncleft part: corpus callosum, thalami, midbrain."""
    y, z = (points.y - 4.0) / 40.0, (points.z - 4.0) / 25.0
    level = np.hypot(y, z) + 1e-9
    slope = np.hypot(y / 40.0, z / 25.0) / level
    return (1 - level) / np.maximum(slope, 1e-9)


def _sylvian(points: Points) -> Float64:
    """Distance to the lateral fissure's stem and the cleft over the insula, on the folded side."""
    reach = np.maximum(np.abs(points.z - 4.0) - 13.0, 0.0)
    flat = Points(points.x, points.y, np.zeros_like(points.x))
    rise = 0.45 * (points.z - 4.0)  # the fissure climbs towards the back
    cleft = tube(flat, [(33, -21, 0, 0), (38.5, -6, 0, 0), (39.5, 6, 0, 0), (35, 21, 0, 0)])
    stem = tube(flat.moved(0, -rise, 0), [(39, -2, 0, 0), (50, 0, 0, 0), (66, -4, 0, 0)])
    return np.hypot(smooth_min(cleft, stem, 2.0), reach)


def _sulci(
    pattern: Points, depth: Float64, seed: int, name: str, deepest: tuple[float, float], pixel_mm: float
) -> tuple[Float64, Float64]:
    """Return the distances to sulci that end at a varying depth, and to the endless sheets they are parts of.

    The sheets are the zero level of a random field in the coordinates `pattern`.
    """
    sheet = level_distance(field(seed, name, _FOLD_MM, True)(pattern.x, pattern.y, pattern.z), pixel_mm, _STEEPEST)
    mean, spread = deepest
    ends = mean + spread * np.tanh(field(seed, f"{name}-depth", 32.0)(pattern.x, pattern.y, pattern.z))
    return np.hypot(sheet, np.maximum(depth - np.maximum(ends, 0), 0)), sheet


def cortex(points: Points, bent: Points, hull: Hull, seed: int, pixel_mm: float) -> Cortex:
    """Return the cortex of one slice.

    Parameters
    ----------
    points : Points
        The slice's pixel centres relative to the midline, (y, x).
    bent : Points
        The same, folded onto one side and bent.
    hull : Hull
    seed : int
    pixel_mm : float

    Returns
    -------
    Cortex
    """
    feet = hull.surface.mirrored()
    dx, dy, dz = bent.x - np.abs(points.x), bent.y - points.y, bent.z - points.z
    pattern = Points(
        bent.x + _RADIAL * (feet.x - np.abs(points.x)),
        bent.y + _RADIAL * (feet.y - points.y),
        _UPRIGHT * (bent.z + _RADIAL * (feet.z - points.z)),
    ).moved(0.5 * dx, 0.5 * dy, 0.5 * dz)
    outer, sheet = _sulci(pattern, hull.brain, seed, "folds", (18.0, 6.5), pixel_mm)

    inside = np.maximum(callosum_depth(points), 0)
    fissure = np.hypot(points.x, inside)
    medial = Points(0.45 * points.x + 1.5 * dx, bent.y + 1.2 * dy, _UPRIGHT * (bent.z + dz))
    inner, _ = _sulci(medial, fissure + inside, seed, "medial folds", (7.0, 7.0), pixel_mm)

    gap = 0.75 + 0.2 * np.tanh(field(seed, "sulcal width", 35.0)(points.x, points.y, points.z))
    insula = np.maximum(_sylvian(bent) - 0.5, 0)
    pia = np.minimum.reduce([np.maximum(hull.brain, 0) + gap, outer, inner, fissure, insula])
    return Cortex(pia, gap, sheet)
