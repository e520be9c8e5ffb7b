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
from ctpbench.perfusion.bolus import half_maxima, rises

OVER_TISSUE = 3.0  # a vessel over the brain's mean curve; blood is at about 30, gray matter at 2
_SMOOTHING_S = 1.0  # sigma in time; as the next, for the search only
_SMOOTHING_MM = 0.6  # in plane: little, or thin arteries drown in tissue
_AHEAD_S = 3.0  # arteries enhance at most so long before the brain's mean
_SHIFTS_S = np.arange(-6.0, 10.5)  # of the brain's mean curve
_BORDER_MM = 4.0  # nearer to the skull no artery is looked for: its edge flickers as the head moves
_ROUGH, _JAGGED = 2.5, 1.5  # flicker: so much rougher than the brain's median, and than the curve's own spread
_TOGETHER = 2**16  # voxels
_SMALLEST, _THICKEST_MM = 3, 6.0  # a component: voxels, distance of its middle from its border
_ALIKE, _APART_S = 0.25, 1.5  # merit and arrival of the components taken beside the best
_ENOUGH = 300.0  # signal over noise of the mean of an artery's voxels
_VEIN_VOXELS, _ARTERY_VOXELS = 10, 10
_CLUSTERS, _ROUNDS, _CLUSTER_VOXELS = 5, 3, 25
_VESSELS = 0.25  # share of a cluster's voxels that must be above noise and tissue one by one


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


def prepared(series: Array, brain: Array, spacing_mm: Sequence[float], dt_s: float, back: Sequence[float]) -> Scan:
    if series.ndim != 4 or len(series) < 5 or brain.shape != series.shape[1:] or brain.dtype != bool:
        raise DataError(
            f"concentration: got shape {series.shape} with a brain of {brain.dtype} {brain.shape}; "
            "allowed: (time, z, y, x) of 5 frames or more with a bool mask (z, y, x)"
        )
    if len(spacing_mm) != 3 or not all(0 < step < np.inf for step in (*spacing_mm, dt_s)):
        raise DataError(
            f"spacing_mm, dt_s: got {tuple(spacing_mm)}, {dt_s}; allowed: 3 sizes in mm and a time, above 0"
        )
    if len(back) != 3 or not 0 < np.linalg.norm(back) < np.inf:
        raise DataError(f"posterior: got {tuple(back)}; allowed: a direction along (z, y, x), not all 0")
    voxels = np.argwhere(brain)
    curves = series.reshape(len(series), -1)[:, np.flatnonzero(brain)].astype(np.float32, copy=False)
    if not np.isfinite(curves).all():
        raise DataError("concentration: got NaN or infinity in the brain; allowed: finite HU")
    padded = np.pad(brain, ((0, 0), (1, 1), (1, 1)))
    inner = _depth_mm(padded, spacing_mm)[:, 1:-1, 1:-1][brain] > _BORDER_MM
    if not inner.any():
        raise DataError(
            f"brain: got no voxel {_BORDER_MM:g} mm or more from its border; allowed: the inside of a skull"
        )
    weights = (inner / inner.sum()).astype(np.float32)
    smoothing = _smoothing(len(series), dt_s)
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
class _Match:
    """How each of the n voxels fits the brain's mean curve at the shift that fits best."""

    height: Float32  # (n), scalar product with the mean curve of norm 1
    shift_s: Float64  # (n), below 0: ahead of the mean
    noise: float  # of height
    vessel: Mask  # (n), above noise and tissue


def _matched(scan: Scan) -> _Match:
    frames = np.arange(len(scan.mean), dtype=np.float64)
    shapes = np.stack([np.interp(frames - shift / scan.dt_s, frames, scan.mean) for shift in _SHIFTS_S])
    # Two frames up, two down: it has of a bolus nothing, of noise as much as any other shape.
    shapes = np.vstack([shapes, np.where(frames % 4 < 2, 1.0, -1.0)])
    shapes -= shapes.mean(axis=1, keepdims=True)  # so that a curve's offset does not count
    norms = np.linalg.norm(shapes, axis=1, keepdims=True)
    tissue = float(norms[:-1][_SHIFTS_S == 0].item())
    shapes /= np.maximum(norms, np.finfo(np.float32).tiny)
    images = scan.volume((shapes.astype(np.float32) @ scan.curves) * scan.steady)
    sigma_px = [0.0, 0.0, *(_SMOOTHING_MM / step for step in scan.spacing_mm[1:])]
    fits = ndimage.gaussian_filter(images, sigma_px, truncate=3.0)[:, *scan.voxels.T]
    height = fits[:-1].max(axis=0)
    noise = 1.4826 * float(np.median(np.abs(fits[-1])))
    vessel = scan.steady & (height > max(5 * noise, OVER_TISSUE * tissue + 3 * noise))
    return _Match(height, _SHIFTS_S[fits[:-1].argmax(axis=0)], noise, vessel)


