"""Strokes of patients: an artery's territory of which collaterals spare a rim, its core, and infarcts of long ago."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ctpbench.arrays import Float64, Mask
from ctpbench_phantom.anatomy import pixel_centres
from ctpbench_phantom.head import SEMI_MM, hull
from ctpbench_phantom.shapes import Points
from ctpbench_phantom.territories import Region
from ctpbench_phantom.texture import field

# How often each territory is hit where there is a stroke: ACA, MCA and PCA about as in 1638 infarcts (3, 83 and 14%);
# Arboix et al., BMC Neurol 9:30, 2009.
FREQUENCIES = {"mca": 0.3, "mca superior": 0.18, "mca inferior": 0.18, "mca branch": 0.16, "aca": 0.05, "pca": 0.13}
HEALTHY_SHARE = 1 / 6  # of patients who have no stroke
OLD_SHARE = 1 / 6  # of patients who had one long ago
_NO_CORE_SHARE = 0.1  # of strokes
_PROBE_MM = 3.0  # sizes are measured on a grid so fine
_RAGGED_MM = 3.0  # the edge strays so far (sd) from the territory's
_PATCHY_MM = 7.0  # and the core from its depth


@dataclass(frozen=True)
class Stroke:
    """What is drawn of one stroke.

    Attributes
    ----------
    region : Region
    size : float
        Share of the region within the slab that is short of blood, in (0, 1].
    core_share : float
        Share of that which is core.
    late : float
        How late contrast arrives compared with other strokes, about -1 to 1.
    """

    region: Region
    size: float
    core_share: float
    late: float = 0.0


@dataclass(frozen=True)
class Lesion:
    """A stroke in its patient's slab.

    Attributes
    ----------
    stroke : Stroke
    edge_mm : float
        Where the lesion begins, as a depth in the region.
    core_mm : float
        Where its core begins, likewise; infinite where it has none.
    deepest_mm : float
        The lesion's deepest point.
    """

    stroke: Stroke
    edge_mm: float
    core_mm: float
    deepest_mm: float

    def depth(self, points: Points) -> Float64:
        """Return how deep points lie in the lesion, no unit: 0 at its edge, 1 at its deepest, negative outside."""
        return (_ragged(self.stroke.region, points) - self.edge_mm) / max(self.deepest_mm - self.edge_mm, 1.0)

    def inside(self, points: Points) -> tuple[Mask, Mask]:
        """Return where the whole lesion is and where its core is."""
        depth = _ragged(self.stroke.region, points)
        whole = depth > self.edge_mm
        return whole, whole & (_vulnerable(self.stroke.region, points, depth) > self.core_mm)


@lru_cache(maxsize=32)
def lesion_of(stroke: Stroke, heights_mm: tuple[float, ...]) -> Lesion | None:
    """Return a stroke in a slab: of its region, in the brain, `size` is lesion, and of that `core_share` is core.

    None where the slab holds nothing of the region.
    """
    side = 2 * int(SEMI_MM[1] / _PROBE_MM)
    x, y = pixel_centres(side, _PROBE_MM)
    z = np.broadcast_to(np.array(heights_mm)[:, None, None], (len(heights_mm), side, side))
    points = Points(np.broadcast_to(x, z.shape), np.broadcast_to(y, z.shape), z)
    depth = _ragged(stroke.region, points)
    fed = (depth > 0) & (hull(points, stroke.region.head_seed).brain > 0)
    if not fed.any():
        return None
    edge_mm = float(np.quantile(depth[fed], 1 - stroke.size))
    whole = fed & (depth > edge_mm)
    core_mm = np.inf
    if stroke.core_share > 0 and whole.any():
        core_mm = float(np.quantile(_vulnerable(stroke.region, points, depth)[whole], 1 - stroke.core_share))
    return Lesion(stroke, edge_mm, core_mm, float(depth[fed].max()))


def draw_stroke(rng: np.random.Generator, head_seed: int, heights_mm: Float64) -> Stroke:
    """Return a stroke of a head whose slab lies at these heights."""
    territory = rng.choice(list(FREQUENCIES), p=list(FREQUENCIES.values()))
    wedge = (
        (rng.uniform(-55, 65), rng.uniform(20, 34)),
        (rng.uniform(heights_mm[0], heights_mm[-1]), rng.uniform(12, 22)),
    )
    region = Region(str(territory), 1 if rng.random() < 0.5 else -1, head_seed, *wedge)
    size, share = rng.uniform(0.5, 0.95), rng.uniform(0.05, 0.7)
    return Stroke(region, size, 0.0 if rng.random() < _NO_CORE_SHARE else share, rng.uniform(-1, 1))


def draw_old_infarct(rng: np.random.Generator, head_seed: int, heights_mm: Float64) -> Stroke:
    """Return an infarct of long ago: all dead, and small, in a branch of the MCA or in the territory of the PCA."""
    wedge = (rng.uniform(-55, 65), rng.uniform(9, 17)), (rng.uniform(*heights_mm[[0, -1]]), rng.uniform(8, 14))
    territory = "mca branch" if rng.random() < 0.75 else "pca"
    size = rng.uniform(0.6, 0.9) if territory == "mca branch" else rng.uniform(0.15, 0.35)
    return Stroke(Region(territory, 1 if rng.random() < 0.5 else -1, head_seed, *wedge), size, 1.0)


def _ragged(region: Region, points: Points) -> Float64:
    """Depth in a region, greatest in end arteries; its edge is ragged, as collaterals reach further here than there."""
    name = f"{region.territory} edge"
    depth = region.depth(points)
    if region.territory == "mca":
        depth = depth + 15.0 * _end_arteries(region, points) * np.clip(depth / 4.0, 0.0, 1.0)
    return depth + _RAGGED_MM * field(region.head_seed, name, 16.0)(points.x, points.y, points.z)


def _vulnerable(region: Region, points: Points, depth: Float64) -> Float64:
    """What dies first is greatest: tissue far from collaterals, end arteries' above all."""
    patches = field(region.head_seed, f"{region.territory} core", 30.0)(points.x, points.y, points.z)
    return depth + 8.0 * _end_arteries(region, points) + _PATCHY_MM * patches


def _end_arteries(region: Region, points: Points) -> Float64:
    """1 in the middle of the basal ganglia, whose arteries have no collaterals, falling to 0 around them."""
    across = region.side * points.x
    return np.exp(-(((across - 24.0) / 14.0) ** 2) - ((points.y + 3.0) / 24.0) ** 2 - ((points.z - 5.0) / 20.0) ** 2)
