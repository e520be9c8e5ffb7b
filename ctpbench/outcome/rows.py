"""The rows of a dataset's group of the results: how they were set, how their seeds ended, which metrics failed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ctpbench.arrays import Array
from ctpbench.outcome.variables import MISSING
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
        row = data.isel(config=i, noise=j)
        seeds = int((row["status"] != MISSING).sum())
        found: dict[str, list[str]] = {}
        for text in row["metric_faults"].values if "metric_faults" in row else ():
            for name, message in json.loads(str(text) or "{}").items():
                found.setdefault(name, []).append(message)
        failed[i, j] = {name: _of_seeds(messages, seeds) for name, messages in found.items()}
    return failed


def _of_seeds(messages: Sequence[str], seeds: int) -> str:
    """Return what failed first, with how many of a row's finished seeds failed where it has several."""
    return f"{len(messages)} of {seeds} seeds: {messages[0]}" if seeds > 1 else messages[0]


def facts(data: xr.Dataset, i: int, j: int) -> dict[str, Any]:
    """What a row is called, how it was set and how its seeds ended."""
    row = data.isel(config=i, noise=j)
    statuses, messages = row["status"].values, row["message"].values
    finished = [k for k, status in enumerate(statuses) if status != MISSING]
    failed = [k for k in finished if statuses[k] != "ok"]
    coords = {str(name): str(value.values) for name, value in row.coords.items()}
    remarks = {name: row[name].values if name in row else [""] * len(statuses) for name in _LATER}
    return {
        "config": coords["config"],
        "method": coords["method"],
        "maps": coords.get(MAPS, ""),
        **_settings(row, coords, finished),
        **{name: " and ".join(_distinct(texts[k] for k in finished)) for name, texts in remarks.items()},
        "status": _ending(statuses),
        "message": _of_seeds([str(messages[k]) for k in failed], len(finished)) if failed else "",
        "hardware": " and ".join(_distinct(_machine(row, k) for k in finished if str(row["hardware"].values[k]))),
    }


def _ending(statuses: Iterable[str]) -> str:
    finished = [str(status) for status in statuses if status != MISSING]
    return next((status for status in finished if status != "ok"), finished[0] if finished else MISSING)


def _settings(row: xr.Dataset, coords: Mapping[str, str], finished: Sequence[int]) -> dict[str, str]:
    """Return all parameters of a row as text, and those that were tuned; where seeds differ, all values."""
    tuned: dict[str, list[str]] = {}
    edges: set[str] = set()
    for k in finished:
        edges |= set(json.loads(str(row["tuned_at_edge"].values[k])))
        for name, value in json.loads(str(row["tuned_parameters"].values[k])).items():
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


def _machine(row: xr.Dataset, k: int) -> str:
    threads = int(row["threads"].values[k])
    return f"{row['hardware'].values[k]}, {threads} thread{'s' * (threads != 1)}"


def _parsed(text: str) -> Any:
    """Return the value of a parameter that was kept as JSON, or as it is where it is plain text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
