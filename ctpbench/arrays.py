"""Names of the kinds of arrays that signatures speak of, and the values that stand for no tissue.

Shapes and units are the docstrings' to say: ``Float32`` is an array of float32 of any shape.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Float32: TypeAlias = npt.NDArray[np.float32]
Float64: TypeAlias = npt.NDArray[np.float64]
UInt8: TypeAlias = npt.NDArray[np.uint8]
Mask: TypeAlias = npt.NDArray[np.bool_]
Index: TypeAlias = npt.NDArray[np.intp]

AIR_HU = -1000.0
"""What stands where nothing was measured."""
PADDING_HU = -2000.0
"""What scanners store outside the field of view lies at or below this."""
RCBF_THRESHOLD = 0.3
"""Core: CBF below this part of the other side's mean."""
TMAX_THRESHOLD_S = 6.0
"""Penumbra, the core in it included: Tmax above this."""
CSF_HU = 20.0
"""A voxel whose mean over all frames is below is fluid, which has no flow and would pass for core."""
