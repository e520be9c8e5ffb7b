"""The results tree becomes a ranked table: a row for each dataset, noise level and row of the suite.

As CSV and JSON for programs; `ctpbench.report.tables` shows it to people.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from ctpbench.errors import ResultError
from ctpbench.outcome.results import MISSING

Grid = npt.NDArray[Any]  # (config, noise)

EDGE = " (edge)"
"""Behind a tuned value that ended at an edge of what was tried."""

_DEFAULT_RANK_BY = "rmse_cbf"
_PARAMETER = "parameter_"
_TABLE_DIMS = {"config", "noise", "seed", "case", "map", "roi"}
_REMARKS = ("trained_on", "left_out")  # which results of before did not have
_ACRONYMS = {"rmse", "ssim", "psnr", "mae", "cbf", "cbv", "mtt", "ttp"}


@dataclass(frozen=True)
class Score:
    """A score column: one metric, at one map and region where it has those. `better` is lower or higher."""

    column: str
    title: str
    units: str
    better: str


def leaderboard(tree: xr.DataTree, rank_by: str = _DEFAULT_RANK_BY) -> pd.DataFrame:
    """Return the ranked table of a results tree.

    A score column ``metric[_map][_roi]`` holds the mean over seeds and cases, ``..._std`` the sample standard
    deviation over cases; metrics over time are left out. `denoise_s`, `maps_s` and their sum `total_s` are
    medians over cases, `fit_s` over seeds; memory is the peak. Rows that went well come first, by rank (ties
    share one), then those the ranking score does not apply to, then those in which a seed failed; the last
    two have no rank. ``attrs["scores"]`` describes the score columns.

    Parameters
    ----------
    tree : DataTree
        As made by `ctpbench.outcome.results.build`.
    rank_by : str
        A score column. Where the default has no value in a dataset, the first score that has one serves.

    Raises
    ------
    ResultError
        Where no score column is called `rank_by`, or two would have one name.
    """
    scores: dict[str, Score] = {}
    applying: dict[str, None] = {}
    rows: list[dict[str, Any]] = []
    for label, node in tree.children.items():
        data = node.to_dataset(inherit=False)
        grids: dict[str, Grid] = {**_scores(data, scores), **_costs(data)}
        here = [name for name in scores if name in grids and np.isfinite(grids[name]).any()]
        applying |= dict.fromkeys(here)
        instead = here[0] if here and rank_by == _DEFAULT_RANK_BY else None
        ranking = scores[rank_by] if rank_by in here else scores.get(instead or "")
        for j, noise in enumerate(data["noise"].values):
            block = [
                {
                    "dataset": label,
                    "noise": noise,
                    **_facts(data, i, j),
                    **{n: g[i, j] for n, g in grids.items()},
                }
                for i in range(data.sizes["config"])
            ]
            rows += _ranked([row for row in block if row["status"] != MISSING], ranking)
    if rank_by not in (_DEFAULT_RANK_BY, *applying):
        raise ResultError(f"leaderboard: no score {rank_by!r} to rank by; there are: {', '.join(applying)}")
    frame = pd.DataFrame(rows, columns=_columns(applying))
    frame.attrs["scores"] = tuple(scores[name] for name in applying)
    return frame.astype({"rank": "Int64", "n_cases": "int64", "n_seeds": "int64", "contended": bool})


def to_csv(frame: pd.DataFrame) -> str:
    """Return every column as CSV."""
    return frame.to_csv(index=False)


def to_json(frame: pd.DataFrame) -> str:
    """Return every column as a JSON list of objects; null where there is no number."""
    rows = [{str(name): _plain(value) for name, value in row.items()} for row in frame.to_dict("records")]
    return json.dumps(rows, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def cost(values: npt.NDArray[np.floating[Any]], better: str) -> npt.NDArray[np.floating[Any]]:
    """Return what is to be made small, in the values' units; `better` is that of a `Score`."""
    signed: dict[str, npt.NDArray[np.floating[Any]]]
    signed = {"lower": values, "higher": -values, "zero": np.abs(values)}
    return signed[better]


def decimals(value: float, digits: int) -> int:
    """Return how many decimals show `digits` significant digits; 0 for zero and for NaN."""
    if not np.isfinite(value) or value == 0:
        return 0
    return min(max(digits - 1 - int(np.floor(np.log10(abs(value)))), 0), 9)


def rounded(value: float, digits: int) -> str:
    """Return a number with `digits` significant digits and no exponent; nothing for NaN."""
    return "" if np.isnan(value) else f"{value:.{decimals(value, digits)}f}"


def _columns(scores: Iterable[str]) -> list[str]:
    place = ["dataset", "noise", "rank", "rank_by", "config"]
    facts = ["method", "parameters", "tuned", "trained_on", "status", "message", "left_out", "n_cases", "n_seeds"]
    seconds = ["denoise_s", "maps_s", "total_s", "fit_s"]
    others = ["peak_memory_mib", "peak_device_memory_mib", "contended", "hardware"]
    return [*place, *facts, *(c for name in scores for c in (name, f"{name}_std")), *seconds, *others]


