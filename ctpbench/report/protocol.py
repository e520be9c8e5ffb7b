"""How scores were taken: what a board's page says of each metric's parameters and of the maps."""

from __future__ import annotations

import json

import xarray as xr

from ctpbench.outcome.scores import title_of
from ctpbench.suite.entries import MAPS
from ctpbench.text import parameters_text


def protocol_markdown(tree: xr.DataTree) -> str:
    """Return a section on how scores were taken; nothing where older results do not say."""
    metrics: dict[str, str] = {}
    ways: dict[str, None] = {}
    for node in tree.children.values():
        data = node.to_dataset(inherit=False)
        ways |= dict.fromkeys(str(way) for way in data[MAPS].values if way) if MAPS in data.coords else {}
        for name, values in data.data_vars.items():
            if "parameters" in values.attrs:
                parameters = json.loads(values.attrs["parameters"])
                metrics[title_of(str(name))] = f"{values.attrs['long_name']} {_spelled(parameters)}".strip()
    if not metrics:
        return ""
    maps = [f"Maps: {'; '.join(ways)}.", ""] if ways else []
    lines = [f"- {title}: {text}" for title, text in metrics.items()]
    return "\n".join(["<details>", "<summary>How scores were taken</summary>", "", *maps, *lines, "", "</details>", ""])


def _spelled(parameters: dict[str, object]) -> str:
    return f"({parameters_text(parameters, short=True)})" if parameters else ""
