"""One slice before it is scanned: the true series, the curves and maps that belong to it, and how it is simulated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctpbench import MAPS
from ctpbench.arrays import Float32, Float64, Mask
from ctpbench_phantom.aif import GRID_S, venous
from ctpbench_phantom.anatomy import Labels, Tissue, pixel_centres, slice_labels
from ctpbench_phantom.residue import Residue, tissue_curves
from ctpbench_phantom.texture import centred_texture, field
from ctpbench_phantom.tissue import TABLE, TissueMaps, tissue_maps

_TEXTURE_MM = 22.0


@dataclass(frozen=True)
class SliceSeries:
    """The true series of one slice.

    Attributes
    ----------
    series : ndarray, (time, y, x), float32, HU
    times_s : ndarray, (time), float64, s
    aif : ndarray, (time), float32, HU above baseline
    vof : ndarray, (time), float32, HU above baseline, or None where unknown
    maps : ndarray, (map, y, x), float32
        CBF, CBV, MTT, TTP and Tmax in the order and units of `ctpbench.MAPS`; NaN where undefined.
    labels : ndarray, (y, x), int8, or None
        Values of `Tissue`.
    brain : ndarray, (y, x), bool, or None where it is to be found from the frames
    rois : dict of ndarray, (y, x), bool, or None
        Regions of interest, by name, beside those that the labels tell.
    """

    series: Float32
    times_s: Float64
    aif: Float32
    vof: Float32 | None
    maps: Float32
    labels: Labels | None = None
    brain: Mask | None = None
    rois: Mapping[str, Mask] | None = None


@dataclass(frozen=True)
class Head:
    """What makes a procedural slice: its sampling, its physiology and the seed of the head."""

    size_px: int
    pixel_mm: float
    seed: int
    residue: Residue
    delay: bool


def simulate(head: Head, z_mm: float, times_s: Float64, aif_hu: Float64) -> SliceSeries:
    """Return one slice of the procedural head with contrast running through it.

    Parameters
    ----------
    head : Head
    z_mm : float
        Height of the slice, mm.
    times_s : ndarray, (time)
        Frame times, s.
    aif_hu : ndarray, (fine time)
        AIF in HU above baseline on the fine grid of `ctpbench_phantom.aif`, reaching the last frame. Arteries enhance
        by it, veins by the `venous` of it.

    Returns
    -------
    SliceSeries
    """
    labels = slice_labels(z_mm, head.size_px, head.pixel_mm, head.seed)
    truth = tissue_maps(labels, slice_texture(labels, z_mm, head.pixel_mm, head.seed), head.delay)
    tissue = np.isin(labels, list(TABLE))
    curves = tissue_curves(aif_hu, times_s, truth.cbf[tissue], truth.mtt_s[tissue], truth.tmax_s[tissue], head.residue)
    aif, vof = (at_frames(curve, times_s) for curve in (aif_hu, venous(aif_hu)))
    return enhanced(labels, truth, curves, times_s, (aif, vof))


def slice_texture(labels: Labels, z_mm: float, pixel_mm: float, seed: int) -> Float64:
    """Return how the tissue of a slice varies, (y, x): ``v`` of the tissue table."""
    x, y = pixel_centres(len(labels), pixel_mm)
    return centred_texture(field(seed, "texture", _TEXTURE_MM)(x, y, np.full_like(x, z_mm)), labels)


def enhanced(
    labels: Labels,
    truth: TissueMaps,
    curves: Float32,
    times_s: Float64,
    inflow: tuple[Float32, Float32],
    artery_share: npt.ArrayLike = 1.0,
) -> SliceSeries:
    """Return the series of a slice: its baseline, and what each class enhances by.

    Parameters
    ----------
    labels : ndarray, (y, x), int8
    truth : TissueMaps
    curves : ndarray, (time, voxel), float32, HU above baseline
        Of the tissue, whose classes are those of `TABLE`.
    times_s : ndarray, (time), s
    inflow : (ndarray, ndarray), (time), float32, HU above baseline
        AIF and VOF.
    artery_share : float or ndarray, (y, x), no unit
        Share of the AIF that shows in a pixel of an artery: below 1, partial volume.
    """
    aif, vof = inflow
    tissue = np.isin(labels, list(TABLE))
    enhancement = np.zeros((times_s.size, *labels.shape), np.float32)
    enhancement[:, tissue] = curves
    artery = labels == Tissue.ARTERY
    enhancement[:, artery] = aif[:, None] * np.broadcast_to(artery_share, labels.shape)[artery]
    enhancement[:, labels == Tissue.VEIN] = vof[:, None]

    ttp = np.full(labels.shape, np.nan)
    ttp[tissue] = times_s[curves.argmax(axis=0)]
    by_name = {"cbf": truth.cbf, "cbv": truth.cbv, "mtt": truth.mtt_s, "ttp": ttp, "tmax": truth.tmax_s}
    maps = np.stack([by_name[name] for name in MAPS]).astype(np.float32)
    series = truth.baseline_hu.astype(np.float32) + enhancement
    return SliceSeries(series, times_s, aif, vof, maps, labels=labels)


def at_frames(curve_hu: Float64, times_s: Float64) -> Float32:
    """Return a curve on the fine grid as the frames see it, (time), float32, HU."""
    return np.interp(times_s, np.arange(curve_hu.size) * GRID_S, curve_hu).astype(np.float32)
