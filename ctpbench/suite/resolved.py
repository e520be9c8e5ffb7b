"""A suite back again as plain data, with every default spelled out."""

from __future__ import annotations

from typing import Any

from ctpbench.contract.components import Component
from ctpbench.suite.entries import MAPS, DenoiserEntry, Suite
from ctpbench.suite.rows import plain
from ctpbench.suite.sections import Range


def resolved(suite: Suite) -> dict[str, Any]:
    """Return a suite as plain data; as YAML it loads as an equal suite, with the same plugins installed."""
    return {
        "name": suite.name,
        "description": suite.description,
        "datasets": [
            {**_component(e.name, e.label, e.component), "noise": list(e.noise), "train_only": e.train_only}
            for e in suite.datasets
        ],
        "denoisers": [_row(entry) for entry in suite.denoisers],
        "metrics": [_component(e.name, e.label, e.component) for e in suite.metrics],
        "maps": [settings.model_dump(mode="json") for settings in suite.maps],
        "seeds": list(suite.seeds),
        "replicates": suite.replicates,
        "exclude": [exclusion.model_dump(mode="json", exclude_none=True) for exclusion in suite.exclude],
        "resources": suite.resources.model_dump(mode="json"),
    }


def _component(name: str, label: str, component: Component) -> dict[str, Any]:
    return {"name": name, "label": label, "params": plain(component)}


def _row(entry: DenoiserEntry) -> dict[str, Any]:
    row: dict[str, Any] = {"name": entry.name, "label": entry.label, "params": dict(entry.params)}
    if entry.train is not None:
        row["train"] = entry.train.model_dump(mode="json")
    row["maps"] = [settings.label for settings in entry.maps]
    if entry.tune is not None:
        parameters = {
            name: value.model_dump(mode="json") if isinstance(value, Range) else list(value)
            for name, value in entry.tune.parameters.items()
            if name != MAPS
        }
        row["tune"] = {**vars(entry.tune), "parameters": parameters, "maps": MAPS in entry.tune.parameters}
    return row
