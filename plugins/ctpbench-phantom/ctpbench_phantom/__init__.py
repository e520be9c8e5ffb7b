"""Simulated CT-perfusion scans for ctpbench: anatomy, scanner and reconstruction.

What computes is imported where it is first used, so that listing the datasets loads neither scipy nor numba.
"""

from __future__ import annotations

from ctpbench import Dataset, hookimpl


@hookimpl
def ctpbench_datasets() -> list[type[Dataset]]:
    """Offer the datasets `phantom`, `prepared_slices`, `fau_phantom`, `real_like` and `low_contrast`."""
    from ctpbench_phantom.fau_phantom import FauPhantom
    from ctpbench_phantom.low_contrast import LowContrast
    from ctpbench_phantom.phantom import Phantom
    from ctpbench_phantom.prepared_slices import PreparedSlices
    from ctpbench_phantom.real_like import RealLike

    return [Phantom, PreparedSlices, FauPhantom, RealLike, LowContrast]
