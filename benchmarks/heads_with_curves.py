"""Pairs of an arterial and a venous curve, drawn from the statistics of recorded scans, in simulated heads.

What is drawn, and from where:

- of 93 scans of ISLES 2018 (Hakim et al. 2021, Stroke 52:2328): the AIF's peak in the arteries' own voxels, median 40
  HU (14 to 417); the VOF's, 148 HU (44 to 520); the AIF's width, 11 s; the lag from peak to peak, 6 s; 43 to 64 frames
  at 1 s, some at 1.5 or 2 s; 2 to 16 slices. How much of an artery's voxels is blood follows, for blood has the vein's
  area: a quarter in the median;
- recirculation, 10 to 30% of the first pass's area 12 s later, and arrival at 4 to 12 s, as `real_like` has them; one
  in six, as after a slow or distant injection, arrives up to 8 s later: the scan's end cuts off what leaves last;
- tissue: CBF and MTT of gray and white matter (Aichert et al. 2013), varying smoothly, with an exponential residue, 0.5
  to 2 s behind the arteries, more in the head's infarcts; in a fifth of the heads all of it as late as the vein;
- veins: the sinuses hold blood alone, cortical and deep ones 20 to 70%, 1.5 s before to 1 s after the sinuses;
- in a fifth the head moves by 0.5 to 2 mm (root mean square over the frames, along y, x and by the turn), as in 19% of
  80 scans it did considerably (Eur J Radiol 2021, 144:109979); in a sixth the slab has no trunk of an artery, only
  branches; noise 4 to 15 HU, correlated as a reconstruction's is; pixels of 0.9 to 1.8 mm, slices of 5 mm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, special

from ctpbench.arrays import Float32, Float64
from ctpbench_phantom.aif import GRID_S, bolus, grid
from ctpbench_phantom.aif import venous as outflow
from ctpbench_phantom.anatomy import Tissue, pixel_centres, slice_labels
from ctpbench_phantom.motion import draw_motion, moved
from ctpbench_phantom.residue import tissue_curves
from ctpbench_phantom.series import slice_texture
from ctpbench_phantom.texture import field
from ctpbench_phantom.tissue import TABLE, tissue_maps

PAIRS = 93
SLICE_MM, _FIELD_MM = 5.0, 206.0
_LOWEST_MM, _HIGHEST_MM = -10.0, 68.0
_DEPTHS, _DEPTH_SHARES = (2, 4, 8, 16), (0.45, 0.3, 0.17, 0.08)
_POINT_SPREAD_MM, _NOISE_MM = 0.7, 0.65  # sigmas of the scanner's blur, and of its noise's
_TRUNK_MM2 = 12.0  # of an artery in a slice; where there are no trunks, what is smaller is left
_SINUS_MM2 = 30.0
_BRIGHTEST = 20  # voxels, whose mean has the AIF's peak that was drawn


@dataclass(frozen=True)
class Pair:
    """What is drawn of one scan.

    Attributes
    ----------
    aif_hu, vof_hu : ndarray, (fine time), float64, HU above baseline
        Of blood.
    aif_peak_hu : float
        In the arteries' brightest voxels, without noise.
    heights_mm : ndarray, (z), float64
    late : bool
        Whether tissue is as late as the vein.
    """

    number: int
    head_seed: int
    aif_hu: Float64
    vof_hu: Float64
    aif_peak_hu: float
    times_s: Float64
    heights_mm: Float64
    pixel_mm: float
    noise_hu: float
    motion_mm: float
    late: bool
    trunks: bool


@dataclass(frozen=True)
class Head:
    """A pair in its head.

    Attributes
    ----------
    frames : ndarray, (time, z, y, x), float32, HU
    arterial, venous : ndarray, (z, y, x), float64
        Shares of what each voxel enhances by, over the scan, that are blood of arteries and of veins; 0 where it
        enhances by less than 1 HU in the mean.
    """

    frames: Float32
    arterial: Float64
    venous: Float64


def draw_pair(seed: int, number: int) -> Pair:
    """Return the pair of a number, 0 to 92; peaks are spread evenly over their distribution's quantiles."""
    order = np.random.default_rng([seed, *b"peaks"])
    level, vein_level = (special.ndtri((order.permutation(PAIRS)[number] + 0.5) / PAIRS) for _ in range(2))
    rng = np.random.default_rng([seed, *b"pair", number])
    aif_peak_hu = 40.0 * np.exp(level * (0.95 if level > 0 else 0.42))
    vof_peak_hu = 148.0 * np.exp(0.46 * (0.4 * level + 0.92 * vein_level))
    interval_s = float(rng.choice([1.0, 1.5, 2.0], p=[0.8, 0.1, 0.1]))
    times_s = np.arange(int(rng.integers(43, 65) / interval_s)) * interval_s
    arrival_s = rng.uniform(4, 12) + (rng.random() < 1 / 6) * rng.uniform(2, 8)
    width_s = float(np.clip(11.0 * np.exp(rng.normal(0, 0.18)), 7.0, 17.0))
    aif = bolus(grid(150.0), arrival_s, width_s, rng.uniform(2.5, 4.5), rng.uniform(0.1, 0.3))
    lag_s, spread_s = float(np.clip(rng.normal(6.0, 1.2), 3.5, 9.0)), rng.uniform(1.5, 3.0)
    spread = outflow(aif, 0.0, spread_s)
    vof = outflow(aif, lag_s - (spread.argmax() - aif.argmax()) * GRID_S, spread_s, 1.0)
    blood = max(vof_peak_hu / vof.max(), aif_peak_hu / (0.9 * aif.max()))  # arteries' voxels hold at most 90%
    depth = int(rng.choice(_DEPTHS, p=_DEPTH_SHARES))
    thick_mm = (depth - 1) * SLICE_MM
    lowest_mm = _LOWEST_MM + rng.uniform(0, 1) * max(_HIGHEST_MM - thick_mm - _LOWEST_MM, 0)
    return Pair(
        number=number,
        head_seed=int(rng.integers(2**31)),
        aif_hu=blood * aif,
        vof_hu=blood * vof,
        aif_peak_hu=float(aif_peak_hu),
        times_s=times_s,
        heights_mm=lowest_mm + np.arange(depth) * SLICE_MM,
        pixel_mm=float(rng.choice([0.9, 1.2, 1.5, 1.8] if depth < 8 else [1.5, 1.8])),
        noise_hu=float(rng.uniform(4, 15)),
        motion_mm=float(rng.uniform(0.5, 2.0)) if rng.random() < 0.2 else 0.0,
        late=bool(rng.random() < 0.2),
        trunks=bool(rng.random() > 1 / 6),
    )


