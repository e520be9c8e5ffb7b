"""Core and penumbra of a scan whose maps come a few slices at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ctpbench.arrays import Float32, Mask
from ctpbench.perfusion.lesions import hypoperfused, infarct_core, side_of


@dataclass(frozen=True)
class Lesions:
    """Where core and penumbra, the core in it included, were drawn.

    Attributes
    ----------
    masks : dict of ndarray, (z, y, x), bool
        "core" and "penumbra"; one whose rule could not be applied is not there.
    voxel_ml : float
    """

    masks: dict[str, Mask]
    voxel_ml: float

    @property
    def volumes_ml(self) -> dict[str, float]:
        """Volumes of core and penumbra and, of both, the mismatch: how much larger the penumbra is."""
        volumes = {name: float(mask.sum()) * self.voxel_ml for name, mask in self.masks.items()}
        if len(volumes) == 2:
            volumes["mismatch"] = volumes["penumbra"] - volumes["core"]
        return volumes


class LesionVoxels:
    """The voxels that may be core or penumbra: solid tissue, with their CBF and Tmax, five bytes of each.

    The core is held against the other side's mean over the whole scan, so it can only be drawn once all is known.

    Parameters
    ----------
    brain : ndarray, (z, y, x), bool
        Its middle is the midline.
    """

    def __init__(self, brain: Mask) -> None:
        self._solid = np.zeros_like(brain)
        self._sides = side_of(brain)
        self._cbf: list[Float32] = []
        self._late: list[Mask] = []
        self._known = True

    def add(self, slices: slice, solid: Mask, cbf: Float32, tmax: Float32) -> None:
        """Take some slices, (slices, y, x), which follow those taken before: solid tissue, CBF and Tmax in s."""
        self._solid[slices] = solid
        times = np.asarray(tmax[solid], dtype=np.float64)
        late = hypoperfused(times, np.ones(times.shape, bool))
        self._known &= late is not None or not times.size
        self._cbf.append(cbf[solid])
        self._late.append(np.zeros(times.shape, bool) if late is None else late)

    def lesions(self, voxel_ml: float) -> Lesions:
        """Return what was drawn in all slices."""
        cbf = np.concatenate(self._cbf, dtype=np.float64) if self._cbf else np.empty(0)
        sides = np.broadcast_to(self._sides, self._solid.shape)[self._solid]
        core = infarct_core(cbf, np.ones(cbf.shape, bool), sides)
        found = {"core": core, "penumbra": np.concatenate(self._late) if self._known and cbf.size else None}
        return Lesions({name: self._mask(values) for name, values in found.items() if values is not None}, voxel_ml)

    def _mask(self, values: Mask) -> Mask:
        mask = np.zeros_like(self._solid)
        mask[self._solid] = values
        return mask
