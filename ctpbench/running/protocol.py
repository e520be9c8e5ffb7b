"""What decides whether the scores of two runs may be compared: data, split, metrics, maps, and the code behind them.

It goes into the results, for whoever joins runs has the results alone: see `ctpbench.outcome.comparable`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ctpbench.code import core_hash, digest
from ctpbench.contract.components import Component
from ctpbench.running.cell import Cell
from ctpbench.running.work import ComponentSpec
from ctpbench.suite.entries import MetricEntry, Suite

SCORING = ("data", "reference", "prediction", "scores")
"""The stages whose code has a say in every row's scores."""


def protocol(suite: Suite, cells: Sequence[Cell]) -> dict[str, Any]:
    """Return how a suite's scores are taken, as plain data.

    Parameters
    ----------
    suite : Suite
    cells : sequence of Cell
        Those that it plans, which know the test split.
    """
    splits = {cell.dataset: cell.test for cell in cells}
    return {
        "datasets": {
            entry.label: {
                **_identity(entry.component),
                "fingerprint": digest(entry.component.fingerprint())[:12],
                "cases": dict(zip(splits[entry.label].cases, splits[entry.label].patients, strict=True)),
            }
            for entry in suite.datasets
            if entry.label in splits
        },
        "metrics": _metrics(suite.metrics),
        "maps": [settings.model_dump(mode="json") for settings in suite.maps],
        "core": {stage: _core(stage) for stage in SCORING},
    }


def scored_with(protocol: Mapping[str, Any], metrics: Sequence[MetricEntry]) -> dict[str, Any]:
    """Return how scores are taken once other metrics have scored the same predictions."""
    return {**protocol, "metrics": _metrics(metrics), "core": {**protocol["core"], "scores": _core("scores")}}


def _metrics(metrics: Sequence[MetricEntry]) -> dict[str, Any]:
    return {entry.label: _identity(entry.component) for entry in metrics}


def _core(stage: str) -> str:
    return core_hash(f"ctpbench.running.stages.{stage}")[:12]


def _identity(component: Component) -> dict[str, Any]:
    """Return what a component is: name, version, parameters, and the start of its code's hash."""
    spec = ComponentSpec.of(component)
    return {"name": spec.name, "version": spec.version, "params": spec.params, "code": spec.code[:12]}
