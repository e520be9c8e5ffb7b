"""All that is known of one row at one noise level, for its page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from ctpbench.arrays import Mask
from ctpbench.outcome.scores import ScoreGrid, rounded, score_grids
from ctpbench.outcome.statistics.pairs import mean_over_seeds
from ctpbench.outcome.tuning import Tuning, noise_of, tunings
from ctpbench.outcome.variables import MISSING
from ctpbench.outcome.verification import word_of
from ctpbench.report.curves import learning_curves
from ctpbench.report.seeds import Curve
from ctpbench.report.site.board import row_key
from ctpbench.report.site.sources import Source
from ctpbench.report.sweeps import sweeps
from ctpbench.running.record import Trial
from ctpbench.running.store import Store
from ctpbench.text import level_text

_LOG_BYTES = 20_000
"""Of the end of a cell's log, which is what a failure stands in."""
_PARAMETER = "parameter_"
_CELL = (
    "message",
    "started",
    "finished",
    "device",
    "hardware",
    "threads",
    "contended",
    "reused",
    "fit_s",
    "own_fit_s",
    "fit_resumed",
    "fit_reused",
    "peak_memory_mib",
    "peak_device_memory_mib",
    "sandbox",
    "left_out",
    "trained_on",
)


def rows(source: Source) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the key of each row of a run's leaderboard, and what its page shows."""
    order: dict[str, list[dict[Any, Any]]] = {}
    for row in source.frame.to_dict("records"):
        order.setdefault(row["dataset"], []).append(row)
    for dataset, members in order.items():
        node = source.tree.children[dataset]
        data = node.to_dataset(inherit=False)
        grids, tuned = list(score_grids(data)), tunings(node)
        learnt, swept = _learning(node), _sweeps(node)
        levels = [noise_of(noise) for noise in data["noise"].values]
        for row in members:
            noise = noise_of(row["noise"])
            i, j = data["config"].values.tolist().index(row["config"]), levels.index(noise)
            yield (
                row_key(source.name, dataset, row["noise"], row["config"]),
                {
                    **_facts(source, row),
                    **_method(data, i),
                    "seeds": list(_seeds(data.isel(config=i, noise=j), source.store)),
                    "trials": _trials(tuned.get((row["config"], noise))),
                    "sweeps": swept.get((row["config"], noise), []),
                    "learning": learnt.get((row["config"], noise), []),
                    **_scores(grids, i, j),
                    "seconds": _seconds(data.isel(config=i, noise=j)),
                },
            )


def _facts(source: Source, row: Mapping[Any, Any]) -> dict[str, Any]:
    word, checked = word_of(row, source.verification)
    names = ("config", "method", "maps", "tuned", "trained_on", "status", "message", "left_out", "hardware", "sandbox")
    return {
        **{name: row[name] for name in names},
        "run": source.name,
        "level": level_text(row["dataset"], row["noise"], source.axes[row["dataset"]]),
        "faults": json.loads(row["metric_faults"] or "{}"),
        "word": word,
        "verified": checked.model_dump() if checked else None,
    }


def _method(data: xr.Dataset, i: int) -> dict[str, Any]:
    """Return a row's version, distribution and parameters, each as text."""
    coords = {str(name): str(value.values) for name, value in data.isel(config=i).coords.items() if value.ndim == 0}
    given = {name.removeprefix(_PARAMETER): text for name, text in coords.items() if name.startswith(_PARAMETER)}
    return {
        "version": coords.get("version", ""),
        "distribution": coords.get("distribution", ""),
        "parameters": {name: text for name, text in given.items() if text},
    }


