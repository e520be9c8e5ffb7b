"""The results tree becomes a ranked table: a row for each dataset, noise level and row of the suite.

As CSV and JSON for programs; `ctpbench.report.tables` shows it to people.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ctpbench.errors import ResultError
from ctpbench.outcome.comparison import Comparison, Row
from ctpbench.outcome.scores import Grid, Score, ScoreGrid, count_cases, score_grids, title_of
from ctpbench.outcome.statistics import mean_interval
from ctpbench.outcome.variables import MISSING, PATIENT
from ctpbench.suite.entries import MAPS
from ctpbench.text import parameters_text, value_text

EDGE = " (edge)"
"""Behind a tuned value that ended at an edge of what was tried."""

_PARAMETER = "parameter_"
_LATER = ("trained_on", "left_out")  # which older results do not have


def leaderboard(tree: xr.DataTree, rank_by: str | None = None) -> pd.DataFrame:
    """Return the ranked table of a results tree.

    A score column ``metric[_map][_roi]`` holds the mean over patients of the mean over a patient's cases (slices, draws
    of the noise) and seeds, ``..._low`` and ``..._high`` its 95% interval over patients, where there are enough of
    them; of a metric over time or frequency it is the mean over those. `rank` goes by the ranking score, `rank_low` and
    `rank_high` are its interval, `equals_leader` says whether a row is not told apart from the leader (see
    `ctpbench.outcome.statistics`), `relative` is where the ranking score lies between the controls: 0 as ``none``, 1 as
    ``noiseless``. `denoise_s`, `maps_s` and their sum `total_s` are medians over cases, `fit_s` over seeds; memory is
    the peak. Where a metric failed in any seed of a row, the row has no value of it, and `metric_faults` says why: JSON
    by the metric's label. Rows that went well come first, by rank (ties share one), then those that have no value of
    the ranking score and the noiseless control, then those in which a seed failed; the last have no rank.

    ``attrs["scores"]`` describes the score columns. ``attrs["metrics"]`` holds each dataset's metrics by label,
    ``attrs["comparisons"]`` what ranked each dataset's rows, by dataset and noise level.

    Parameters
    ----------
    tree : DataTree
        As made by `ctpbench.outcome.results.build`.
    rank_by : str or None
        A score column. None: in each dataset the first score that ranks and has a value, if possible one that is no
        mean over time.

    Raises
    ------
    ResultError
        Where no score column is called `rank_by`, it ranks nothing, or two would have one name.
    """
    scores: dict[str, Score] = {}
    metrics: dict[str, tuple[str, ...]] = {}
    broken: dict[str, None] = {}
    rows: list[dict[str, Any]] = []
    comparisons: dict[tuple[str, float | None], Comparison] = {}
    for label, node in tree.children.items():
        data = node.to_dataset(inherit=False)
        faults = _faults(data)
        scored = _scored(data, faults)
        here = {grid.score.column: grid.score for grid in scored}
        grids = {column: values for grid in scored for column, values in _estimates(grid).items()}
        counts = {"n_cases": count_cases(data)}
        counts["n_patients"] = (
            count_cases(data, PATIENT) if PATIENT in data.coords else np.zeros_like(counts["n_cases"])
        )
        metrics[str(label)] = tuple(str(name) for name, values in data.data_vars.items() if "better" in values.attrs)
        broken |= dict.fromkeys(name for named in faults.flat for name in named)
        scores |= {name: score for name, score in here.items() if name not in scores}
        ranking = _ranking([score for name, score in here.items() if np.isfinite(grids[name]).any()], rank_by)
        by = next((grid for grid in scored if grid.score == ranking), None)
        grids |= {**counts, **_costs(data)}
        for j, noise in enumerate(data["noise"].values):
            block = [
                {
                    "dataset": label,
                    "noise": noise,
                    **_facts(data, i, j),
                    "metric_faults": json.dumps(faults[i, j], ensure_ascii=False) if faults[i, j] else "",
                    **{name: grid[i, j] for name, grid in grids.items()},
                }
                for i in range(data.sizes["config"])
            ]
            comparison = _comparison(by, block, j)
            if comparison:
                comparisons[str(label), None if np.isnan(noise) else float(noise)] = comparison
            rows += _ranked([row for row in block if row["status"] != MISSING], comparison)
    if rank_by is not None and (rank_by not in scores or not scores[rank_by].ranks):
        fault = f"{rank_by!r} ranks nothing" if rank_by in scores else f"no score {rank_by!r} to rank by"
        raise ResultError(f"leaderboard: {fault}; there are: {', '.join(n for n, s in scores.items() if s.ranks)}")
    valued = {score.metric for score in scores.values()}
    scores |= {name: Score(name, title_of(name), "", None, name) for name in broken if name not in valued}
    order = list(dict.fromkeys(name for named in metrics.values() for name in named))
    shown = sorted(scores.values(), key=lambda score: order.index(score.metric))
    frame = pd.DataFrame(rows, columns=_columns(score.column for score in shown))
    frame.attrs |= {"scores": tuple(shown), "metrics": metrics, "comparisons": comparisons}
    whole = dict.fromkeys(("rank", "rank_low", "rank_high"), "Int64")
    counted = dict.fromkeys(("n_patients", "n_cases", "n_seeds"), "int64")
    return frame.astype({**whole, **counted, "contended": bool, "equals_leader": bool})


def to_csv(frame: pd.DataFrame) -> str:
    """Return every column as CSV."""
    return frame.to_csv(index=False)


def to_json(frame: pd.DataFrame) -> str:
    """Return every column as a JSON list of objects; null where there is no number."""
    rows = [{str(name): _plain(value) for name, value in row.items()} for row in frame.to_dict("records")]
    return json.dumps(rows, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def metric_faults(row: Mapping[Any, Any]) -> dict[str, str]:
    """Return which metrics failed in a row of the leaderboard, by label, and how."""
    faults: dict[str, str] = json.loads(row["metric_faults"] or "{}")
    return faults


def _columns(scores: Iterable[str]) -> list[str]:
    place = ["dataset", "noise", "rank", "rank_low", "rank_high", "equals_leader", "rank_by", "relative", "config"]
    facts = ["method", "maps", "parameters", "tuned", "trained_on", "status", "message", "left_out", "metric_faults"]
    counts = ["n_patients", "n_cases", "n_seeds"]
    seconds = ["denoise_s", "maps_s", "total_s", "fit_s"]
    others = ["peak_memory_mib", "peak_device_memory_mib", "contended", "hardware"]
    return [*place, *facts, *counts, *(c for name in scores for c in _with_ends(name)), *seconds, *others]


def _with_ends(column: str) -> tuple[str, str, str]:
    return column, f"{column}_low", f"{column}_high"


def _scored(data: xr.Dataset, faults: Grid) -> list[ScoreGrid]:
    """Return the scores that have a value in a dataset, each with a column name of its own.

    Where the metric failed in a seed of a row, the mean over the others is no score of the row: NaN.
    """
    taken = set(_columns(()))
    found = []
    for grid in score_grids(data):
        for column in _with_ends(grid.score.column):
            if column in taken:
                raise ResultError(f"leaderboard: two scores are called {column!r}; relabel a metric in the suite")
            taken.add(column)
        failed = np.array([[grid.score.metric in named for named in row] for row in faults], dtype=bool)
        failed = failed.reshape(grid.values.shape[:2])
        if np.isfinite(grid.values).any():
            found.append(replace(grid, values=np.where(failed[..., None, None], np.nan, grid.values)))
    return found


def _estimates(grid: ScoreGrid) -> dict[str, Grid]:
    """Return the mean over patients and both ends of its interval, by column, (config, noise)."""
    shape = grid.values.shape[:2]
    ends = {column: np.full(shape, np.nan) for column in _with_ends(grid.score.column)}
    mean, low, high = ends.values()
    for place in np.ndindex(shape):
        estimate = mean_interval(grid.values[place])
        mean[place] = estimate.value
        if estimate.interval:
            low[place], high[place] = estimate.interval.low, estimate.interval.high
    return ends


def _comparison(by: ScoreGrid | None, block: Sequence[Mapping[str, Any]], level: int) -> Comparison | None:
    """Return what ranks the rows of a level, those that went well; None where no score has a direction."""
    if by is None or not by.score.ranks:
        return None
    well = [i for i, row in enumerate(block) if row["status"] == "ok"]
    rows = tuple(Row(block[i]["config"], block[i]["method"], block[i]["maps"]) for i in well)
    return Comparison(by.score, rows, by.patients, by.values[well, level])


def _ranking(known: Sequence[Score], rank_by: str | None) -> Score | None:
    """Return the score that ranks a dataset's rows, of those that have a value there."""
    if rank_by is None:
        return min((score for score in known if score.ranks), key=lambda score: bool(score.over), default=None)
    return next((score for score in known if score.column == rank_by), None)


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
    return {name: values.transpose("config", "noise").values for name, values in costs.items()}


