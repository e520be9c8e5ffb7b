"""The middle of the brain: ventricles and cisterns filled with CSF, and the deep gray nuclei around them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ctpbench.arrays import Float64
from ctpbench_phantom.shapes import Points, ellipsoid, smooth_min, tube

# Knots (x, y, z, radius) in mm on one side.
_FRONTAL_HORN = ((14, -37, 7, 0.6), (10.5, -30, 8, 2.2), (6.5, -20, 11, 3.0), (5.5, -10, 15, 2.9))
_VENTRICLE_BODY = ((7, 0, 19, 3.4), (10, 12, 22, 3.8), (15, 24, 20, 4.8))
_OCCIPITAL_HORN = ((20, 34, 13, 6.0), (22, 43, 7, 4.6), (21, 54, 4, 2.4), (19.5, 63, 3, 0.8))
_LATERAL_VENTRICLE = (*_FRONTAL_HORN, *_VENTRICLE_BODY, *_OCCIPITAL_HORN)
_TEMPORAL_HORN = ((21, 34, 9, 4.5), (29, 24, -3, 3.0), (32, 10, -10, 2.2), (31, -2, -15, 1.8))
_CAUDATE_HEAD = ((11.5, -27, 1, 3.8), (12, -20, 7, 4.6), (12, -10, 13, 4.2), (13, 0, 19, 3.2))
_CAUDATE_TAIL = ((16.5, 10, 23, 2.6), (22.5, 22, 22, 2.0), (29, 30, 14, 1.5), (34, 24, 2, 1.3))
_CAUDATE = (*_CAUDATE_HEAD, *_CAUDATE_TAIL)
_UPRIGHT = 0.55  # the ventricles' cross-sections are taller than wide


@lru_cache(maxsize=16)
def _sizes(seed: int) -> Sequence[float]:
    """How wide this head's ventricles and nuclei are, relative to the mean head."""
    return tuple(np.random.default_rng([seed, *b"sizes"]).uniform([0.85, 0.92], [1.35, 1.08]))


def deep(points: Points, bent: Points, seed: int) -> tuple[Float64, Float64]:
    """Return the distances, mm and negative inside, to ventricles with cisterns and to deep gray nuclei.

    Parameters
    ----------
    points : Points
        Relative to the midline.
    bent : Points
        The same, folded onto one side and bent.
    seed : int
    """
    side = np.abs(points.x)
    calm = 0.3  # the middle of the brain strays less than its folds
    p = Points(
        side + calm * (bent.x - side) * np.clip(side / 8, 0, 1),  # the midline stays where it is
        points.y + calm * (bent.y - points.y),
        points.z + calm * (bent.z - points.z),
    )
    width, bulk = _sizes(seed)
    horns = Points(p.x, p.y, p.z * _UPRIGHT)
    lateral = smooth_min(
        tube(horns, _scaled(_LATERAL_VENTRICLE, width, _UPRIGHT), 2.0),
        tube(horns, _scaled(_TEMPORAL_HORN, width, _UPRIGHT), 2.0),
        3.0,
    )
    third = ellipsoid(p, (0, 4, 0), (1.5 * width, 14, 9))
    cistern = ellipsoid(p.moved(0, 0.03 * p.x**2, 0), (0, 28, -5), (12, 3.2, 8))
    thalamus = ellipsoid(p, (10.5, 8, 5), (8 * bulk, 14 * bulk, 11), turn_deg=-18)
    lens = p.moved(0.008 * (p.y + 3) ** 2, 0, 0)
    lentiform = ellipsoid(lens, (26, -3, 4), (5.0 * bulk, 17 * bulk, 12), turn_deg=-12)
    caudate = tube(p, _scaled(_CAUDATE, bulk, 1.0), 2.0)
    return np.minimum.reduce([lateral, third, cistern]), np.minimum.reduce([thalamus, lentiform, caudate])


def _scaled(knots: Sequence[Sequence[float]], radius: float, upright: float) -> list[tuple[float, ...]]:
    return [(x, y, z * upright, r * radius) for x, y, z, r in knots]
