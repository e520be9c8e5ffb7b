"""Score every case of a set with every metric; a metric that fails, fails alone."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import cast

import numpy as np
import pandas as pd
import xarray as xr

from ctpbench.contract.answers import check_score
from ctpbench.contract.case import TRUTH_PARTS, ScoredCase, Truth
from ctpbench.contract.components import Metric
from ctpbench.contract.observation import Observation
from ctpbench.running.estimation import baseline_subtracted, scaled
from ctpbench.running.files import load_arrays
from ctpbench.running.job import Job
from ctpbench.running.record import ScoreTable
from ctpbench.running.work import LONGEST_MESSAGE, ScoresInfo, ScoresTask
from ctpbench.text import one_line, plain_text

_MOST_KEPT = 2**28
"""Bytes of cases that a process keeps."""


@dataclass(frozen=True)
class _Given:
    """What a case brings with it, whatever a method answers; see `ScoredCase`."""

    observation: Observation
    noiseless: xr.DataArray | None
    truth: Truth | None
    noiseless_concentration: xr.DataArray | None
    rois: xr.DataArray | None

    def arrays(self) -> list[xr.DataArray]:
        parts = [self.observation.frames, self.noiseless, self.noiseless_concentration, self.rois]
        parts += [getattr(self.truth, name, None) for name in TRUTH_PARTS]
        return [array for array in parts if array is not None]


_GIVEN = ("observation", "truth", "reference")
_kept: dict[tuple[str, ...], _Given] = {}


def run(task: ScoresTask, job: Job) -> ScoresInfo:
    """Return the scores of each metric, or how it failed."""
    _forget_others(task, job)
    metrics = {label: cast(Metric, job.build(spec)) for label, spec in task.metrics.items()}
    scores: dict[str, list[xr.DataArray | None]] = {label: [] for label in metrics}
    faults: dict[str, str] = {}
    for case in task.cases:
        answer = scored_case(case, task, job)
        for label, metric in metrics.items():
            if label not in faults:
                with _caught(label, faults, f"{case}: "):
                    scores[label].append(_score(metric, answer, label))
    tables = {}
    for label, found in scores.items():
        if label not in faults:
            with _caught(label, faults):
                tables[label] = _table(metrics[label], found, label)
    return ScoresInfo(scores=tables, faults=faults)


@contextmanager
def _caught(label: str, faults: dict[str, str], where: str = "") -> Iterator[None]:
    """Note how a metric failed; whatever a stranger's metric does, the others' scores stand."""
    try:
        yield
    except Exception as error:
        traceback.print_exc()
        faults[label] = plain_text(f"{where}{_reason(error)}", LONGEST_MESSAGE)


def scored_case(case: str, task: ScoresTask, job: Job) -> ScoredCase:
    """Bring together a case's observation, truth and reference with a method's answer, scaled alike."""
    answer = load_arrays(job.inputs[f"prediction/{case}"])
    maps, concentration = scaled(answer["maps"], task.scale), answer.get("concentration")
    return ScoredCase(case, maps=maps, concentration=concentration, **vars(_given(case, task, job)))


def _given(case: str, task: ScoresTask, job: Job) -> _Given:
    """Return what a case brings with it: loaded once in a process, as far as `_MOST_KEPT` goes.

    Rows and trials are scored on the same cases, one after the other.
    """
    paths = [str(job.inputs[f"{role}/{case}"]) for role in _GIVEN]
    key = (*paths, task.maps.model_dump_json(), str(sorted(task.scale.items())))
    if key in _kept:
        return _kept[key]
    given = _loaded(case, task, job)
    for variable in (each for array in given.arrays() for each in (array, *array.coords.values())):
        variable.values.setflags(write=False)  # a metric that writes would change the case of the next trial
    if sum(array.nbytes for one in (given, *_kept.values()) for array in one.arrays()) <= _MOST_KEPT:
        _kept[key] = given
    return given


def _forget_others(task: ScoresTask, job: Job) -> None:
    """Keep no case that is not scored now: a process shall hold what one that begins with these would."""
    scored = {str(job.inputs[f"{_GIVEN[0]}/{case}"]) for case in task.cases}
    for key in [key for key in _kept if key[0] not in scored]:
        del _kept[key]


def _loaded(case: str, task: ScoresTask, job: Job) -> _Given:
    observation, truth = job.observation(case), job.truth(case)
    reference_path = job.inputs[f"reference/{case}"]
    known = load_arrays(reference_path) if reference_path.exists() else xr.Dataset()
    noiseless = scaled(known["maps"], task.scale) if "maps" in known else None
    clean = None if truth is None or truth.frames is None else baseline_subtracted(truth.frames, task.maps)
    return _Given(observation, noiseless, truth, clean, known.get("rois"))


def _score(metric: Metric, case: ScoredCase, label: str) -> xr.DataArray | None:
    """Return a metric's score of a case, None where the case lacks what it reads."""
    if any(getattr(case, need) is None for need in metric.needs):
        return None
    score = check_score(metric.score(case), case, label, metric.quantity, metric.better, metric.best)
    return score.astype(np.float64)


def _table(metric: Metric, results: list[xr.DataArray | None], label: str) -> ScoreTable:
    """Stack one metric's results over cases; None and NaN become null, for JSON knows no NaN."""
    kept = sorted({r.dims for r in results if r is not None}, key=str)
    if len(kept) > 1:
        got = " and ".join(str(dims) for dims in kept)
        raise ValueError(f"metric {label!r}: got dims {got}; allowed: the same for all cases")
    dims = [str(dim) for dim in kept[0]] if kept else []
    axes = {dim: reduce(_joined, (r.get_index(dim) for r in results if r is not None)) for dim in dims}
    values = np.full((len(results), *map(len, axes.values())), np.nan)
    for i, result in enumerate(results):
        if result is not None:
            places = [np.array([i]), *(axes[dim].get_indexer(result.get_index(dim)) for dim in dims)]
            values[np.ix_(*places)] = result.values
    written = values.astype(object)
    written[~np.isfinite(values)] = None
    summary = (type(metric).__doc__ or "").strip().split("\n")[0]
    return ScoreTable(
        dims=("case", *dims),
        coords={dim: axis.tolist() for dim, axis in axes.items()},
        values=written.tolist(),
        units=metric.units,
        better=metric.better,
        description=summary,
        parameters=metric.model_dump(mode="json"),
        metric=metric.name,
        agrees_with=metric.agrees_with,
        quantity=metric.quantity,
    )


def _joined(axis: pd.Index, other: pd.Index) -> pd.Index:
    """Return all values of two axes: cases may differ in their times."""
    return axis if axis.equals(other) else axis.union(other)


def _reason(error: Exception) -> str:
    text = one_line(error)
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}".removesuffix(": ")