def by_components(scan: Scan) -> tuple[Index, Index]:
    """Return the voxels of arteries and of a vein: indices into the scan's voxels, empty where there are none."""
    match = _matched(scan)
    height = match.height
    arteries = _components(scan, match.vessel & scan.inner & (match.shift_s <= 0))
    veins = [
        _highest(part, height)[:_VEIN_VOXELS]
        for part in _components(scan, match.vessel & scan.posterior & (match.shift_s > 0))
    ]
    vein = max(veins, key=lambda part: float(height[part].mean()), default=np.empty(0, np.intp))
    if not arteries:
        return np.empty(0, np.intp), vein
    maxima = np.array([half_maxima(scan.smoothed(part)) for part in arteries]) * scan.dt_s
    arrival_s, width_s = maxima[:, 0], maxima[:, 1] - maxima[:, 0]
    # Signal over noise of the component's mean, which holds height and size, halved by 2.8 s of delay.
    signal = np.array([height[part].sum() / np.sqrt(part.size) for part in arteries])
    merit = signal * np.exp(-arrival_s / 4) / width_s
    best = int(merit.argmax())
    alike = (merit >= _ALIKE * merit[best]) & (np.abs(arrival_s - arrival_s[best]) <= _APART_S)
    pool = _highest(np.concatenate([part for part, like in zip(arteries, alike, strict=True) if like]), height)
    # The mean of the n highest voxels has the signal over noise sum / sqrt(n); more voxels than needed only add tissue.
    clear = np.cumsum(height[pool]) / np.sqrt(1 + np.arange(pool.size))
    count = 1 + int(np.argmax(clear >= min(_ENOUGH * match.noise, clear.max())))
    return pool[: max(count, _ARTERY_VOXELS)], vein


def _highest(chosen: Index, values: Array) -> Index:
    return chosen[np.argsort(-values[chosen], kind="stable")]


def _components(scan: Scan, mask: Mask) -> list[Index]:
    """Return the mask's connected components that are large enough for a vessel and thin enough."""
    image = scan.volume(mask)
    labels = ndimage.label(image, np.ones((3, 3, 3)))[0][*scan.voxels.T]
    depth_mm = _depth_mm(image, scan.spacing_mm)[*scan.voxels.T]
    inside = np.flatnonzero(labels)
    inside = inside[np.argsort(labels[inside], kind="stable")]
    parts = np.split(inside, np.flatnonzero(np.diff(labels[inside])) + 1)
    return [part for part in parts if part.size >= _SMALLEST and depth_mm[part].max() <= _THICKEST_MM]


def by_clusters(scan: Scan) -> tuple[Index, Index]:
    """As `by_components`."""
    match = _matched(scan)
    slices = scan.voxels[:, 0]
    near = np.abs(slices - np.bincount(slices).argmax()) <= 1
    area = scan.curves.sum(axis=0)
    vein = _highest(np.flatnonzero(near & scan.posterior & scan.steady), area)[:_VEIN_VOXELS]
    candidates = near & scan.inner & scan.steady & (match.shift_s <= 0) & (area > 0)
    chosen = _highest(np.flatnonzero(candidates), area)[: int(near.sum()) // 10]
    shapes = scan.smoothing @ scan.curves[:, chosen]
    shapes /= area[chosen]
    roughness = (np.diff(shapes, 2, axis=0) ** 2).sum(axis=0)
    smooth = np.argsort(roughness, kind="stable")[: int(0.75 * chosen.size)]
    chosen, shapes = chosen[smooth], shapes[:, smooth]
    if not (chosen.size and vein.size):
        return chosen[:0], vein
    least = 0.2 * area[vein].mean()
    while np.sum(area[chosen] > least) <= min(2 * _CLUSTERS, chosen.size - 1):
        least *= 0.75
    chosen, shapes = chosen[area[chosen] > least], shapes[:, area[chosen] > least]
    for _ in range(_ROUNDS):
        if chosen.size <= _CLUSTER_VOXELS:
            break
        clusters = _kmeans(shapes.T, _CLUSTERS)
        last = int(np.argmax(np.cumsum(np.bincount(clusters)) > _CLUSTER_VOXELS))
        chosen, shapes = chosen[clusters <= last], shapes[:, clusters <= last]
    # Curves chosen by shape among many look like an artery's even where all is noise.
    return chosen if match.vessel[chosen].mean() >= _VESSELS else chosen[:0], vein


def _kmeans(curves: Float32, count: int) -> Index:
    """Sort curves, (n, time), into clusters: 0 has the smallest first moment. Starts from quantiles of the moment."""
    frame = np.arange(curves.shape[1])
    by_moment = np.argsort(curves @ frame, kind="stable")
    clusters = np.empty(len(curves), np.intp)
    clusters[by_moment] = np.arange(len(curves)) * count // len(curves)
    centres = np.stack([curves[clusters == k].mean(axis=0) for k in range(count)])
    for _ in range(100):
        nearest = ((centres**2).sum(axis=1) - 2 * curves @ centres.T).argmin(axis=1)
        if np.array_equal(nearest, clusters):
            break
        clusters = nearest
        centres = np.stack(
            [curves[clusters == k].mean(axis=0) if (clusters == k).any() else centres[k] for k in range(count)]
        )
    rank = np.argsort(np.argsort(centres @ frame))
    return rank[clusters]
