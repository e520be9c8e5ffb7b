"""Arteries and veins in a scan: the voxels whose curves are high and early, or high and late.

Each voxel's curve is fitted by the brain's mean curve, shifted in time: arteries are ahead of it, veins behind, and
both are many times higher. The mean is nearly free of noise, so that the fit tells an artery of 15 HU from noise of
10 HU a voxel. Of such voxels two methods choose: by connected components, and by clusters of their curves' shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ctpbench.arrays import Array, Float32, Float64, Index, Mask
from ctpbench.errors import DataError
from ctpbench.perfusion.bolus import rises

_OVER_TISSUE = 3.0  # a vessel over the brain's mean curve; blood is at about 30, gray matter at 2
_OVER_NOISE = 5.0
_SMOOTHING_S = 1.0  # sigma in time; as the next, for the search only
_SMOOTHING_MM = 0.6  # in plane: little, or thin arteries drown in tissue
_AHEAD_S = 3.0  # arteries enhance at most so long before the brain's mean
_SHIFTS_S = np.arange(-12.0, 10.5)  # of a curve that voxels are fitted by
_BORDER_MM = 4.0  # nearer to the skull no artery is looked for: its edge flickers as the head moves
_ROUGH, _JAGGED = 2.5, 1.5  # flicker: so much rougher than the brain's median, and than the curve's own spread
_TOGETHER = 2**16  # voxels
_SMALLEST, _THICKEST_MM = 3, 6.0  # a component: voxels, distance of its middle from its border


@dataclass(frozen=True)
class Scan:
    """The n voxels of a scan's brain, and what is asked of each."""

    voxels: Index  # (n, 3)
    curves: Float32  # (time, n), HU above the mean of the frames before the bolus
    mean: Float32  # (time), of the inner voxels, smoothed
    smoothing: Float32  # (time, time)
    arrival: int  # first frame of the mean above a tenth of its peak
    rest: int  # frames before the bolus
    dt_s: float
    spacing_mm: tuple[float, ...]
    shape: tuple[int, ...]
    inner: Mask  # (n), away from the skull
    backwards: Float64  # (n), 0 at the front of the brain, 1 at its back
    posterior: Mask
    steady: Mask  # no flicker

    def volume(self, values: Array) -> Array:
        """Put values of the voxels, (..., n), into an image of zeros, (..., z, y, x)."""
        image = np.zeros((*values.shape[:-1], *self.shape), values.dtype)
        image[..., *self.voxels.T] = values
        return image

    def smoothed(self, chosen: Index) -> Float32:
        curve: Float32 = self.smoothing @ self.curves[:, chosen].mean(axis=1)
        return curve

    def mean_of(self, chosen: Index) -> Float32:
        mean: Float32 = self.curves[:, chosen].mean(axis=1, dtype=np.float32)
        return mean


def prepared(curves: Float32, brain: Mask, spacing_mm: Sequence[float], dt_s: float, back: Sequence[float]) -> Scan:
    """Return what is asked of a brain's voxels; `curves`, (time, n), in their order, are written over."""
    if len(curves) < 5 or curves.shape[1:] != (brain.sum(),):
        raise DataError(
            f"concentration: got shape {curves.shape} of {brain.sum()} voxels of brain; allowed: (time, voxel) of 5 "
            "frames or more"
        )
    if len(spacing_mm) != 3 or not all(0 < step < np.inf for step in (*spacing_mm, dt_s)):
        raise DataError(
            f"spacing_mm, dt_s: got {tuple(spacing_mm)}, {dt_s}; allowed: 3 sizes in mm and a time, above 0"
        )
    if len(back) != 3 or not 0 < np.linalg.norm(back) < np.inf:
        raise DataError(f"posterior: got {tuple(back)}; allowed: a direction along (z, y, x), not all 0")
    voxels = np.argwhere(brain)
    if not all(np.isfinite(frame).all() for frame in curves):
        raise DataError("concentration: got NaN or infinity in the brain; allowed: finite HU")
    padded = np.pad(brain, ((0, 0), (1, 1), (1, 1)))
    inner = _depth_mm(padded, spacing_mm)[:, 1:-1, 1:-1][brain] > _BORDER_MM
    if not inner.any():
        raise DataError(
            f"brain: got no voxel {_BORDER_MM:g} mm or more from its border; allowed: the inside of a skull"
        )
    weights = (inner / inner.sum()).astype(np.float32)
    smoothing = _smoothing(len(curves), dt_s)
    mean = curves @ weights
    if not rises(smoothing, mean):
        raise DataError("no artery: the brain's mean curve does not rise above its noise; give a scan with contrast")
    mean = smoothing @ mean
    before = np.flatnonzero(mean[: mean.argmax()] <= 0.1 * mean.max())
    arrival = int(before[-1]) + 1 if before.size else 0
    rest = max(2, arrival - int(np.ceil(_AHEAD_S / dt_s)))
    curves -= curves[:rest].mean(axis=0)
    rough, spread = _roughness(curves)
    position = voxels @ (np.asarray(spacing_mm) * np.asarray(back))
    return Scan(
        voxels=voxels,
        curves=curves,
        mean=smoothing @ (curves @ weights),
        smoothing=smoothing,
        arrival=arrival,
        rest=rest,
        dt_s=dt_s,
        spacing_mm=tuple(spacing_mm),
        shape=brain.shape,
        inner=inner,
        backwards=(position - position.min()) / max(float(np.ptp(position)), 1e-9),
        posterior=position > position.mean(),
        steady=(rough < _ROUGH * np.median(rough)) | (rough < _JAGGED * spread),
    )


