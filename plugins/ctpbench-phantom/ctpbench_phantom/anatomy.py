"""The procedural head: the tissue class of every pixel of a slice at any height, the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import Float64
from ctpbench_phantom.cortex import RIBBON_MM, cortex
from ctpbench_phantom.deep import deep
from ctpbench_phantom.head import SEMI_MM, hull, midline
from ctpbench_phantom.lesions import Lesion, lesions
from ctpbench_phantom.shapes import Points
from ctpbench_phantom.texture import field
from ctpbench_phantom.vessels import vessels

Labels: TypeAlias = npt.NDArray[np.int8]
"""Values of `Tissue`."""

MARGIN_MM = 3.0  # skin's unevenness beyond the half axes


class Tissue(IntEnum):
    """Tissue classes: the values of the labels."""

    AIR = 0
    SCALP = 1
    SKULL = 2
    CSF = 3
    GRAY = 4
    GRAY_REDUCED = 5
    GRAY_SEVERE = 6
    WHITE = 7
    WHITE_REDUCED = 8
    WHITE_SEVERE = 9
    ARTERY = 10
    VEIN = 11
    OLD_INFARCT = 12


def pixel_centres(size_px: int, pixel_mm: float) -> tuple[Float64, Float64]:
    """Return x and y of a slice's pixel centres, each (y, x), in mm from the image's middle."""
    along = (np.arange(size_px) - (size_px - 1) / 2) * pixel_mm
    y, x = np.meshgrid(along, along, indexing="ij")
    return x, y


def slice_labels(z_mm: float, size_px: int, pixel_mm: float, seed: int, healthy: bool = False) -> Labels:
    """Return the tissue classes of one slice.

    Parameters
    ----------
    z_mm : float
        Height of the slice, mm; see `ctpbench_phantom.head` for the range.
    size_px : int
        Rows and columns.
    pixel_mm : float
        Pixel size, mm.
    seed : int
        Which head.
    healthy : bool
        Whether to leave out the head's own lesions, those of `ctpbench_phantom.lesions`.

    Returns
    -------
    ndarray, (y, x), int8
        Values of `Tissue`. Rows run from front to back; the head is in the middle.
    """
    x, y = pixel_centres(size_px, pixel_mm)
    rows = np.abs(y[:, 0]) <= SEMI_MM[1] + MARGIN_MM
    columns = np.abs(x[0]) <= 1.1 * SEMI_MM[0] + MARGIN_MM
    box = np.ix_(rows, columns)
    labels = np.zeros((size_px, size_px), np.int8)
    points = Points(x[box], y[box], np.full_like(x[box], z_mm))
    labels[box] = _classes(points, pixel_mm, seed, [] if healthy else lesions(seed))
    return labels


def _bent(points: Points, seed: int) -> Points:
    """Return points folded onto one side and moved by some 4 mm: both sides stray alike, and each on its own."""
    same = [field(seed, f"bend-{axis}", 38.0)(np.abs(points.x), points.y, points.z) for axis in "xyz"]
    own = [field(seed, f"side-{axis}", 50.0)(points.x, points.y, points.z) for axis in "xyz"]
    return points.mirrored().moved(*(3.2 * s + 1.3 * o for s, o in zip(same, own, strict=True)))


def _classes(points: Points, pixel_mm: float, seed: int, strokes: Sequence[Lesion]) -> Labels:
    layers = hull(points, seed)
    centred = points.moved(-midline(points, seed), 0, 0)
    bent = _bent(centred, seed)
    folds = cortex(centred, bent, layers, seed, pixel_mm)
    csf, nuclei = deep(centred, bent, seed)
    arteries, veins = vessels(centred, bent, layers, folds, seed, pixel_mm)

    wet = (layers.brain < 0) | (csf < 0) | ((folds.pia < folds.gap) & (csf > 2.0) & (nuclei > 1.5))
    ribbon = (folds.pia < folds.gap + RIBBON_MM) & (csf > 2.0)
    classes = np.where((nuclei < 0) | ribbon, Tissue.GRAY, Tissue.WHITE)
    whole, core = np.zeros(wet.shape, bool), np.zeros(wet.shape, bool)
    for lesion in strokes:
        penumbra, infarct = lesion.inside(points)
        whole, core = whole | penumbra, core | infarct
    classes = classes + whole + core  # reduced and severe follow each healthy class
    classes[wet] = Tissue.CSF
    classes[arteries < 0] = Tissue.ARTERY
    classes[veins < 0] = Tissue.VEIN
    classes[layers.inner < 0] = Tissue.SKULL
    classes[layers.outer < 0] = Tissue.SCALP
    classes[layers.skin < 0] = Tissue.AIR
    return classes.astype(np.int8)