def head_of(pair: Pair, *, arteries_seen: bool = True) -> Head:
    """Return the scan of a pair, with its noise; where its arteries are not seen, tissue is in their place."""
    rng = np.random.default_rng([pair.head_seed, *b"scan"])
    slices = [_slice(pair, z_mm) for z_mm in pair.heights_mm]
    baseline, tissue, arteries, veins, branch = (np.stack(parts) for parts in zip(*slices, strict=True))
    sigma = (0, *(2 * (_POINT_SPREAD_MM / pair.pixel_mm,)))
    arteries, veins = ndimage.gaussian_filter(arteries, sigma), ndimage.gaussian_filter(veins, sigma)
    brightest = np.sort(arteries, axis=None)[-_BRIGHTEST:].mean()
    arteries = np.minimum(arteries * (pair.aif_peak_hu / pair.aif_hu.max() / brightest), 1.0)
    veins = np.minimum(veins, 1.0 - arteries)
    arteries *= arteries_seen
    frames = baseline + np.moveaxis(tissue, 1, 0) * (1 - arteries - veins)
    parts = []
    for share, blood_hu, late_s in ((arteries, pair.aif_hu, 0.5 * branch), (veins, pair.vof_hu, branch)):
        inside, part = share > 1e-3, np.zeros_like(share)
        curves = share[inside] * sampled(blood_hu, pair.times_s[:, np.newaxis] - late_s[inside])
        frames[:, inside] += curves
        part[inside] = curves.mean(axis=0)
        parts.append(part)
    enhancement = frames.mean(axis=0) - baseline
    arterial, venous = (np.where(enhancement > 1, part / np.maximum(enhancement, 1), 0) for part in parts)
    frames = frames.astype(np.float32)
    if pair.motion_mm:
        motion = draw_motion(rng, pair.times_s, pair.motion_mm)
        frames = np.stack([moved(each, motion, pair.pixel_mm) for each in np.moveaxis(frames, 1, 0)], axis=1)
    noise = rng.standard_normal(frames.shape, np.float32)
    blur_px = _NOISE_MM / pair.pixel_mm
    noise = ndimage.gaussian_filter(noise, (0, 0, blur_px, blur_px))
    frames += pair.noise_hu / noise.std() * noise
    return Head(frames, arterial, venous)


