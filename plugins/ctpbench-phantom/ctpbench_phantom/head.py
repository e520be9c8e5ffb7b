"""The head's hull: skin, skull and the surface of the brain as nested, slightly irregular egg shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ctpbench.arrays import Float64
from ctpbench_phantom.shapes import Points
from ctpbench_phantom.texture import field

SEMI_MM = (77.0, 97.0, 100.0)  # half of the head's width, length and height
LOWEST_MM = -10.0  # the lowest slice's z; 0 is the level of the interventricular foramina's base
HEIGHT_MM = 80.0  # how far up slices may lie
_POWER = 2.4  # of the superellipse: 2 would be an ellipse
_SCALP_MM = 5.0
_SKULL_MM = 8.0


@dataclass(frozen=True)
class Hull:
    """Depths in mm, positive inside, below the skin, the skull's outer and inner face and the brain's surface.

    Attributes
    ----------
    surface : Points
        Each point's foot on the skin, seen from the head's centre: what is drawn from it runs radially.
    """

    skin: Float64
    outer: Float64
    inner: Float64
    brain: Float64
    surface: Points


def midline(points: Points, seed: int) -> Float64:
    """Return x of the plane between the hemispheres, which bends by a millimetre or two."""
    return 1.1 * field(seed, "midline", 70.0)(np.zeros_like(points.y), points.y, points.z)


def hull(points: Points, seed: int) -> Hull:
    """Return the layers of the head at the given points."""
    a, b, c = SEMI_MM
    radius = np.sqrt((points.x / a) ** 2 + (points.y / b) ** 2 + (points.z / c) ** 2) + 1e-6
    wide = 1 + 0.10 * points.y / (b * radius)  # broader at the back; depends on the direction alone
    parts = np.abs(points.x / (a * wide)), np.abs(points.y / b), np.abs(points.z / c)
    level = sum(p**_POWER for p in parts) ** (1 / _POWER) + 1e-9
    slope = np.sqrt(sum(((p / level) ** (_POWER - 1) / s) ** 2 for p, s in zip(parts, SEMI_MM, strict=True)))
    surface = Points(points.x / level, points.y / level, points.z / level)
    bumps = field(seed, "hull", 80.0)(surface.x, surface.y, surface.z)
    skin = (1 - level) / slope - 1.0 - 0.9 * bumps
    thickness = field(seed, "skull", 45.0)(surface.x, surface.y, surface.z)
    ends = (surface.y / b) ** 2  # bone is thicker at the forehead and the back
    outer = skin - _SCALP_MM - 0.5 * thickness
    inner = outer - _SKULL_MM - 1.2 * ends - 0.7 * thickness
    space = field(seed, "subarachnoid", 30.0)(surface.x, surface.y, surface.z)
    brain = inner - 1.6 - 0.5 * np.tanh(space) - 0.8 * np.clip(-surface.y / b, 0, 1)
    return Hull(skin, outer, inner, brain, surface)
