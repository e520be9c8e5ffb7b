"""Whether the lengths that a header names make a head, and what they are where they do not."""

from __future__ import annotations

import numpy as np

from ctpbench.arrays import Float64

_PLAUSIBLE_MM = (80.0, 700.0)  # across the head, from a small field of view to the widest gantry
_UNITS_MM = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}


def in_mm(affine: Float64, shape: tuple[int, int, int], unit: str) -> tuple[Float64, str]:
    """Return an affine in mm, and what had to be doubted for it, or ``""``.

    The unit is the header's; where a head cannot be of the size that it makes, one of the others is taken if that
    makes one.

    Parameters
    ----------
    affine : array, (4, 4)
        In the header's unit.
    shape : tuple of 3 ints
    unit : str
        NIfTI's name of it.
    """
    said = _UNITS_MM.get(unit, 1.0)
    sizes = np.sort(np.linalg.norm(affine[:3, :3], axis=0) * shape)
    across = float(sizes[1])  # of three axes the middle one: slices may be few, or many
    fits = [factor for factor in (said, 1.0, 1000.0, 0.001) if _PLAUSIBLE_MM[0] <= across * factor <= _PLAUSIBLE_MM[1]]
    factor = fits[0] if fits else said
    note = ""
    if not fits:
        note = f"voxel size: the field of view is {across * said:.3g} mm across by the header; no head is of that size"
    elif factor != said:
        note = (
            f"voxel size: the field of view is {across * said:.3g} mm across by the header's unit ({unit}); "
            f"taken as {across * factor:.3g} mm"
        )
    scaled = affine.copy()
    scaled[:3] *= factor
    return scaled, note
