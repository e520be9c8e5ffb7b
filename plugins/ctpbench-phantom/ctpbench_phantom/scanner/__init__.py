"""The CT scanner of the simulated head: equiangular fan beam, photon noise, filtered backprojection.

The names load on first use, so that importing this package does not import numba.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctpbench_phantom.scanner.acquisition import LineIntegrals as LineIntegrals
    from ctpbench_phantom.scanner.acquisition import acquire as acquire
    from ctpbench_phantom.scanner.acquisition import reconstruct as reconstruct
    from ctpbench_phantom.scanner.backprojector import fbp as fbp
    from ctpbench_phantom.scanner.geometry import MU_WATER as MU_WATER
    from ctpbench_phantom.scanner.geometry import FanBeam as FanBeam
    from ctpbench_phantom.scanner.geometry import Scanner as Scanner
    from ctpbench_phantom.scanner.projector import back_transpose as back_transpose
    from ctpbench_phantom.scanner.projector import project as project

_HOME = {
    "acquisition": ("LineIntegrals", "acquire", "reconstruct"),
    "backprojector": ("fbp",),
    "geometry": ("MU_WATER", "FanBeam", "Scanner"),
    "projector": ("back_transpose", "project"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'ctpbench_phantom.scanner' has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
