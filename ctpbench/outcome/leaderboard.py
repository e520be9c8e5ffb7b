"""The results tree becomes a ranked table: a row for each dataset, noise level and row of the suite.

As CSV and JSON for programs; `ctpbench.report.tables` shows it to people.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ctpbench.errors import ResultError
from ctpbench.outcome.comparison import Comparison, by_level, check_score, ranking_grid
from ctpbench.outcome.rows import facts, faults
from ctpbench.outcome.scores import Grid, Score, ScoreGrid, count_cases, score_grids, title_of
from ctpbench.outcome.statistics import mean_interval
from ctpbench.outcome.tuning import noise_of, stopped_early
from ctpbench.outcome.variables import MISSING, PATIENT, axis_of
from ctpbench.text import NoiseAxis

_JSON: Mapping[str, Any] = {"indent": 1, "allow_nan": False, "ensure_ascii": False}
_ROWS_AT_ONCE = 1000


def leaderboard(tree: xr.DataTree, rank_by: str | None = None) -> pd.DataFrame:
    """Return the ranked table of a results tree.

    A score column ``metric[_map][_roi]`` holds the mean over patients of the mean over a patient's cases (slices, draws
    of the noise) and seeds, ``..._low`` and ``..._high`` its 95% interval over patients, where there are enough of
    them; of a metric over time or frequency it is the mean over those. `rank` goes by the ranking score, `rank_low` and
    `rank_high` are its interval, `equals_leader` says whether a row is not told apart from the leader (see
    `ctpbench.outcome.statistics`), `relative` is where the ranking score lies between the controls: 0 as ``none``, 1 as
    ``noiseless``. `lead_shown` is the smallest lead over the next row that so many patients show with a power of 80%.
    `denoise_s`, `maps_s` and their sum `total_s` are medians over cases, `fit_s` over seeds, `own_...` the same by the
    clocks of the methods' own processes; memory is the peak; `sandbox` says how far the kernel held these processes.
    Where a metric failed in any seed of a row, the row has no value of it, and `metric_faults` says why: JSON by the
    metric's label. Rows that went well come first, by rank (ties share one), then those that have no value of the
    ranking score and the noiseless control, then those in which a seed failed; the last have no rank.

    ``attrs["scores"]`` describes the score columns, ``attrs["metrics"]`` holds each dataset's metrics by label,
    ``attrs["axes"]`` what each dataset's noise levels are, ``attrs["stopped"]`` what tuning saved: see
    `ctpbench.outcome.tuning.stopped_early`.

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
    axes: dict[str, NoiseAxis] = {}
    broken: dict[str, None] = {}
    rows: list[dict[str, Any]] = []
    for label, node in tree.children.items():
        data = node.to_dataset(inherit=False)
        failed = faults(data)
        scored = list(score_grids(data))
        _check_names(grid.score.column for grid in scored)
        grids = {column: values for grid in scored for column, values in _estimates(grid).items()}
        counts = {"n_cases": count_cases(data)}
        counts["n_patients"] = (
            count_cases(data, PATIENT) if PATIENT in data.coords else np.zeros_like(counts["n_cases"])
        )
        axes[str(label)] = axis_of(data)
        metrics[str(label)] = tuple(str(name) for name, values in data.data_vars.items() if "better" in values.attrs)
        broken |= dict.fromkeys(name for named in failed.flat for name in named)
        scores |= {grid.score.column: grid.score for grid in scored if grid.score.column not in scores}
        ranking = ranking_grid(scored, rank_by)
        compared = by_level(data, ranking) if ranking else {}
        grids |= {**counts, **_costs(data)}
        for j, noise in enumerate(data["noise"].values):
            block = [
                {
                    "dataset": label,
                    "noise": noise,
                    **facts(data, i, j),
                    "metric_faults": json.dumps(failed[i, j], ensure_ascii=False) if failed[i, j] else "",
                    **{name: grid[i, j] for name, grid in grids.items()},
                }
                for i in range(data.sizes["config"])
            ]
            rows += _ranked([row for row in block if row["status"] != MISSING], compared.get(noise_of(noise)))
    check_score(rank_by, scores)
    valued = {score.metric for score in scores.values()}
    scores |= {name: Score(name, title_of(name), "", None, name) for name in broken if name not in valued}
    order = list(dict.fromkeys(name for named in metrics.values() for name in named))
    shown = sorted(scores.values(), key=lambda score: order.index(score.metric))
    frame = pd.DataFrame(rows, columns=_columns(score.column for score in shown))
    frame.attrs |= {"scores": tuple(shown), "metrics": metrics, "axes": axes}
    frame.attrs["stopped"] = {str(label): stopped_early(node) for label, node in tree.children.items()}
    whole = dict.fromkeys(("rank", "rank_low", "rank_high"), "Int64")
    counted = dict.fromkeys(("n_patients", "n_cases", "n_seeds"), "int64")
    said = dict.fromkeys(("contended", "reused", "fit_reused", "equals_leader"), bool)
    return frame.astype({**whole, **counted, **said})


