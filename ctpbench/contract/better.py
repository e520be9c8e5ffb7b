"""Which way a score is better."""

from __future__ import annotations

from ctpbench.contract.components import Better


def cost(value: float, better: Better) -> float:
    """Return what is to be made small."""
    return {"lower": value, "higher": -value, "zero": abs(value)}[better]
