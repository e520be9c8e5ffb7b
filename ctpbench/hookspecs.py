"""The hooks of the entry-point group ``ctpbench``. Implement those you need with ``@ctpbench.hookimpl``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pluggy

from ctpbench.components import Dataset, Denoiser, Metric

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
def ctpbench_cell_finished(record: Mapping[str, Any]) -> None:
    """Hear of each finished cell, ok or not: for loggers. Called in the driver, in the order cells finish."""
