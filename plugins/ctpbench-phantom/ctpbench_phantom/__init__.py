"""Simulated CT-perfusion head for ctpbench: anatomy, scanner and reconstruction."""

from __future__ import annotations

from ctpbench import Dataset, hookimpl


@hookimpl
def ctpbench_datasets() -> list[type[Dataset]]:
    """Offer the dataset `phantom`."""
    from ctpbench_phantom.dataset import Phantom

    return [Phantom]
