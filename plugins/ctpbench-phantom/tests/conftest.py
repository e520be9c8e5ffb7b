from __future__ import annotations

import numpy as np
import pytest

from ctpbench_phantom.aif import grid, phantom_aif
from ctpbench_phantom.series import Head, SliceSeries, simulate


@pytest.fixture(scope="session")
def source() -> SliceSeries:
    """A simulated slice of 64 x 64 pixels and 26 frames, 12 mm above the lowest: what test files are made of."""
    times_s = np.arange(26) * 1.5
    return simulate(Head(64, 3.2, 0, "plateau", False), 2.0, times_s, phantom_aif(grid(times_s[-1])))
