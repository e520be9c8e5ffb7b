"""What a scan's values look like where they do not look like a head in HU."""

from __future__ import annotations

import numpy as np

from ctpbench.arrays import Float32

_HEAD = "a scan of the head, in HU"
_SHIFT = 1024.0  # between HU and what scanners store
_NEAR = 150.0
_MIN_LENGTH, _ALIKE = 8, 0.2


def why_no_brain(frames: Float32) -> str:
    """Return why no brain inside bone was found in frames, (time, z, y, x): the likely cause, and what to do.

    Examples
    --------
    >>> import numpy as np
    >>> why_no_brain(np.zeros((4, 1, 8, 8), np.float32))
    'got the value 0 throughout; allowed: a scan of the head, in HU; check RescaleSlope, or export it again'
    """
    low, high = float(frames.min()), float(frames.max())
    if low == high:
        return f"got the value {low:g} throughout; allowed: {_HEAD}; check RescaleSlope, or export it again"
    end = f"allowed: {_HEAD}"
    air = float(np.quantile(frames[0], 0.02))
    if abs(air) < _NEAR and high > _SHIFT:
        return (
            f"got values from {low:g} to {high:g} that look like HU + 1024 (air near 0): slope and intercept were "
            f"lost; {end}; subtract 1024"
        )
    if abs(air + 2 * _SHIFT) < _NEAR:
        return f"got values from {low:g} to {high:g} that look like HU - 1024 (air near -2048); {end}; add 1024"
    if high - low < 10:
        return f"got values from {low:.3g} to {high:.3g}; {end}; they were scaled, scale them back"
    if _another_axis_is_time(frames):
        return f"got no slice with brain inside bone; as if time were not the last axis; {end}, (x, y, z, time)"
    return f"got no slice with brain inside bone; {end}"


def _another_axis_is_time(frames: Float32) -> bool:
    """Return whether neighbours along an axis of space are as alike as those in time, and far more than others."""
    steps = [float(np.abs(np.diff(frames, axis=axis)).mean()) if n > 1 else 0.0 for axis, n in enumerate(frames.shape)]
    along = min((axis for axis in (1, 2, 3) if steps[axis] > 0), key=steps.__getitem__, default=0)
    others = [steps[axis] for axis in (1, 2, 3) if axis != along]
    return along > 0 and frames.shape[along] >= _MIN_LENGTH and steps[along] < _ALIKE * min(others)
