"""A plugin-based benchmark harness for CT-perfusion denoisers.

The public names for plugin authors load on first use, so that ``import ctpbench`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctpbench.case import MAP_UNITS as MAP_UNITS
    from ctpbench.case import MAPS as MAPS
    from ctpbench.case import Case as Case
    from ctpbench.case import Observation as Observation
    from ctpbench.case import ScoredCase as ScoredCase
    from ctpbench.case import TrainingCase as TrainingCase
    from ctpbench.case import Truth as Truth
    from ctpbench.case import regions as regions
    from ctpbench.components import ConcentrationDenoiser as ConcentrationDenoiser
    from ctpbench.components import Context as Context
    from ctpbench.components import Dataset as Dataset
    from ctpbench.components import Deconvolver as Deconvolver
    from ctpbench.components import FrameDenoiser as FrameDenoiser
    from ctpbench.components import Metric as Metric
    from ctpbench.components import Split as Split
    from ctpbench.components import Trainable as Trainable
    from ctpbench.errors import DataError as DataError
    from ctpbench.hookspecs import hookimpl as hookimpl
    from ctpbench.inspection import INDEPENDENT as INDEPENDENT
    from ctpbench.inspection import Inspection as Inspection
    from ctpbench.inspection import inspect_series as inspect_series
    from ctpbench.series import Series as Series
    from ctpbench.series import Volume as Volume

__version__ = "0.1.0"

_HOME = {
    "case": ("MAPS", "MAP_UNITS", "Case", "Observation", "ScoredCase", "TrainingCase", "Truth", "regions"),
    "components": (
        "ConcentrationDenoiser", "Context", "Dataset", "Deconvolver", "FrameDenoiser", "Metric", "Split", "Trainable",
    ),
    "errors": ("DataError",),
    "hookspecs": ("hookimpl",),
    "inspection": ("INDEPENDENT", "Inspection", "inspect_series"),
    "series": ("Series", "Volume"),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'ctpbench' has no attribute {name!r}")
    return getattr(import_module(f"ctpbench.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_MODULE_OF]