def _faults(data: xr.Dataset) -> Grid:
    """Return which metrics failed, by label, and how, (config, noise): a mapping in each place."""
    faults = np.empty((data.sizes["config"], data.sizes["noise"]), dtype=object)
    for i, j in np.ndindex(faults.shape):
        row = data.isel(config=i, noise=j)
        seeds = int((row["status"] != MISSING).sum())
        found: dict[str, list[str]] = {}
        for text in row["metric_faults"].values if "metric_faults" in row else ():
            for name, message in json.loads(str(text) or "{}").items():
                found.setdefault(name, []).append(message)
        faults[i, j] = {name: _of_seeds(messages, seeds) for name, messages in found.items()}
    return faults


def _of_seeds(messages: Sequence[str], seeds: int) -> str:
    """Return what failed first, with how many of a row's finished seeds failed where it has several."""
    return f"{len(messages)} of {seeds} seeds: {messages[0]}" if seeds > 1 else messages[0]


def _facts(data: xr.Dataset, i: int, j: int) -> dict[str, Any]:
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
        "status": str(statuses[failed[0]]) if failed else "ok" if finished else MISSING,
        "message": _of_seeds([str(messages[k]) for k in failed], len(finished)) if failed else "",
        "hardware": " and ".join(_distinct(_machine(row, k) for k in finished if str(row["hardware"].values[k]))),
    }


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


