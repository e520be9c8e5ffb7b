"""Times that a user states of a scan, whatever its format."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ctpbench import DataError, Stated
from ctpbench.arrays import Float64

STATED = "stated by the user"
"""What such times are from."""


def stated_times_s(path: Path, stated: Stated, frames: int) -> Float64 | None:
    """Return when each of so many frames was taken, (time), s, as the user says; None where nothing was said.

    Raises
    ------
    DataError
        Where what was said fits no scan, or not this one.
    """
    interval_s, times_s = stated.frame_interval_s, stated.frame_times_s
    if times_s is not None:
        given = np.asarray(times_s, dtype=np.float64)
        if given.shape != (frames,) or not np.isfinite(given).all() or not (np.diff(given) > 0).all():
            raise DataError(
                f"{path}: frame_times_s (--frame-times): got {len(given)} times for {frames} frames; "
                "allowed: one a frame, rising, in s"
            )
        return given
    if interval_s is None:
        return None
    if not 0 < interval_s < np.inf:
        raise DataError(f"{path}: frame_interval_s: got {interval_s}; allowed: above 0, in s")
    return interval_s * np.arange(frames, dtype=np.float64)
