"""What a board of very many methods and patients takes, from what cases took on boards of this repository.

Seconds of methods are those of `leaderboards/stroke` and, on a GPU, of `leaderboards/paper-gpu`; what the stages
beside them take, and the driver, is that of `scale.json`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ctpbench.outcome.leaderboard import leaderboard
from ctpbench.outcome.results import open_results

from .simulation import Chain, Course, Farm, Piece, simulate

HERE = Path(__file__).resolve().parent
BOARDS = HERE.parent / "leaderboards"
LIKE = {
    "filters": ("gaussian", "gaussian_st", "bilateral", "tips", "tips_pca", "lowrank", "lowrank_nl"),
    "iterative": ("ttv",),
    "networks": ("n2n", "supervised", "neighbor2neighbor", "noise2void", "noise2sim", "subspace_n2n"),
}
"""Kinds of methods, and whose seconds stand for theirs."""
HOUR_S, MB = 3600, 1e6


@dataclass(frozen=True)
class Kind:
    """So many methods that take so long: seconds of a case, of a fit, and settings that tuning tries."""

    name: str
    methods: int
    case_s: float
    fit_s: float
    trials: int


@dataclass(frozen=True)
class Board:
    """What is compared; tuning scores each setting on so many patients of the validation split."""

    patients: int = 1000
    levels: int = 5
    seeds: int = 5
    validation: int = 50

    @property
    def cells(self) -> int:
        """Of one method: a record each, with the scores of all patients."""
        return self.levels * self.seeds


def kinds(methods: Mapping[str, int], trials: Mapping[str, int]) -> list[Kind]:
    """Return kinds with the median seconds of those like them."""
    frame = leaderboard(open_results(BOARDS / "stroke" / "results.nc"))
    return [
        Kind(
            name,
            methods[name],
            float(own["total_s"].median()),
            0.0 if math.isnan(fit := own["fit_s"].median()) else float(fit),
            trials[name],
        )
        for name, like in LIKE.items()
        for own in [frame[frame["method"].isin(like)]]
    ]


def on_a_gpu(kind: Kind) -> Kind:
    """Return the networks with the median seconds of those that ran on a GPU."""
    frame = leaderboard(open_results(BOARDS / "paper-gpu" / "results.nc"))
    own = frame[frame["fit_s"].notna()]
    return Kind(kind.name, kind.methods, float(own["total_s"].median()), float(own["fit_s"].median()), kind.trials)


def scale() -> dict[str, Any]:
    """Return what `scale.py` measured."""
    return json.loads((HERE / "scale.json").read_text())


def rates(report: Mapping[str, Any]) -> pd.DataFrame:
    """Return what was measured, a row for each measure and size."""
    frame = pd.DataFrame(report["rates"])
    frame["us_a_cell"] = 1e6 * frame["cpu_s"] / frame["cells"]
    frame["cells_a_s"] = frame["cells"] / frame["cpu_s"]
    return frame


def driver_s(report: Mapping[str, Any]) -> float:
    """Return the driver's processor time for a piece of work, at the largest size: a no-op cell has two."""
    rows = rates(report).query("what == 'driver'")
    return float(rows.loc[rows["cells"].idxmax(), "us_a_cell"]) / 1e6 / 2


def stages(board: Board, all_kinds: Sequence[Kind], report: Mapping[str, Any]) -> pd.DataFrame:
    """Return pieces of work, core-hours and bytes of each stage."""
    work = {each["stage"]: each for each in report["work"]}
    rows, cases = [], board.patients * board.levels

    def add(stage: str, pieces: int, seconds: float, size: float) -> None:
        rows.append({"stage": stage, "pieces": pieces, "core_hours": seconds / HOUR_S, "TB": size / 1e12})

    everything = cases + board.validation * board.levels
    add("data", everything, everything * work["data"]["seconds"], everything * work["data"]["bytes"])
    add(
        "reference",
        2 * board.levels,
        everything * work["reference"]["seconds"],
        everything * work["reference"]["bytes"],
    )
    for kind in all_kinds:
        cells = kind.methods * board.cells
        if kind.fit_s:
            add(f"fits, {kind.name}", cells, cells * kind.fit_s, 0)
        tried = cells * kind.trials
        each_s = board.validation * (kind.case_s + work["scores"]["seconds"])
        add(f"tuning, {kind.name}", 2 * tried, tried * each_s, tried * board.validation * work["prediction"]["bytes"])
        predicted = cells * board.patients
        add(f"prediction, {kind.name}", cells, predicted * kind.case_s, predicted * work["prediction"]["bytes"])
        add(f"scores, {kind.name}", cells, predicted * work["scores"]["seconds"], 0)
    frame = pd.DataFrame(rows)
    return frame[frame["pieces"] > 0].reset_index(drop=True)