def _seeds(row: xr.Dataset, store: Store | None) -> Iterator[dict[str, Any]]:
    """Yield how each seed ended, what was measured, and the end of its log where the run's folder is there."""
    for k, seed in enumerate(row["seed"].values):
        cell = {str(name): values.values[k] for name, values in row.data_vars.items() if values.dims == ("seed",)}
        if cell["status"] == MISSING:
            continue
        yield {
            "seed": int(seed),
            "status": cell["status"],
            **{name: cell[name] for name in _CELL if name in cell},
            "chosen": json.loads(cell["tuned_parameters"] or "{}"),
            "versions": json.loads(cell.get("versions") or "{}"),
            "log": "" if store is None else _log_end(store, str(cell["key"])),
        }


def _log_end(store: Store, key: str) -> str:
    try:
        with store.log_path(key).open("rb") as file:
            file.seek(0, 2)
            size = file.tell()
            file.seek(max(size - _LOG_BYTES, 0))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    left = size - _LOG_BYTES
    return text if left <= 0 else f"... {left} bytes before this ...\n{text}"


def _trials(tuning: Tuning | None) -> dict[str, Any] | None:
    if tuning is None:
        return None
    tried = {seed: [_tried(trial, tuning) for trial in trials] for seed, trials in tuning.trials.items()}
    return {"score": tuning.score, "units": tuning.units, "better": tuning.better, "seeds": tried}


def _tried(trial: Trial, tuning: Tuning) -> dict[str, Any]:
    """Return a trial as the page shows it: what was stopped says what it came to so far."""
    shown = trial.model_dump(include={"parameters", "value", "status", "message"})
    if trial.so_far is None:
        return shown
    known = f"{rounded(trial.so_far, 5)}{f' {tuning.units}' if tuning.units else ''} on these"
    message = trial.message.removeprefix("stopped ").replace(":", f", {known}:", 1)
    return {**shown, "status": "stopped", "message": message}


def _learning(node: xr.DataTree) -> dict[tuple[str, float | None], list[dict[str, Any]]]:
    """Return what training logged by row and noise level: a curve for each quantity."""
    found: dict[tuple[str, float | None], list[dict[str, Any]]] = {}
    for (quantity, config, noise), curve in learning_curves(node):
        found.setdefault((config, noise_of(noise)), []).append({"quantity": quantity, **_curve(curve)})
    return found


def _sweeps(node: xr.DataTree) -> dict[tuple[str, float | None], list[dict[str, Any]]]:
    """Return what tuning tried along each parameter that is a number, by row and noise level."""
    found: dict[tuple[str, float | None], list[dict[str, Any]]] = {}
    for sweep in sweeps(node):
        shown = {name: getattr(sweep, name) for name in ("joined", "chosen", "stopped")}
        curves = [_curve(curve) for curve in sweep.curves]
        found.setdefault((sweep.config, sweep.noise), []).append({"name": sweep.parameter, **shown, "curves": curves})
    return found


def _curve(curve: Curve) -> dict[str, Any]:
    return {"x": curve.x, "y": curve.y, "range": curve.range, "seeds": curve.seeds}


def _scores(grids: list[ScoreGrid], i: int, j: int) -> dict[str, Any]:
    """Return a row's scores by patient, means over seeds; nothing where it is not known whose each case is."""
    patients = list(grids[0].patients) if grids and grids[0].patients else ["all cases"]
    scores = {}
    for grid in grids:
        values = grid.values[i, j]
        if np.isfinite(values).any():
            scores[grid.score.column] = mean_over_seeds(values)
    here: Mask = np.asarray(np.array([np.isfinite(values) for values in scores.values()]).any(axis=0))
    whose = [patient for patient, known in zip(patients, here, strict=True) if known] if scores else []
    return {"patients": whose, "scores": {name: values[here] for name, values in scores.items()}}


def _seconds(row: xr.Dataset) -> dict[str, Any]:
    """Return how long each case took, medians over seeds."""
    names = [name for name in ("denoise_s", "maps_s") if name in row]
    with np.errstate(all="ignore"):
        medians = {name: row[name].median("seed").values for name in names}
    return {"cases": row["case"].values.tolist(), **medians}