def _ranked(rows: Sequence[dict[str, Any]], comparison: Comparison | None) -> list[dict[str, Any]]:
    """Return the rows of one dataset and noise level in the order of the table, ranked."""
    found: dict[str, dict[str, Any]] = {}
    if comparison:
        for i, (row, rank, share) in enumerate(
            zip(comparison.rows, comparison.ranking.rows, comparison.relative, strict=True)
        ):
            ranks = {"rank": rank.rank, "rank_low": rank.low, "rank_high": rank.high} if rank else {}
            found[row.label] = {**ranks, "relative": share, "equals_leader": i in comparison.equals}
    unranked = {"rank": None, "rank_low": None, "rank_high": None, "relative": np.nan, "equals_leader": False}
    column = comparison.score.column if comparison else ""
    ranked = [{**row, **unranked, **found.get(row["config"], {}), "rank_by": column} for row in rows]
    return sorted(ranked, key=lambda row: (row["status"] != "ok", row["rank"] is None, row["rank"] or 0))


def _parsed(text: str) -> Any:
    """Return the value of a parameter that was kept as JSON, or as it is where it is plain text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _plain(value: Any) -> Any:
    """Return a cell as JSON can hold it."""
    if pd.isna(value) or (isinstance(value, float) and not np.isfinite(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value