def _scores(data: xr.Dataset, known: dict[str, Score]) -> dict[str, Grid]:
    """Mean and spread of every score column, (config, noise); what is new about them goes into `known`."""
    columns: dict[str, Grid] = {}
    taken = set(_columns(()))
    counted = xr.zeros_like(data["denoise_s"].isel(seed=0), dtype=bool)
    for metric, values in data.data_vars.items():
        if "better" not in values.attrs or not set(values.dims) <= _TABLE_DIMS:
            continue
        per_case = values.mean("seed")
        axes = [dim for dim in ("map", "roi") if dim in values.dims]
        for labels in product(*(values[dim].values for dim in axes)):
            part = per_case.sel(dict(zip(axes, labels, strict=True)))
            name = "_".join(map(str, (metric, *labels)))
            for column, grid in ((name, part.mean("case")), (f"{name}_std", part.std("case", ddof=1))):
                if column in taken or column in columns:
                    raise ResultError(f"leaderboard: two scores are called {column!r}; relabel a metric in the suite")
                columns[column] = grid.transpose("config", "noise").values
            units = _units(values.attrs, *labels)
            known.setdefault(name, Score(name, _spelled(name), units, values.attrs["better"]))
            counted = counted | part.notnull()
    return {**columns, "n_cases": counted.sum("case").transpose("config", "noise").values}


def _units(attrs: Mapping[str, str], *labels: str) -> str:
    """Return a score's units as people write them; the units of the map where the metric has those."""
    if attrs["units"] == "map":
        return attrs.get(f"units_{labels[0]}", "") if labels else ""
    return "" if attrs["units"] == "1" else attrs["units"]


def _costs(data: xr.Dataset) -> dict[str, Grid]:
    """Times and memory, (config, noise)."""
    every = ("seed", "case")
    costs = {
        "denoise_s": data["denoise_s"].median(every),
        "maps_s": data["maps_s"].median(every),
        "total_s": (data["denoise_s"] + data["maps_s"]).median(every),
        "fit_s": data["fit_s"].median("seed"),
        "peak_memory_mib": data["peak_memory_mib"].max("seed"),
        "peak_device_memory_mib": data["peak_device_memory_mib"].max("seed"),
        "contended": data["contended"].any("seed"),
        "n_seeds": (data["status"] != MISSING).sum("seed"),
    }
    return {name: cost.transpose("config", "noise").values for name, cost in costs.items()}


def _facts(data: xr.Dataset, i: int, j: int) -> dict[str, Any]:
    """What a row is called, how it was set and how its seeds ended."""
    row = data.isel(config=i, noise=j)
    statuses, messages = row["status"].values, row["message"].values
    finished = [k for k, status in enumerate(statuses) if status != MISSING]
    failed = [k for k in finished if statuses[k] != "ok"]
    message = str(messages[failed[0]]) if failed else ""
    if failed and len(finished) > 1:
        message = f"{len(failed)} of {len(finished)} seeds: {message}"
    tuned: dict[str, list[str]] = {}
    edges: set[str] = set()
    for k in finished:
        edges |= set(json.loads(str(row["tuned_at_edge"].values[k])))
        for name, value in json.loads(str(row["tuned_parameters"].values[k])).items():
            tuned.setdefault(name, []).append(_compact(value))
    chosen = {name: "|".join(dict.fromkeys(texts)) for name, texts in tuned.items()}
    coords = {str(name): str(value.values) for name, value in row.coords.items()}
    given = {n.removeprefix(_PARAMETER): text for n, text in coords.items() if n.startswith(_PARAMETER) and text}
    fixed = {name: _compact(_parsed(text)) for name, text in given.items() if text != "tuned"}
    settings = {**fixed, **chosen}
    remarks = {name: row[name].values if name in row else [""] * len(statuses) for name in _REMARKS}
    return {
        "config": coords["config"],
        "method": coords["method"],
        "parameters": _listed({name: settings[name] for name in given if name in settings}),
        "tuned": _listed({name: text + EDGE * (name in edges) for name, text in chosen.items()}),
        **{name: " and ".join(_distinct(told[k] for k in finished)) for name, told in remarks.items()},
        "status": str(statuses[failed[0]]) if failed else "ok" if finished else MISSING,
        "message": message,
        "hardware": " and ".join(_distinct(_machine(row, k) for k in finished if str(row["hardware"].values[k]))),
    }


def _distinct(texts: Iterable[Any]) -> list[str]:
    return [text for text in dict.fromkeys(map(str, texts)) if text]


def _machine(row: xr.Dataset, k: int) -> str:
    threads = int(row["threads"].values[k])
    return f"{row['hardware'].values[k]}, {threads} thread{'s' * (threads != 1)}"


def _ranked(rows: Sequence[dict[str, Any]], ranking: Score | None) -> list[dict[str, Any]]:
    """Return the rows of one dataset and noise level in the order of the table, ranked."""
    column = ranking.column if ranking else ""
    values = [row.get(column, np.nan) if row["status"] == "ok" else np.nan for row in rows]
    values = list(cost(np.array(values), ranking.better)) if ranking else values
    ranked = []
    for row, value in zip(rows, values, strict=True):
        rank = None if np.isnan(value) else 1 + sum(other < value for other in values)
        ranked.append({**row, "rank": rank, "rank_by": column})
    return sorted(ranked, key=lambda row: (row["status"] != "ok", row["rank"] is None, row["rank"] or 0))


def _spelled(word: str) -> str:
    parts = [part.upper() if part in _ACRONYMS else part for part in word.split("_")]
    return " ".join(parts).replace("tmax", "Tmax")


def _listed(parameters: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={text}" for name, text in parameters.items())


def _parsed(text: str) -> Any:
    """Return the value of a parameter that was kept as JSON, or as it is where it is plain text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _compact(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """Return a cell as JSON can hold it."""
    if pd.isna(value) or (isinstance(value, float) and not np.isfinite(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value
