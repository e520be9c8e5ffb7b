"""What holds of every acquired CT-perfusion scan, whatever its format."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import AIR_HU, PADDING_HU

MIN_FRAMES = 3
"""A scan of fewer frames shows no bolus."""
HEAD_HU = -500.0
"""The head is above: below are air and padding."""


def fill_padding(values: npt.NDArray[np.floating[Any]]) -> None:
    """Put air, in place, where nothing was measured: where values in HU are NaN, or scanners' padding."""
    values[~(values > PADDING_HU)] = AIR_HU
