"""The hooks of the entry-point group ``ctpbench``. Implement those you need with ``@ctpbench.hookimpl``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pluggy

from ctpbench.contract.components import Dataset, Denoiser, Metric
from ctpbench.contract.executors import Executor
from ctpbench.contract.series import Series, Stated

hookspec = pluggy.HookspecMarker("ctpbench")
hookimpl = pluggy.HookimplMarker("ctpbench")


@hookspec
def ctpbench_datasets() -> Sequence[type[Dataset]]:  # type: ignore[empty-body]
    """Return dataset classes. Called once, when plugins are loaded."""


@hookspec
def ctpbench_denoisers() -> Sequence[type[Denoiser]]:  # type: ignore[empty-body]
    """Return denoiser classes. Called once, when plugins are loaded."""


@hookspec
def ctpbench_metrics() -> Sequence[type[Metric]]:  # type: ignore[empty-body]
    """Return metric classes. Called once, when plugins are loaded."""


@hookspec
def ctpbench_executors() -> Sequence[type[Executor]]:  # type: ignore[empty-body]
    """Return executor classes: where work is done. Called once, when plugins are loaded."""


@hookspec(firstresult=True)
def ctpbench_open_series(path: Path, stated: Stated) -> Series | None:
    """Open a scan, or return None where its format is another plugin's: for ``ctpbench inspect``, `maps` and `denoise`.

    `stated` is what the user says, which goes before what the file says. A scan of the plugin's format that cannot be
    read, and one that needs more to be stated, raises `ctpbench.DataError` with one line that names the file.
    """


@hookspec
def ctpbench_cell_finished(record: Mapping[str, Any]) -> None:
    """Hear of each finished cell, ok or not: for loggers. Called in the driver, in the order cells finish."""
