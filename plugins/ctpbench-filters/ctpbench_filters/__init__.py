"""Classical CT-perfusion denoisers for ctpbench: none, gaussian, tips, ttv."""

from __future__ import annotations

from ctpbench import hookimpl

from .gaussian import Gaussian
from .identity import Identity
from .tips import Tips
from .ttv import Ttv


@hookimpl
def ctpbench_denoisers():
    """Return the denoiser classes of this package."""
    return [Identity, Gaussian, Tips, Ttv]