def _roughness(curves: Float32) -> tuple[Float32, Float32]:
    """Return how curves, (time, n), bend, and their spread in time, (n): of some at a time, for memory's sake."""
    rough, spread = np.empty((2, curves.shape[1]), np.float32)
    for start in range(0, curves.shape[1], _TOGETHER):
        some = slice(start, start + _TOGETHER)
        bends = np.diff(curves[:, some], 2, axis=0)
        rough[some] = np.sqrt(np.einsum("tn,tn->n", bends, bends) / len(bends))
        spread[some] = curves[:, some].std(axis=0)
    return rough, spread


def _smoothing(frames: int, dt_s: float) -> Float32:
    """Gaussian along time as a matrix, normalised at the ends."""
    frame = np.arange(frames)
    weights = np.exp(-((np.subtract.outer(frame, frame) * (dt_s / _SMOOTHING_S)) ** 2) / 2)
    smoothing: Float32 = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return smoothing


def _depth_mm(image: Mask, spacing_mm: Sequence[float]) -> Float64:
    """Distance to the border within each slice."""
    return np.stack([ndimage.distance_transform_edt(each, sampling=tuple(spacing_mm[1:])) for each in image])


@dataclass(frozen=True)
class Match:
    """How each of the n voxels fits a curve at the shift that fits best.

    Attributes
    ----------
    height : ndarray, (n), float32
        Scalar product with the shifted curve of norm 1.
    shift_s : ndarray, (n), float64
        Below 0: ahead of the curve.
    noise : float
        Of `height`.
    tissue_s : float
        The shift that fits the brain's mean curve best.
    vessel : ndarray, (n), bool
        Above noise and tissue, and of the curve's shape.
    """

    height: Float32
    shift_s: Float64
    noise: float
    tissue_s: float
    vessel: Mask


def matched(
    scan: Scan,
    curve: Float32,
    over_tissue: float = _OVER_TISSUE,
    over_noise: float = _OVER_NOISE,
    smoothing_mm: float = _SMOOTHING_MM,
) -> Match:
    """Fit each voxel's curve by a given one, (time), and tell the vessels by how much higher they are than tissue."""
    frames = np.arange(len(curve), dtype=np.float64)
    shapes = np.stack([np.interp(frames - shift / scan.dt_s, frames, curve) for shift in _SHIFTS_S])
    # Two frames up, two down: it has of a bolus nothing, of noise as much as any other shape.
    shapes = np.vstack([shapes, np.where(frames % 4 < 2, 1.0, -1.0)])
    shapes -= shapes.mean(axis=1, keepdims=True)  # so that a curve's offset does not count
    shapes /= np.maximum(np.linalg.norm(shapes, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    of_tissue = shapes[:-1] @ (scan.mean - scan.mean.mean())
    sigma_px = [0.0, *(smoothing_mm / step for step in scan.spacing_mm[1:])]
    height, chance = np.empty((2, len(scan.voxels)), np.float32)
    best = np.empty(len(scan.voxels), np.intp)
    ends = np.searchsorted(scan.voxels[:, 0], np.arange(scan.shape[0] + 1))
    for some in map(slice, ends[:-1], ends[1:]):  # slice by slice, for memory's sake
        places = scan.voxels[some, 1:].T
        images = np.zeros((len(shapes), *scan.shape[1:]), np.float32)
        images[:, *places] = (shapes.astype(np.float32) @ scan.curves[:, some]) * scan.steady[some]
        fits = ndimage.gaussian_filter(images, sigma_px, truncate=3.0)[:, *places]
        height[some], best[some], chance[some] = fits[:-1].max(axis=0), fits[:-1].argmax(axis=0), fits[-1]
    noise = 1.4826 * float(np.median(np.abs(chance)))
    vessel = scan.steady & (height > max(over_noise * noise, over_tissue * float(of_tissue.max()) + 3 * noise))
    return Match(height, _SHIFTS_S[best], noise, float(_SHIFTS_S[of_tissue.argmax()]), vessel)


def highest(chosen: Index, values: Array) -> Index:
    return chosen[np.argsort(-values[chosen], kind="stable")]


def components(scan: Scan, mask: Mask) -> list[Index]:
    """Return the mask's connected components that are large enough for a vessel and thin enough."""
    image = scan.volume(mask)
    labels = ndimage.label(image, np.ones((3, 3, 3)))[0][*scan.voxels.T]
    depth_mm = _depth_mm(image, scan.spacing_mm)[*scan.voxels.T]
    inside = np.flatnonzero(labels)
    inside = inside[np.argsort(labels[inside], kind="stable")]
    parts = np.split(inside, np.flatnonzero(np.diff(labels[inside])) + 1)
    return [part for part in parts if part.size >= _SMALLEST and depth_mm[part].max() <= _THICKEST_MM]
