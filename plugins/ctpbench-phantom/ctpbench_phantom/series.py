"""One slice before it is scanned: the true series, the curves and maps that belong to it, and how it is simulated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctpbench import MAPS
from ctpbench.arrays import Float32, Float64, Mask
from ctpbench_phantom.aif import GRID_S, venous
from ctpbench_phantom.anatomy import Labels, Tissue, pixel_centres, slice_labels
from ctpbench_phantom.residue import Residue, tissue_curves
from ctpbench_phantom.texture import centred_texture, field
from ctpbench_phantom.tissue import TABLE, tissue_maps

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
    """

    series: Float32
    times_s: Float64
    aif: Float32
    vof: Float32 | None
    maps: Float32
    labels: Labels | None = None
    brain: Mask | None = None


@dataclass(frozen=True)
class Head:
    """What makes a procedural slice: its sampling, its physiology and the seed of the head."""

    size_px: int
    pixel_mm: float
    seed: int
    residue: Residue
    delay: bool


def simulate(
    head: Head,
    z_mm: float,
    times_s: Float64,
    aif_hu: Float64,
    vof_hu: Float64 | None = None,
    artery_share: npt.ArrayLike = 1.0,
) -> SliceSeries:
    """Return one slice of the procedural head with contrast running through it.

    Parameters
    ----------
    head : Head
    z_mm : float
        Height of the slice, mm.
    times_s : ndarray, (time)
        Frame times, s.
    aif_hu : ndarray, (fine time)
        AIF in HU above baseline on the fine grid of `ctpbench_phantom.aif`, reaching the last frame.
    vof_hu : ndarray, (fine time), or None
        What veins enhance by; None for the `venous` of the AIF.
    artery_share : float or ndarray, (y, x), no unit
        Share of the AIF that shows in a pixel of an artery: below 1, partial volume.

    Returns
    -------
    SliceSeries
    """
    labels = slice_labels(z_mm, head.size_px, head.pixel_mm, head.seed)
    x, y = pixel_centres(head.size_px, head.pixel_mm)
    texture = centred_texture(field(head.seed, "texture", _TEXTURE_MM)(x, y, np.full_like(x, z_mm)), labels)
    truth = tissue_maps(labels, texture, head.delay)
    aif, vof = (at_frames(curve, times_s) for curve in (aif_hu, venous(aif_hu) if vof_hu is None else vof_hu))

    tissue = np.isin(labels, list(TABLE))
    enhancement = np.zeros((times_s.size, *labels.shape), np.float32)
    curves = tissue_curves(aif_hu, times_s, truth.cbf[tissue], truth.mtt_s[tissue], truth.delay_s[tissue], head.residue)
    enhancement[:, tissue] = curves
    artery = labels == Tissue.ARTERY
    enhancement[:, artery] = aif[:, None] * np.broadcast_to(artery_share, labels.shape)[artery]
    enhancement[:, labels == Tissue.VEIN] = vof[:, None]

    ttp = np.full(labels.shape, np.nan)
    ttp[tissue] = times_s[curves.argmax(axis=0)]
    by_name = {"cbf": truth.cbf, "cbv": truth.cbv, "mtt": truth.mtt_s, "ttp": ttp, "tmax": truth.delay_s}
    maps = np.stack([by_name[name] for name in MAPS]).astype(np.float32)
    series = truth.baseline_hu.astype(np.float32) + enhancement
    return SliceSeries(series, times_s, aif, vof, maps, labels=labels)


def at_frames(curve_hu: Float64, times_s: Float64) -> Float32:
    """Return a curve on the fine grid as the frames see it, (time), float32, HU."""
    return np.interp(times_s, np.arange(curve_hu.size) * GRID_S, curve_hu).astype(np.float32)
