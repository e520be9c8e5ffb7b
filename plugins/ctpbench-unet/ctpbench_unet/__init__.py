"""Networks that denoise CT perfusion, for ctpbench: n2n, supervised, neighbor2neighbor."""

from __future__ import annotations

from ctpbench import hookimpl

from .neighbor2neighbor import Neighbor2Neighbor
from .noise2noise import Noise2Noise
from .supervised import Supervised


@hookimpl
def ctpbench_denoisers():
    """Return the denoiser classes of this package."""
    return [Noise2Noise, Supervised, Neighbor2Neighbor]
