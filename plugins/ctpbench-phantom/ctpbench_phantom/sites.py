"""A slice of even white matter with sites on a grid, half of which hold a round lesion of low contrast."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ctpbench.arrays import Float64, Mask
from ctpbench_phantom.aif import grid
from ctpbench_phantom.anatomy import Labels, Tissue, pixel_centres
from ctpbench_phantom.head import Hull, hull
from ctpbench_phantom.patient import Patient
from ctpbench_phantom.residue import tissue_curves
from ctpbench_phantom.series import SliceSeries, at_frames, enhanced
from ctpbench_phantom.shapes import Points
from ctpbench_phantom.tissue import tissue_maps

_APART = 2.0  # diameters from the middle of a site to those of its six neighbours
_INSIDE = 1.7  # diameters from the middle of a site to the brain's surface, at least


@dataclass(frozen=True)
class Lesions:
    """What the lesions have in common: their diameter, mm, and the share of white matter's flow that they lack."""

    diameter_mm: float
    flow_lost: float


def slice_with_sites(
    blood: Patient,
    index: int,
    size_px: int,
    pixel_mm: float,
    times_s: Float64,
    lesions: Lesions,
    rng: np.random.Generator,
) -> SliceSeries:
    """Return one slice before it is scanned; its regions of interest are ``lesion_sites`` and ``empty_sites``.

    Parameters
    ----------
    blood : Patient
        Whose hull, heights and bolus these are.
    index : int
        Which slice, 0 for the lowest.
    size_px : int
    pixel_mm : float
        Pixel size, mm.
    times_s : ndarray, (time)
        Frame times, s.
    lesions : Lesions
    rng : Generator
        Moves the grid of sites, and draws which half of them holds a lesion.
    """
    x, y = pixel_centres(size_px, pixel_mm)
    layers = hull(Points(x, y, np.full_like(x, blood.heights_mm[index])), blood.head_seed)
    middles = _sites(x, y, layers.brain, lesions.diameter_mm, rng)
    rng.shuffle(middles)
    rois = {
        name: _discs(x, y, some, lesions.diameter_mm)
        for name, some in zip(("lesion_sites", "empty_sites"), np.array_split(middles, 2), strict=True)
    }
    labels = _labels(layers)
    truth = tissue_maps(labels, np.zeros(labels.shape), delay=False)
    struck = rois["lesion_sites"]
    kept = 1 - lesions.flow_lost
    truth.cbf[struck] *= kept
    truth.cbv[struck] *= np.sqrt(kept)
    truth.mtt_s[struck] /= np.sqrt(kept)
    tissue = labels == Tissue.WHITE
    labels[struck] = Tissue.WHITE_REDUCED

    aif_hu, vof_hu = (curve[: grid(times_s[-1]).size] for curve in (blood.aif_hu, blood.vof_hu))
    curves = tissue_curves(aif_hu, times_s, truth.cbf[tissue], truth.mtt_s[tissue], truth.tmax_s[tissue], "plateau")
    inflow = at_frames(aif_hu, times_s), at_frames(vof_hu, times_s)
    return replace(enhanced(labels, truth, curves, times_s, inflow), rois=rois)


def _sites(x: Float64, y: Float64, depth: Float64, diameter_mm: float, rng: np.random.Generator) -> Float64:
    """Return the middles of sites, (site, 2), mm: pixels on a hexagonal grid that lies anyhow, deep in the brain."""
    apart_mm = _APART * diameter_mm
    far = int(np.ceil(np.hypot(x, y).max() / apart_mm)) + 1
    row, column = np.meshgrid(np.arange(-far, far + 1), np.arange(-far, far + 1), indexing="ij")
    place = np.stack([column + row % 2 / 2, row * np.sqrt(0.75)], axis=-1).reshape(-1, 2)
    place = (place + rng.uniform(-0.5, 0.5, 2)) * apart_mm
    pixel_mm = x[0, 1] - x[0, 0]
    index = np.rint((place - x[0, 0]) / pixel_mm).astype(np.intp)
    index = index[((index >= 0) & (index < x.shape[0])).all(axis=1)]
    index = index[depth[index[:, 1], index[:, 0]] > _INSIDE * diameter_mm]
    return x[0, 0] + index * pixel_mm


def _discs(x: Float64, y: Float64, middles: Float64, diameter_mm: float) -> Mask:
    """Return where the discs about some points are, (y, x), bool."""
    inside = np.zeros(x.shape, bool)
    for middle_x, middle_y in middles:
        inside |= np.hypot(x - middle_x, y - middle_y) < diameter_mm / 2
    return inside


def _labels(layers: Hull) -> Labels:
    """Return the classes of a head whose brain is white matter, with CSF around it."""
    labels = np.full(layers.brain.shape, Tissue.WHITE, np.int8)
    for depth, outside in (
        (layers.brain, Tissue.CSF),
        (layers.inner, Tissue.SKULL),
        (layers.outer, Tissue.SCALP),
        (layers.skin, Tissue.AIR),
    ):
        labels[depth < 0] = outside
    return labels