def chains(
    board: Board, all_kinds: Sequence[Kind], report: Mapping[str, Any], *, workers: int, cases_a_piece: int
) -> list[Chain]:
    """Return the board's chains: tuning's, and the cells', cut so that no piece of them has more cases than that.

    What a worker reads travels once to each worker: at every noise level, the share that it will need. What tuning
    chooses is not waited for.
    """
    work = {each["stage"]: each for each in report["work"]}
    cuts = math.ceil(board.patients / cases_a_piece)
    all_cells = sum(kind.methods for kind in all_kinds) * board.cells
    anew = min(1.0, workers * board.levels / (all_cells * cuts))  # share of inputs that a worker has not seen
    read_mb, left_mb = work["data"]["bytes"] / MB, work["prediction"]["bytes"] / MB
    found: list[Chain] = []
    for kind in all_kinds:
        for _ in range(kind.methods * board.cells):
            fit = [Piece(kind.fit_s)] if kind.fit_s else []
            for size in (cases_a_piece,) * cuts:
                mb = size * (anew * read_mb + left_mb)
                cut = [Piece(size * kind.case_s, mb), Piece(size * work["scores"]["seconds"])]
                found.append([*fit, *cut])
                fit = []
            trial_s, scored_s = board.validation * kind.case_s, board.validation * work["scores"]["seconds"]
            found += [[Piece(trial_s, board.validation * left_mb), Piece(scored_s)]] * kind.trials
    return found


def courses(
    board: Board, all_kinds: Sequence[Kind], report: Mapping[str, Any], farm: Farm, workers: Sequence[int], cases: int
) -> pd.DataFrame:
    """Return how the board goes on farms of so many workers each, like `farm`."""
    rows = []
    for count in workers:
        cut = chains(board, all_kinds, report, workers=count, cases_a_piece=cases)
        course = simulate(cut, Farm(**{**vars(farm), "workers": count}))
        rows.append({"workers": count, "hours": course.makespan_s / HOUR_S, **_shares(course), "limit": course.limit})
    return pd.DataFrame(rows)


def _shares(course: Course) -> dict[str, float]:
    return {name: getattr(course, name) for name in ("used", "driver", "link", "longest")}


def validated(report: Mapping[str, Any]) -> pd.DataFrame:
    """Return real runs of sleeping cells beside what the simulation says of them.

    Each executor's pieces take what they took with one worker, and between two pieces passes what did so there: what is
    simulated of more workers is told by that alone. The data are made before all else, the reference by the first cell.
    """
    rows, runs, each_s = [], report["runs"], driver_s(report)
    alone = {run["executor"]: run for run in runs if run["workers"] == 1}
    for run in runs:
        one = alone[run["executor"]]
        between_s = _between_s(one)
        prediction, scores = (Piece(seconds) for seconds in one["pieces_s"].values())
        farm = Farm(run["workers"], driver_s=each_s, overhead_s=max(0.0, between_s - each_s))
        cells = [[prediction, Piece(one["once_s"]["reference"]), scores], *[[prediction, scores]] * (run["cells"] - 1)]
        simulated_s = one["once_s"]["data"] + between_s + simulate(cells, farm).makespan_s
        rows.append({**run, "simulated_s": simulated_s, "error": simulated_s / run["took_s"] - 1})
    return pd.DataFrame(rows)[["executor", "workers", "cells", "took_s", "simulated_s", "error"]]


def _between_s(run: Mapping[str, Any]) -> float:
    """Return what passed between two pieces of a run with one worker, of which nobody's clock says it was work."""
    pieces = len(run["once_s"]) + run["cells"] * len(run["pieces_s"])
    worked_s = sum(run["once_s"].values()) + run["cells"] * sum(run["pieces_s"].values())
    return float(run["took_s"] - worked_s) / pieces
