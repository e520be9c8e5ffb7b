"""Classical CT-perfusion denoisers for ctpbench: none, gaussian, tips, lowrank_nl, ttv."""

from __future__ import annotations

from ctpbench import hookimpl
from ctpbench_filters.gaussian import Gaussian
from ctpbench_filters.identity import Identity
from ctpbench_filters.lowrank_nl import LowrankNl
from ctpbench_filters.tips import Tips
from ctpbench_filters.ttv import Ttv


@hookimpl
def ctpbench_denoisers():
    """Return the denoiser classes of this package."""
    return [Identity, Gaussian, Tips, LowrankNl, Ttv]