def sampled(curve_hu: Float64, times_s: Float64) -> Float64:
    """Return a curve on the fine grid at any times, s; 0 before it begins."""
    return np.interp(times_s, np.arange(curve_hu.size) * GRID_S, curve_hu, left=0.0)


def _slice(pair: Pair, z_mm: float) -> tuple[Float64, Float64, Float64, Float64, Float64]:
    """Return a slice's baseline, HU; its tissue's curves, (time, y, x), HU; its shares of blood; when that comes, s."""
    size_px, seed = round(_FIELD_MM / pair.pixel_mm), pair.head_seed
    labels = slice_labels(z_mm, size_px, pair.pixel_mm, seed)
    truth = tissue_maps(labels, slice_texture(labels, z_mm, pair.pixel_mm, seed), delay=True)
    x, y = pixel_centres(size_px, pair.pixel_mm)

    def varying(name: str, length_mm: float) -> Float64:
        return field(seed, name, length_mm)(x, y, np.full_like(x, z_mm))

    tissue = np.isin(labels, list(TABLE))
    late_s = np.clip(0.5 + 1.5 * special.ndtr(varying("delay", 45.0)), 0.5, 2.0) + (truth.tmax_s - 1.0)
    late_s += (pair.vof_hu.argmax() - pair.aif_hu.argmax()) * GRID_S * 0.75 * pair.late  # its MTT is the rest
    curves = np.zeros((pair.times_s.size, *labels.shape))
    seen = pair.aif_hu[: grid(pair.times_s[-1]).size]
    delays_s = np.round(late_s[tissue], 1)
    curves[:, tissue] = tissue_curves(
        seen, pair.times_s, truth.cbf[tissue], truth.mtt_s[tissue], delays_s, "exponential"
    )
    arteries = (labels == Tissue.ARTERY).astype(np.float64)
    if not pair.trunks:
        arteries[_area_mm2(labels == Tissue.ARTERY, pair.pixel_mm) > _TRUNK_MM2] = 0
    arteries *= np.exp(0.25 * varying("share", 25.0))
    sinus = _area_mm2(labels == Tissue.VEIN, pair.pixel_mm) > _SINUS_MM2
    thin = 0.2 + 0.5 * special.ndtr(varying("thin veins", 20.0))
    veins = np.where(labels == Tissue.VEIN, np.where(sinus, 1.0, thin), 0.0)
    branch_s = np.where(sinus, 0.0, np.clip(-0.25 + 0.8 * varying("branch", 40.0), -1.5, 1.0))
    branch_s[labels == Tissue.ARTERY] += 0.25
    return truth.baseline_hu, curves, arteries, veins, branch_s


def _area_mm2(mask: Float64, pixel_mm: float) -> Float64:
    """Return, for each pixel of a mask, the area of the connected piece that it belongs to; 0 outside."""
    pieces, _ = ndimage.label(mask, np.ones((3, 3)))
    areas = np.bincount(pieces.ravel()) * pixel_mm**2
    areas[0] = 0
    return areas[pieces]
