"""Simulated CT-perfusion heads for ctpbench: anatomy, scanner and reconstruction."""

from __future__ import annotations

from ctpbench import Dataset, hookimpl


@hookimpl
def ctpbench_datasets() -> list[type[Dataset]]:
    """Offer the datasets `phantom` and `real_like`."""
    from ctpbench_phantom.dataset import Phantom
    from ctpbench_phantom.real_like import RealLike

    return [Phantom, RealLike]
