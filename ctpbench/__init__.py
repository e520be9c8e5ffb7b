"""A plugin-based benchmark harness for CT-perfusion denoisers.

From Python: `denoise` and `perfusion_maps` take a scan as an array, `evaluate` puts a function on a board, `run_suite`
runs a suite, and `open_results` gives what came of it as tables.

The other public names are for plugin authors, beside `ctpbench.perfusion` (the maths), `ctpbench.arrays` (names of
array types) and `ctpbench.testing` (the conformance kit). All load on first use, so that ``import ctpbench`` costs
nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ctpbench.public import CALLS, HOME

if TYPE_CHECKING:
    from ctpbench.calls.boards import evaluate as evaluate
    from ctpbench.calls.boards import run_suite as run_suite
    from ctpbench.calls.results import Results as Results
    from ctpbench.calls.results import open_results as open_results
    from ctpbench.calls.scans import denoise as denoise
    from ctpbench.calls.scans import perfusion_maps as perfusion_maps
    from ctpbench.contract.case import MAP_UNITS as MAP_UNITS
    from ctpbench.contract.case import MAPS as MAPS
    from ctpbench.contract.case import Case as Case
    from ctpbench.contract.case import ScoredCase as ScoredCase
    from ctpbench.contract.case import TrainingCase as TrainingCase
    from ctpbench.contract.case import Truth as Truth
    from ctpbench.contract.case import regions as regions
    from ctpbench.contract.classes import class_mask as class_mask
    from ctpbench.contract.components import ConcentrationDenoiser as ConcentrationDenoiser
    from ctpbench.contract.components import Context as Context
    from ctpbench.contract.components import Dataset as Dataset
    from ctpbench.contract.components import Deconvolver as Deconvolver
    from ctpbench.contract.components import FrameDenoiser as FrameDenoiser
    from ctpbench.contract.components import Metric as Metric
    from ctpbench.contract.components import Split as Split
    from ctpbench.contract.components import Trainable as Trainable
    from ctpbench.contract.executors import PoolExecutor as PoolExecutor
    from ctpbench.contract.files import FileStamps as FileStamps
    from ctpbench.contract.files import file_stamps as file_stamps
    from ctpbench.contract.files import files_fingerprint as files_fingerprint
    from ctpbench.contract.hookspecs import hookimpl as hookimpl
    from ctpbench.contract.observation import Observation as Observation
    from ctpbench.contract.observation import check_observation as check_observation
    from ctpbench.contract.quantities import QUANTITIES as QUANTITIES
    from ctpbench.contract.quantities import Quantity as Quantity
    from ctpbench.contract.series import MAX_LOST as MAX_LOST
    from ctpbench.contract.series import Format as Format
    from ctpbench.contract.series import Series as Series
    from ctpbench.contract.series import Stated as Stated
    from ctpbench.contract.series import Volume as Volume
    from ctpbench.errors import CtpbenchError as CtpbenchError
    from ctpbench.errors import DataError as DataError
    from ctpbench.scans.findings import INDEPENDENT as INDEPENDENT
    from ctpbench.scans.inspection import Inspection as Inspection
    from ctpbench.scans.inspection import inspect_series as inspect_series

__version__ = "0.1.0"

_NAMES = {**HOME, **CALLS}

__all__ = list(_NAMES)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'ctpbench' has no attribute {name!r}")
    return getattr(import_module(f"ctpbench.{_NAMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_NAMES]
