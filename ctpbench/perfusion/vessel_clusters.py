"""Arteries and a vein by clusters of their curves' shapes, as the paper has them."""

from __future__ import annotations

import numpy as np

from ctpbench.arrays import Float32, Index
from ctpbench.perfusion.vessels import Scan, highest, matched

_VEIN_VOXELS = 10
_CLUSTERS, _ROUNDS, _CLUSTER_VOXELS = 5, 3, 25
_VESSELS = 0.25  # share of a cluster's voxels that must be above noise and tissue one by one


def by_clusters(scan: Scan) -> tuple[Index, Index]:
    """Return the voxels of arteries and of a vein: indices into the scan's voxels, empty where there are none."""
    match = matched(scan, scan.mean)
    slices = scan.voxels[:, 0]
    near = np.abs(slices - np.bincount(slices).argmax()) <= 1
    area = scan.curves.sum(axis=0)
    vein = highest(np.flatnonzero(near & scan.posterior & scan.steady), area)[:_VEIN_VOXELS]
    candidates = near & scan.inner & scan.steady & (match.shift_s <= 0) & (area > 0)
    chosen = highest(np.flatnonzero(candidates), area)[: int(near.sum()) // 10]
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