def to_csv(frame: pd.DataFrame) -> str:
    """Return every column as CSV."""
    return frame.to_csv(index=False)


def to_json(frame: pd.DataFrame) -> str:
    """Return every column as a JSON list of objects; null where there is no number."""
    starts = range(0, len(frame), _ROWS_AT_ONCE)  # all at once as JSON would take many times the text
    blocks = (frame.iloc[start : start + _ROWS_AT_ONCE].to_dict("records") for start in starts)
    rows = [
        json.dumps({str(name): _plain(value) for name, value in row.items()}, **_JSON).replace("\n", "\n ")
        for block in blocks
        for row in block
    ]
    return "[\n " + ",\n ".join(rows) + "\n]\n" if rows else "[]\n"


def metric_faults(row: Mapping[Any, Any]) -> dict[str, str]:
    """Return which metrics failed in a row of the leaderboard, by label, and how."""
    faults: dict[str, str] = json.loads(row["metric_faults"] or "{}")
    return faults


def _columns(scores: Iterable[str]) -> list[str]:
    ranks = ["rank", "rank_low", "rank_high", "equals_leader", "rank_by", "relative", "lead_shown"]
    facts = ["method", "maps", "parameters", "tuned", "trained_on", "status", "message", "left_out", "metric_faults"]
    counts = ["n_patients", "n_cases", "n_seeds"]
    seconds = ["denoise_s", "maps_s", "total_s", "fit_s", "own_total_s", "own_fit_s"]
    others = ["peak_memory_mib", "peak_device_memory_mib", "contended", "reused", "fit_reused"]
    valued = (column for name in scores for column in _with_ends(name))
    return ["dataset", "noise", *ranks, "config", *facts, *counts, *valued, *seconds, *others, "hardware", "sandbox"]


def _with_ends(column: str) -> tuple[str, str, str]:
    return column, f"{column}_low", f"{column}_high"


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


def _check_names(columns: Iterable[str]) -> None:
    """Raise a `ResultError` where the columns of a dataset's scores have the names of others."""
    taken = set(_columns(()))
    for column in (name for score in columns for name in _with_ends(score)):
        if column in taken:
            raise ResultError(f"leaderboard: two scores are called {column!r}; relabel a metric in the suite")
        taken.add(column)


def _costs(data: xr.Dataset) -> dict[str, Grid]:
    """Times and memory, (config, noise)."""
    every = ("seed", "case")
    unknown, nobody = xr.full_like(data["fit_s"], np.nan), xr.zeros_like(data["contended"])  # in older results
    costs = {
        "denoise_s": data["denoise_s"].median(every),
        "maps_s": data["maps_s"].median(every),
        "total_s": (data["denoise_s"] + data["maps_s"]).median(every),
        "fit_s": data["fit_s"].median("seed"),
        "own_total_s": (data.get("own_denoise_s", unknown) + data["maps_s"]).median(every),
        "own_fit_s": data.get("own_fit_s", unknown).median("seed"),
        "peak_memory_mib": data["peak_memory_mib"].max("seed"),
        "peak_device_memory_mib": data["peak_device_memory_mib"].max("seed"),
        "contended": data["contended"].any("seed"),
        "reused": data.get("reused", nobody).any("seed"),
        "fit_reused": data.get("fit_reused", nobody).any("seed"),
        "n_seeds": (data["status"] != MISSING).sum("seed"),
    }
    return {name: values.transpose("config", "noise").values for name, values in costs.items()}


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
    by = {
        "rank_by": comparison.score.column if comparison else "",
        "lead_shown": np.nan if comparison is None or comparison.told_apart is None else comparison.told_apart,
    }
    ranked = [{**row, **unranked, **by, **found.get(row["config"], {})} for row in rows]
    return sorted(ranked, key=lambda row: (row["status"] != "ok", row["rank"] is None, row["rank"] or 0))


def _plain(value: Any) -> Any:
    """Return a cell as JSON can hold it."""
    if pd.isna(value) or (isinstance(value, float) and not np.isfinite(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value
