"""The rows of all runs as the board's page reads them: numbers, not text, so that it can sort, filter and draw them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ctpbench.code import digest
from ctpbench.contract.control import NOISELESS, UNFILTERED
from ctpbench.outcome.leaderboard import metric_faults
from ctpbench.outcome.scores import Score
from ctpbench.outcome.verification import word_of
from ctpbench.report.board import boards
from ctpbench.report.site.sources import Source
from ctpbench.text import cut, level_text, noise_column

UNKNOWN = "not installed here"
"""The kind of a method that no plugin offers."""
_LONGEST = 300  # characters of a message on the board; the row's page has all of it


def row_key(run: str, dataset: str, noise: float, config: str) -> str:
    """Return the name of a row's page, the same each time the site is built."""
    return digest(run, dataset, None if np.isnan(noise) else noise, config)[:12]


def level_key(run: str, dataset: str, noise: float) -> str:
    """Return the name of what belongs to one data set at one noise level."""
    return digest(run, dataset, None if np.isnan(noise) else noise)[:12]


def board(sources: Sequence[Source], kinds: Mapping[str, str]) -> dict[str, Any]:
    """Return the board: `scores`, `levels`, and `rows` whose numbers of scores stand in the order of `scores`.

    Parameters
    ----------
    sources : sequence of Source
    kinds : mapping
        What kind of denoiser each method is; see `ctpbench.report.site.kinds.kinds_of`.
    """
    scores: dict[str, Score] = {}
    for source in sources:
        scores = {score.column: score for score in source.frame.attrs["scores"]} | scores
    levels: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for source in sources:
        notes = {shown.title: shown for shown in boards(source.frame, True)}
        for (dataset, noise), block in _levels(source.frame):
            axis = source.axes[dataset]
            title = level_text(dataset, noise, axis)
            by = scores.get(str(block["rank_by"].iloc[0]))
            levels.append(
                {
                    "run": source.name,
                    "key": level_key(source.name, dataset, noise),
                    "dataset": dataset,
                    "noise": None if np.isnan(noise) else noise,
                    "noise_text": noise_column(noise, axis),
                    "title": title,
                    "by": by.column if by else "",
                    "notes": notes[title].notes,
                    "failures": [cut(line, _LONGEST) for line in notes[title].failures],
                }
            )
            named = {"level": len(levels) - 1}
            rows += [{**named, **_row(row, source, scores, kinds)} for row in block.to_dict("records")]
    shown = [
        {
            "column": score.column,
            "title": score.title,
            "units": score.units,
            "better": score.better or "none",
            "metric": score.metric,
            "map": score.map,
        }
        for score in scores.values()
    ]
    return {"runs": [source.name for source in sources], "scores": shown, "levels": levels, "rows": rows}


def _levels(frame: pd.DataFrame) -> Iterator[tuple[tuple[str, float], pd.DataFrame]]:
    """Yield each data set and noise level with its rows, in the leaderboard's order."""
    bare = frame.copy()
    bare.attrs = {}  # which pandas copies, deep, with every selection
    for (dataset, noise), block in bare.groupby(["dataset", "noise"], sort=False, dropna=False):
        yield (str(dataset), float(str(noise))), block


def _row(
    row: Mapping[Any, Any], source: Source, scores: Mapping[str, Score], kinds: Mapping[str, str]
) -> dict[str, Any]:
    faults = metric_faults(row)
    return {
        "key": row_key(source.name, row["dataset"], row["noise"], row["config"]),
        "label": row["config"],
        "method": row["method"],
        "maps": row["maps"],
        "kind": "control" if row["method"] in (NOISELESS, UNFILTERED) else kinds.get(row["method"], UNKNOWN),
        "trained": bool(not pd.isna(row["fit_s"]) or row["trained_on"]),
        "word": word_of(row, source.verification)[0],
        "ranks": [None if pd.isna(row[name]) else int(row[name]) for name in ("rank", "rank_low", "rank_high")],
        "equal": bool(row["equals_leader"]),
        "relative": row["relative"],
        "tuned": row["tuned"],
        "status": row["status"],
        "message": cut(row["message"], _LONGEST),
        "faults": sorted(faults),
        "patients": row["n_patients"],
        "total_s": row["total_s"],
        "contended": bool(row["contended"]),
        "reused": bool(row["reused"]),
        "fit_reused": bool(row["fit_reused"]),
        "fit_s": row["fit_s"],
        "memory_mib": row["peak_memory_mib"],
        "values": [
            [row.get(f"{column}{end}") for end in ("", "_low", "_high")] if column in row else None for column in scores
        ],
    }
