"""Vascular territories of the head: how deep a point lies in what an artery feeds, on either side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ctpbench.arrays import Float64
from ctpbench_phantom.cortex import callosum_depth
from ctpbench_phantom.head import midline
from ctpbench_phantom.shapes import Points
from ctpbench_phantom.texture import field

Territory = Literal["mca", "mca superior", "mca inferior", "mca branch", "aca", "pca"]
TERRITORIES: tuple[Territory, ...] = get_args(Territory)

_ACA_MM = 23.0  # how far the anterior territory reaches out from the falx where it is widest
_STRAY_MM = 5.0  # borders stray so far (sd) from head to head and along their way
# Half width of the posterior territory from the thalamus (y = -7) to the occipital pole, and how that falls upwards.
_PCA_Y_MM = (-7.0, 1.0, 18.0, 34.0, 68.0)
_PCA_WIDE_MM = (0.0, 14.0, 17.0, 26.0, 46.0)
_PCA_HEIGHTS_MM = (12.0, 40.0, 58.0)
_PCA_SHARES = (1.0, 0.55, 0.0)
_THALAMUS_MM = (9.0, 15.0)  # above the first the thalamus ends, above the second nothing but the occipital lobe is left


@dataclass(frozen=True)
class Region:
    """What one artery feeds on one side of a head.

    Attributes
    ----------
    territory : Territory
        Of the middle cerebral artery (MCA) all, without the basal ganglia its superior (frontal) or inferior (temporal
        and parietal) division, or the wedge of one branch; the anterior (ACA) or the posterior one (PCA).
    side : int
        1 for x > 0, the image's right, -1 for the other.
    head_seed : int
        Whose borders.
    wedge_deg : tuple of 2 floats
        Of a branch: where its wedge points, 0 to the side and 90 to the back, and half of the angle it opens.
    wedge_z_mm : tuple of 2 floats
        Of a branch: the height of its middle, and half of its extent.
    """

    territory: Territory
    side: int
    head_seed: int
    wedge_deg: tuple[float, float] = (0.0, 20.0)
    wedge_z_mm: tuple[float, float] = (0.0, 15.0)

    def depth(self, points: Points) -> Float64:
        """Return how far inside the region points lie, about in mm, negative outside.

        Sources: Tatu, Moulin, Bogousslavsky, Duvernoy, Neurology 50:1699, 1998, and Kim et al., JAMA Neurol 76:72, 2019
        (the territories); van der Zwan et al., J Neurosurg 77:927, 1992 (their borders vary from brain to brain).
        """
        centred = points.moved(-midline(points, self.head_seed), 0, 0)
        across = self.side * centred.x
        stray = [field(self.head_seed, f"territory-{axis}", 45.0)(centred.x, centred.y, centred.z) for axis in "xyz"]
        far = np.clip(np.hypot(centred.x, centred.y) / 50.0, 0.3, 1.0)  # the middle of the brain strays less
        p = Points(across, centred.y, centred.z).moved(*(_STRAY_MM * far * s for s in stray))
        depth = self._depth(Points(np.maximum(p.x, 0.0), p.y, p.z))
        return np.minimum(depth, across)  # never across the midline

    def _depth(self, p: Points) -> Float64:
        if self.territory == "aca":
            return np.minimum(_anterior(p) - p.x, p.x - _posterior(p))
        if self.territory == "pca":
            return _posterior(p) - p.x
        middle = p.x - np.maximum(_anterior(p), _posterior(p))
        if self.territory == "mca":
            return middle
        if self.territory == "mca branch":
            return np.minimum.reduce([middle, self._wedge(p), _outside_deep(p)])
        front = np.clip(0.45 * (p.z - 4.0), -8.0, 14.0) - p.y  # of the lateral fissure, which climbs towards the back
        side = front if self.territory == "mca superior" else -front
        return np.minimum.reduce([middle, side, _outside_deep(p)])

    def _wedge(self, p: Points) -> Float64:
        """Depth in a wedge that opens from the wall of the ventricle to the cortex."""
        towards, half = np.deg2rad(self.wedge_deg)
        dx, dy = p.x - 14.0, p.y
        along = np.cos(towards) * dx + np.sin(towards) * dy
        away = np.abs(-np.sin(towards) * dx + np.cos(towards) * dy)
        height, reach = self.wedge_z_mm
        return np.minimum(np.sin(half) * along - np.cos(half) * away, reach - np.abs(p.z - height))


def _anterior(p: Points) -> Float64:
    """Half width of the ACA's territory: a band along the falx, in front of and above the callosum."""
    above = np.maximum(-callosum_depth(p), 0.0)
    ends = 38.0 + 0.5 * np.maximum(p.z - 10.0, 0.0)  # at the parieto-occipital sulcus, further back on top
    return _band(_ACA_MM * np.tanh(above / 18.0) * np.clip((ends - p.y) / 12.0, 0.0, 1.0))


def _posterior(p: Points) -> Float64:
    """Half width of the PCA's territory: thalamus, medial temporal and occipital lobe."""
    wide = np.interp(p.y, _PCA_Y_MM, _PCA_WIDE_MM)
    low = np.interp(p.z, _THALAMUS_MM, (1.0, 0.0))
    occipital = np.clip((p.y - 28.0) / 12.0, 0.0, 1.0)
    return _band(wide * np.interp(p.z, _PCA_HEIGHTS_MM, _PCA_SHARES) * np.maximum(low, occipital))


def _band(half_mm: Float64) -> Float64:
    """Half of a band's width, about itself, but below 0 where there is no band."""
    return half_mm - 6.0 * np.exp(-half_mm / 2.0)


def _outside_deep(p: Points) -> Float64:
    """Distance from the basal ganglia, which perforating arteries of the MCA's stem feed."""
    return 20.0 * (np.sqrt(((p.x - 18.0) / 17.0) ** 2 + ((p.y + 4.0) / 27.0) ** 2 + ((p.z - 5.0) / 19.0) ** 2) - 1.0)
