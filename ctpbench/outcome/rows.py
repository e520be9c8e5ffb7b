"""The rows of a dataset's group of the results: how they were set, how their seeds ended, which metrics failed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ctpbench.arrays import Array
from ctpbench.outcome.variables import CELL_DIMS, MISSING
from ctpbench.suite.entries import MAPS
from ctpbench.text import parameters_text, value_text

EDGE = " (edge)"
"""Behind a tuned value that ended at an edge of what was tried."""

_PARAMETER = "parameter_"
_LATER = ("trained_on", "left_out", "sandbox")  # which older results do not have


def endings(data: xr.Dataset) -> Array:
    """Return how rows ended, (config, noise), str: as the first seed that failed, else ``ok``, or ``missing``."""
    statuses = data["status"].transpose("config", "noise", "seed").values
    found = np.empty(statuses.shape[:2], dtype=object)
    for place in np.ndindex(found.shape):
        found[place] = _ending(statuses[place])
    return found


def faults(data: xr.Dataset) -> Array:
    """Return which metrics failed, by label, and how, (config, noise): a mapping in each place."""
    failed = np.empty((data.sizes["config"], data.sizes["noise"]), dtype=object)
    for i, j in np.ndindex(failed.shape):
        found: dict[str, list[str]] = {}
        for text in _seeds(data, "metric_faults", i, j) if "metric_faults" in data else ():
            for name, message in json.loads(str(text) or "{}").items():
                found.setdefault(name, []).append(message)
        seeds = int((_seeds(data, "status", i, j) != MISSING).sum()) if found else 0
        failed[i, j] = {name: _of_seeds(messages, seeds) for name, messages in found.items()}
    return failed


def _seeds(data: xr.Dataset, name: str, i: int, j: int) -> Array:
    """Return what a variable holds of a row's seeds; a selection of the whole group would take far longer."""
    variable = data.variables[name]
    return np.asarray((variable if variable.dims == CELL_DIMS else variable.transpose(*CELL_DIMS)).values[i, j])


def _of_seeds(messages: Sequence[str], seeds: int) -> str:
    """Return what failed first, with how many of a row's finished seeds failed where it has several."""
    return f"{len(messages)} of {seeds} seeds: {messages[0]}" if seeds > 1 else messages[0]


def facts(data: xr.Dataset, i: int, j: int) -> dict[str, Any]:
    """What a row is called, how it was set and how its seeds ended."""
    statuses, messages = _seeds(data, "status", i, j), _seeds(data, "message", i, j)
    finished = [k for k, status in enumerate(statuses) if status != MISSING]
    failed = [k for k in finished if statuses[k] != "ok"]
    named = {str(name): coord for name, coord in data.coords.variables.items() if coord.dims == ("config",)}
    coords = {name: str(coord.values[i]) for name, coord in named.items()}
    remarks = {name: _seeds(data, name, i, j) if name in data else [""] * len(statuses) for name in _LATER}
    hardware, threads = _seeds(data, "hardware", i, j), _seeds(data, "threads", i, j)
    tuned = _seeds(data, "tuned_parameters", i, j)[finished], _seeds(data, "tuned_at_edge", i, j)[finished]
    return {
        "config": coords["config"],
        "method": coords["method"],
        "maps": coords.get(MAPS, ""),
        **_settings(coords, *tuned),
        **{name: " and ".join(_distinct(texts[k] for k in finished)) for name, texts in remarks.items()},
        "status": _ending(statuses),
        "message": _of_seeds([str(messages[k]) for k in failed], len(finished)) if failed else "",
        "hardware": " and ".join(_distinct(_machine(hardware[k], threads[k]) for k in finished if str(hardware[k]))),
    }


def _ending(statuses: Iterable[str]) -> str:
    finished = [str(status) for status in statuses if status != MISSING]
    return next((status for status in finished if status != "ok"), finished[0] if finished else MISSING)


def _settings(coords: Mapping[str, str], parameters: Iterable[Any], at_edge: Iterable[Any]) -> dict[str, str]:
    """Return all parameters of a row as text, and those that were tuned; where seeds differ, all values."""
    tuned: dict[str, list[str]] = {}
    edges: set[str] = set()
    for written, ended in zip(parameters, at_edge, strict=True):
        edges |= set(json.loads(str(ended)))
        for name, value in json.loads(str(written)).items():
            tuned.setdefault(name, []).append(value_text(value, short=True))
    chosen = {name: "|".join(dict.fromkeys(texts)) for name, texts in tuned.items()}
    given = {n.removeprefix(_PARAMETER): text for n, text in coords.items() if n.startswith(_PARAMETER) and text}
    values = {**{name: _parsed(text) for name, text in given.items() if text != "tuned"}, **chosen}
    return {
        "parameters": parameters_text({name: values[name] for name in given if name in values}, short=True),
        "tuned": parameters_text({name: text + EDGE * (name in edges) for name, text in chosen.items()}),
    }


def _distinct(texts: Iterable[Any]) -> list[str]:
    return [text for text in dict.fromkeys(map(str, texts)) if text]


def _machine(hardware: Any, threads: float) -> str:
    count = int(threads)
    return f"{hardware}, {count} thread{'s' * (count != 1)}"


def _parsed(text: str) -> Any:
    """Return the value of a parameter that was kept as JSON, or as it is where it is plain text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
