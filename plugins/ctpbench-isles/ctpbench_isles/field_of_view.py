"""Whether the lengths that a header names make a head, and what they are where they do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ctpbench import DataError
from ctpbench.arrays import Float64

_PLAUSIBLE_MM = (80.0, 700.0)  # across the head, from a small field of view to the widest gantry
_SLICES_MM = (0.2, 50.0)  # from slice to slice, where a shuttle leaves gaps, too
_OVERLAP = 8.0  # slices thicker than so many steps, or thinner than a step by as much, are of two units
_SQUARE = 0.01
_DICOM_UNITS = {"cm": 10.0, "m": 1000.0, "um": 0.001}  # that are written where the standard has mm
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
    across = _across(affine, shape)
    fits = [factor for factor in (said, 1.0, 1000.0, 0.001) if _is_head(across * factor)]
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


def check_dicom(path: Path, affine: Float64, shape: tuple[int, int, int], thickness_mm: float) -> tuple[str, ...]:
    """Refuse lengths of a DICOM series that make no head, and return what is doubtful about those that do.

    DICOM knows no unit but mm, so that another one is a fault of the files, which may hold it in one tag and not in
    the next: none is guessed.

    Parameters
    ----------
    path : Path
        Of the series, for messages.
    affine : array, (4, 4), mm
        From (column, row, slice).
    shape : tuple of 3 ints
        Columns, rows, slices.
    thickness_mm : float
        What SliceThickness says; NaN where it is not there.

    Raises
    ------
    DataError
        Where the field of view, or the distance of the slices, is none that a scanner has.
    """
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    columns_mm, rows_mm, step_mm = map(float, sizes)
    across = _across(affine, shape)
    todo = "correct it in the files, or export the series again"
    if not _is_head(across):
        unit = next((f", as if it were in {name}" for name, mm in _DICOM_UNITS.items() if _is_head(across * mm)), "")
        raise DataError(
            f"{path}: got PixelSpacing {rows_mm:g}\\{columns_mm:g}{unit}: a field of view {across:.3g} mm across; "
            f"allowed: {_PLAUSIBLE_MM[0]:g} to {_PLAUSIBLE_MM[1]:g} mm, as of a head; {todo}"
        )
    low, high = _SLICES_MM
    if not low <= step_mm <= high:
        tag = "ImagePositionPatient, slices" if shape[2] > 1 else "SliceThickness, a slice"
        raise DataError(f"{path}: got by {tag} of {step_mm:g} mm; allowed: {low:g} to {high:g} mm; {todo}")
    notes = []
    if np.isfinite(thickness_mm) and not 1 / _OVERLAP < thickness_mm / step_mm < _OVERLAP:
        notes.append(
            f"voxel size: slices are {thickness_mm:g} mm thick by SliceThickness and {step_mm:.3g} mm apart by "
            "ImagePositionPatient, as if one of them were not in mm; the distance is used"
        )
    ratio, swapped = shape[0] * columns_mm / (shape[1] * rows_mm), shape[0] * rows_mm / (shape[1] * columns_mm)
    if abs(swapped - 1) < _SQUARE < abs(ratio - 1):
        notes.append(
            f"voxel size: PixelSpacing {rows_mm:g}\\{columns_mm:g} makes a field of view of "
            f"{shape[1] * rows_mm:.3g} x {shape[0] * columns_mm:.3g} mm, and a square one if its two numbers were "
            "swapped; taken as it is: see in inspection.png whether the head is stretched"
        )
    return tuple(notes)


def _across(affine: Float64, shape: tuple[int, int, int]) -> float:
    """Return the middle one of the lengths of the three axes: slices may be few, or many."""
    return float(np.sort(np.linalg.norm(affine[:3, :3], axis=0) * shape)[1])


def _is_head(across_mm: float) -> bool:
    return _PLAUSIBLE_MM[0] <= across_mm <= _PLAUSIBLE_MM[1]
