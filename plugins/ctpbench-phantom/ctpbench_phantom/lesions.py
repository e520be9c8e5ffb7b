"""Strokes: tilted ellipsoids of reduced perfusion, each with a severely reduced core inside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ctpbench.arrays import Mask
from ctpbench_phantom.head import HEIGHT_MM, LOWEST_MM, SEMI_MM
from ctpbench_phantom.shapes import Points

_EVERY_MM = 9.0  # a lesion's centre every so far upwards
_RUN = 3  # so many lesions lie on one side before the other side's turn


@dataclass(frozen=True)
class Lesion:
    """One ellipsoid, in mm. Its core lies at `core_shift`, in units of `semi_mm`, and is `core_size` as large."""

    centre_mm: tuple[float, float, float]
    semi_mm: tuple[float, float, float]
    turn_deg: float
    core_shift: tuple[float, float]
    core_size: float

    def inside(self, points: Points) -> tuple[Mask, Mask]:
        """Return where the whole lesion is and where its core is."""
        angle = np.deg2rad(self.turn_deg)
        dx, dy = points.x - self.centre_mm[0], points.y - self.centre_mm[1]
        u = (np.cos(angle) * dx + np.sin(angle) * dy) / self.semi_mm[0]
        v = (-np.sin(angle) * dx + np.cos(angle) * dy) / self.semi_mm[1]
        w = (points.z - self.centre_mm[2]) / self.semi_mm[2]
        du, dv = (u - self.core_shift[0]) / self.core_size, (v - self.core_shift[1]) / self.core_size
        whole = u**2 + v**2 + w**2 < 1
        return whole, whole & (du**2 + dv**2 + (w / 0.85) ** 2 < 1)


def lesions(seed: int) -> list[Lesion]:
    """Return the head's lesions, so many that each slice cuts a penumbra and a core; all near a level on one side."""
    count = int(HEIGHT_MM / _EVERY_MM) + 3
    return [_lesion(seed, index) for index in range(count)]


def _lesion(seed: int, index: int) -> Lesion:
    rng = np.random.default_rng([seed, *b"lesion", index])
    z = LOWEST_MM + _EVERY_MM * (index - 0.2) + rng.uniform(-1, 1)
    first = int(np.random.default_rng([seed, *b"side"]).integers(2))
    side = 1 if (first + index // _RUN) % 2 else -1
    narrow = max(0.35, 1 - (max(z, 0) / SEMI_MM[2]) ** 2.4) ** (1 / 2.4)  # the head at this height
    x = side * rng.uniform(30, 42) * narrow
    y = rng.uniform(-42, 46) * narrow
    semi = rng.uniform(15, 23) * narrow**0.5, rng.uniform(20, 32) * narrow**0.5, rng.uniform(10.5, 13)
    shift = rng.uniform(-0.2, 0.2, 2)
    return Lesion((x, y, z), semi, rng.uniform(-30, 30), (float(shift[0]), float(shift[1])), rng.uniform(0.42, 0.6))
