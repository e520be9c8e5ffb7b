"""Records of cells, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ctpbench.contract.components import Better, Quantity
from ctpbench.running.index import Index, PlannedCell
from ctpbench.running.record import Objective, Record, ScoreTable, Trial
from ctpbench.settings import MapsSettings

CASES = ["slice-070", "slice-071"]

TIMINGS: dict[str, Any] = {
    "denoise_s": [0.1, 0.3],
    "maps_s": [0.02, 0.04],
    "peak_memory_mib": 300.0,
    "threads": 2,
    "device": "cpu",
    "contended": False,
}


def score(
    values: Any, dims: list[str], units: str = "map", better: Better = "lower", **coords: list[Any]
) -> ScoreTable:
    """One metric of a record."""
    table = np.where(np.isnan(values), None, np.asarray(values, dtype=object)).tolist()
    return ScoreTable(dims=tuple(dims), coords=coords, values=table, units=units, better=better, description="A score.")


def held_against(made: ScoreTable, metric: str, reference: str, quantity: Quantity = "number") -> ScoreTable:
    """The table as that of a metric which ranks nothing and agrees with another; with none where that is empty."""
    units = "mL" if quantity == "number" else "1"
    named = {"metric": metric, "agrees_with": reference, "quantity": quantity}
    return made.model_copy(update={**named, "better": "none", "units": units})


def inapplicable(units: str = "HU") -> ScoreTable:
    """A metric that applies to no case, which has no dimension but the case."""
    return score([np.nan, np.nan], ["case"], units)


def rmse(cbf: list[float], cbv: list[float] | None = None) -> ScoreTable:
    """RMSE per case of CBF and CBV."""
    table = np.array([cbf, cbv or [value / 10 for value in cbf]], dtype=float).T
    return score(table, ["case", "map"], map=["cbf", "cbv"])


def trial(parameters: dict[str, Any], value: float | None) -> Trial:
    """A set of parameters that was tried; one that failed where there is no value."""
    return Trial(parameters=parameters, value=value, status="error" if value is None else "ok")


def objective(metric: str, at_map: str = "cbf", better: Better = "lower") -> Objective:
    """What tuning went by."""
    return Objective(metric=metric, map=at_map, better=better)


def record(config: str, noise: float | None = 2e5, seed: int = 0, **changes: Any) -> Record:
    """A finished cell's record; a failed one where the status says so."""
    dataset = changes.get("dataset", "phantom")
    plain: dict[str, Any] = {
        "key": f"{dataset}-{noise}-{config}-{seed}".replace('"', ""),  # which keys, being digests, never hold
        "suite": "quick",
        "dataset": dataset,
        "noise": noise,
        "config": config,
        "seed": seed,
        "method": config.split("(")[0],
        "version": "1",
        "distribution": "ctpbench-filters 0.1.0",
        "code": "abc",
        "cases": CASES,
        "maps": MapsSettings(),
        "scores": {"rmse": rmse([4.0, 6.0])},
        "timings": TIMINGS,
        "started": "2026-01-01T00:00:00+00:00",
        "finished": "2026-01-01T00:00:10+00:00",
        "log": "logs/x.log",
    }
    if changes.get("status", "ok") != "ok":
        plain |= {"scores": {}, "timings": {}, "message": "it failed"}
    plain |= changes
    return Record(**{"patients": [f"patient of {case}" for case in plain["cases"]], **plain})


def changed(made: Record, **changes: Any) -> Record:
    """The record with other values, checked again; timings are changed one by one."""
    if "timings" in changes:
        changes["timings"] = made.timings.model_dump() | changes["timings"]
    return Record(**(made.model_dump() | changes))


def suite_records() -> list[Record]:
    """Two datasets (one without noise levels), a tuned row, seeds, failures, time and roi metrics, diagnostics."""
    frames = score([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], ["case", "time"], "HU", time=[0.0, 1.5, 3.0])
    dice = score([[0.5, np.nan], [0.7, 0.9]], ["case", "roi"], "1", "higher", roi=["core", "penumbra"])
    records = []
    for noise in (2e5, 1e6):
        tuned = {"sigma_px": 2.0, "mode": "reflect"}
        records += [
            record("none", noise, scores={"rmse": rmse([20.0, 22.0]), "frame_rmse": frames, "dice": dice}),
            record(
                "gaussian",
                noise,
                parameters={"truncate": 4.0, **tuned},
                tuned=tuned,
                tuned_at_edge=["sigma_px"],
                tuned_by=objective("rmse", "cbv"),
                trials=[
                    trial({"sigma_px": 1.0}, 7.1),
                    Trial(parameters={"sigma_px": 9.0}, value=None, status="error", message="no"),
                ],
            ),
            record("ttv", noise, scores={"frame_rmse": inapplicable()}, diagnostics={"duality_gap": [1e-4, None]}),
            *(record("n2n", noise, seed, parameters={"beta": 12.5}) for seed in (0, 1)),
            record("broken", noise, status="crashed", message="signal 11\0 \udcff", distribution=""),
        ]
    return [*records, record("none", None, dataset="real"), record("gaussian", None, dataset="real")]


def index_of(records: Sequence[Record]) -> Index:
    """Return what a run of some records consists of."""
    place = {"key", "dataset", "noise", "config", "seed"}
    cells = [PlannedCell(**record.model_dump(include=place)) for record in records]
    return Index(suite="paper", provenance={}, cells=cells)
