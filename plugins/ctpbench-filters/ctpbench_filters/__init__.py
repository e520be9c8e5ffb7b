"""Classical CT-perfusion denoisers for ctpbench: by space, by curves, by temporal components, by total variation."""

from __future__ import annotations

from ctpbench import hookimpl
from ctpbench_filters.bilateral import Bilateral
from ctpbench_filters.gaussian import Gaussian
from ctpbench_filters.gaussian_st import GaussianSt
from ctpbench_filters.identity import Identity
from ctpbench_filters.lowrank import Lowrank
from ctpbench_filters.lowrank_nl import LowrankNl
from ctpbench_filters.tips import Tips
from ctpbench_filters.tips_pca import TipsPca
from ctpbench_filters.ttv import Ttv


@hookimpl
def ctpbench_denoisers():
    """Return the denoiser classes of this package."""
    return [Identity, Gaussian, GaussianSt, Bilateral, Tips, TipsPca, Lowrank, LowrankNl, Ttv]
