"""Slices that a shuttle saw from both of its table positions: one of the two series of images is kept."""

from __future__ import annotations

import numpy as np

from ctpbench.arrays import Index
from ctpbench_isles.dicom_times import Stamps

_DOUBLED = 1.5  # times the images of the other slices


def without_overlap(rows: list[Index], stamps: Stamps) -> tuple[list[Index], str]:
    """Return each slice's images without those of a second table position, and what was done, or ``""``.

    Where neighbouring slices in the middle have about twice as many images as those on either side, the two positions
    overlap there. Their images are told apart by the times of the slices below and above; those taken together with
    the slices below are kept.

    Parameters
    ----------
    rows : list of arrays
        Each slice's images, as numbers, in order of time.
    stamps : Stamps
        Of the images.
    """
    counts = np.array([len(row) for row in rows])
    doubled = np.flatnonzero(counts > _DOUBLED * counts.min())
    if not stamps.dated or not doubled.size or doubled[0] == 0 or doubled[-1] == len(rows) - 1:
        return rows, ""
    if np.ptp(doubled) + 1 != len(doubled):
        return rows, ""
    below, above = (stamps.values[rows[k]] for k in (doubled[0] - 1, doubled[-1] + 1))
    kept = list(rows)
    for k in doubled:
        times = stamps.values[rows[k]]
        to_below, to_above = (np.abs(times[:, None] - others).min(axis=1) for others in (below, above))
        kept[k] = rows[k][to_below < to_above]
    slices = f"{doubled[0] + 1}-{doubled[-1] + 1}" if len(doubled) > 1 else f"{doubled[0] + 1}"
    return kept, f"overlap: slices {slices} along the series were taken at both table positions; the first's are used"
