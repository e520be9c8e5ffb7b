"""Signed distances, in mm and negative inside, to the simple solids the head is built of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ctpbench.arrays import Float64


@dataclass(frozen=True)
class Points:
    """Where a slice is sampled, in mm: x to the image's right, y to the back, z up. The arrays broadcast."""

    x: Float64
    y: Float64
    z: Float64

    def moved(self, dx: Float64 | float, dy: Float64 | float, dz: Float64 | float) -> Points:
        """Return the points displaced by mm."""
        return Points(self.x + dx, self.y + dy, self.z + dz)

    def mirrored(self) -> Points:
        """Return the points with both sides folded onto x >= 0."""
        return Points(np.abs(self.x), self.y, self.z)


def smooth_min(first: Float64, second: Float64, blend_mm: float) -> Float64:
    """Union of two distances, rounded over `blend_mm` where they meet."""
    overlap = np.maximum(blend_mm - np.abs(first - second), 0.0) / blend_mm
    return np.minimum(first, second) - 0.25 * blend_mm * overlap**2


def ellipsoid(points: Points, centre_mm: Sequence[float], semi_mm: Sequence[float], turn_deg: float = 0.0) -> Float64:
    """Distance to an ellipsoid turned about z, exact to first order near its surface."""
    angle = np.deg2rad(turn_deg)
    dx, dy, dz = points.x - centre_mm[0], points.y - centre_mm[1], points.z - centre_mm[2]
    along = np.cos(angle) * dx + np.sin(angle) * dy, -np.sin(angle) * dx + np.cos(angle) * dy, dz
    level = np.sqrt(sum((a / s) ** 2 for a, s in zip(along, semi_mm, strict=True)))
    slope = np.sqrt(sum((a / s**2) ** 2 for a, s in zip(along, semi_mm, strict=True)))
    return np.asarray(level * (level - 1) / np.maximum(slope, 1e-9))


def tube(points: Points, knots: Sequence[Sequence[float]], blend_mm: float = 1.0) -> Float64:
    """Distance to a tube through knots ``(x, y, z, radius)`` in mm, its radius linear between them."""
    distance = None
    for start, end in pairwise(knots):
        axis = np.subtract(end[:3], start[:3])
        offset = points.x - start[0], points.y - start[1], points.z - start[2]
        share = np.clip(sum(o * a for o, a in zip(offset, axis, strict=True)) / (axis @ axis), 0.0, 1.0)
        gap = np.sqrt(sum((o - share * a) ** 2 for o, a in zip(offset, axis, strict=True)))
        piece = gap - (start[3] + share * (end[3] - start[3]))
        distance = piece if distance is None else smooth_min(distance, piece, blend_mm)
    assert distance is not None
    return distance


def level_distance(values: Float64, pixel_mm: float, floor: float) -> Float64:
    """Distance within the slice to the zero level of a field sampled on it.

    `floor`, the least slope per mm, bounds the distance where the field is flat.
    """
    slope = np.hypot(*np.gradient(values, pixel_mm))
    return np.abs(values) / np.maximum(slope, floor)
