"""The course of one cell, from data to record: a generator that asks for work and is sent how it ended."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar

import numpy as np

from ctpbench.contract.components import Denoiser
from ctpbench.plugins import code_hash, distribution_of
from ctpbench.running import tuning
from ctpbench.running.plan import CaseSet, Cell
from ctpbench.running.store import Outcome, Status, Store
from ctpbench.running.tuning import Trial
from ctpbench.running.work import Item
from ctpbench.text import level_text

Outcomes = Sequence[Outcome]
Course = Generator[list[Item], Outcomes, Any]
T = TypeVar("T")
Loading: TypeAlias = Generator[list[Item], Outcomes, T]
RECORD_FORMAT = 1


class CellFailed(Exception):
    """Ends a cell's course with a status."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status: Status = status


def course(cell: Cell, store: Store) -> Generator[list[Item], Outcomes, dict[str, Any]]:
    """Run one cell: yields lists of items, is sent their outcomes in order, returns the cell's record."""
    started = _now()
    record = _blank(cell)
    try:
        yield from _work(cell, store, record)
    except CellFailed as failed:
        record |= {"status": failed.status, "message": str(failed)}
    return record | {"started": started, "finished": _now()}


def skipped(cell: Cell, why: str) -> dict[str, Any]:
    """Return the record of a cell that was not run."""
    return _blank(cell) | {"status": "skipped", "message": why, "started": _now(), "finished": _now()}


def _work(cell: Cell, store: Store, record: dict[str, Any]) -> Course:
    denoiser = cell.row.component() if cell.row.tune is None else (yield from _tuned(cell, store, record))
    record["parameters"] = denoiser.model_dump(mode="json")
    (test,) = yield from _readable([cell.test], record)
    cell = yield from _with_training_data(replace(cell, test=test), [denoiser], record)
    record["cases"] = list(test.cases)
    if model := cell.model(denoiser):
        (fitted,) = yield [model]
        _demand(fitted, "fit: ")
        record["timings"] |= {name: fitted.info.get(name) for name in ("fit_s", "fit_resumed")}
        record["learning"] = fitted.info.get("learning")
    prediction = cell.prediction(denoiser, cell.test, trial=False)
    (predicted,) = yield [prediction]
    _demand(predicted)
    measured = dict(predicted.info)
    record["diagnostics"] = measured.pop("diagnostics")
    record["timings"] |= measured
    reference = cell.reference(cell.test)
    (referenced,) = yield from _upstream([reference])
    (scored,) = yield [cell.scores(prediction, reference, referenced.info["scale"], cell.test, cell.suite.metrics)]
    _demand(scored, "metrics: ")
    record["scale"] = referenced.info["scale"]
    record["entries"] = {
        "observation": cell.test.keys[0],
        "reference": reference.key,
        "prediction": prediction.key,
    }
    record["scores"] = scored.info["scores"]


def _tuned(cell: Cell, store: Store, record: dict[str, Any]) -> Generator[list[Item], Outcomes, Denoiser]:
    """Choose the row's parameters on the validation split and note every trial."""
    tune, validation = cell.row.tune, cell.validation
    assert tune is not None
    assert validation is not None
    better = cell.objective.component.better
    (validation,) = yield from _readable([validation], record)
    cell = replace(cell, validation=validation)
    (referenced,) = yield from _upstream([cell.reference(validation)])
    trials: list[Trial] = []
    search = tuning.proposals(tune, better)
    batch = next(search, None)
    while batch is not None:
        denoisers = [cell.row.component(**parameters) for parameters in batch]
        schooled = yield from _with_training_data(cell, denoisers, record)
        answers = yield from _trials(schooled, store, batch, referenced.info["scale"])
        trials += answers
        record["trials"] = [asdict(trial) for trial in trials]
        try:
            batch = search.send(answers)
        except StopIteration:
            batch = None
    chosen = tuning.best(trials, better)
    if chosen is None:
        raise CellFailed("error", f"no trial succeeded; the first: {trials[0].status}: {trials[0].message}")
    record["tuned"] = dict(chosen.parameters)
    record["tuned_at_edge"] = tuning.at_edge(tune, chosen.parameters)
    return cell.row.component(**chosen.parameters)


def _trials(
    cell: Cell, store: Store, batch: Sequence[Mapping[str, Any]], scale: Mapping[str, float]
) -> Generator[list[Item], Outcomes, list[Trial]]:
    """Predict and score a batch of parameters on the validation split; what is already scored is not done again."""
    validation = cell.validation
    assert validation is not None
    denoisers = [cell.row.component(**parameters) for parameters in batch]
    predictions = [cell.prediction(denoiser, validation, trial=True) for denoiser in denoisers]
    reference = cell.reference(validation)
    scores = [cell.scores(p, reference, scale, validation, (cell.objective,)) for p in predictions]
    outcomes: dict[int, Outcome] = {
        i: known for i, item in enumerate(scores) if (known := store.outcome(item.stage, item.key)) is not None
    }
    for ask in ([cell.model(denoiser) for denoiser in denoisers], predictions, scores):
        wanted = {i: item for i, item in enumerate(ask) if item is not None and i not in outcomes}
        answers = yield list(wanted.values())
        final = ask is scores
        outcomes |= {i: a for i, a in zip(wanted, answers, strict=True) if final or not a.ok}
    for prediction in predictions:
        store.discard(prediction.stage, prediction.key)
    return [_trial(cell, parameters, outcomes[i]) for i, parameters in enumerate(batch)]


def _trial(cell: Cell, parameters: Mapping[str, Any], outcome: Outcome) -> Trial:
    assert cell.row.tune is not None
    if not outcome.ok:
        return Trial(parameters, None, outcome.status, outcome.message)
    label = cell.objective.label
    value = _mean(outcome.info["scores"][label], cell.row.tune.map)
    if value is None:
        return Trial(parameters, None, "error", f"{label} gave no number on the validation split")
    return Trial(parameters, value)


def _mean(table: Mapping[str, Any], map_name: str) -> float | None:
    """Average a metric's table over the cases it applies to, at one map where it has maps; None where to none."""
    array = np.asarray(table["values"], dtype=float)
    if "map" in table["dims"]:
        array = np.take(array, table["coords"]["map"].index(map_name), axis=table["dims"].index("map"))
    known = array[np.isfinite(array)]
    return float(known.mean()) if known.size else None


def _with_training_data(cell: Cell, denoisers: Sequence[Denoiser], record: dict[str, Any]) -> Loading[Cell]:
    """Load what the denoisers learn from; return the cell without the training cases that cannot be read."""
    wanted = {case_set.key: case_set for denoiser in denoisers for case_set in cell.training(denoiser)}
    readable = yield from _readable(list(wanted.values()), record)
    found = dict(zip(wanted, readable, strict=True))
    return replace(cell, train=tuple(found.get(case_set.key, case_set) for case_set in cell.train))


def _readable(sets: Sequence[CaseSet], record: dict[str, Any]) -> Loading[list[CaseSet]]:
    """Load cases; return the sets without those that cannot be read, which the record names. One must remain."""
    items = [item for case_set in sets for item in case_set.items()]
    outcomes = yield items
    faults = {item.id: outcome.message for item, outcome in zip(items, outcomes, strict=True) if not outcome.ok}
    readable = []
    for case_set in sets:
        bad = {
            case: faults[item.id]
            for case, item in zip(case_set.cases, case_set.items(), strict=True)
            if item.id in faults
        }
        named = {f"{level_text(case_set.label, case_set.noise)}, {case}": text for case, text in bad.items()}
        if len(bad) == len(case_set.cases):
            raise CellFailed("skipped", next(f"{label}: {text}" for label, text in named.items()))
        record["left_out"] |= named
        readable.append(case_set.without(bad))
    found = {item.id: outcome.info.get("inspection") for item, outcome in zip(items, outcomes, strict=True)}
    for case_set in sets:
        if (case_set.label, case_set.noise) == (record["dataset"], record["noise"]):
            told = {case: found[item.id] for case, item in zip(case_set.cases, case_set.items(), strict=True)}
            record["inspections"] |= {case: facts for case, facts in told.items() if facts}
    return readable


def _upstream(items: list[Item]) -> Generator[list[Item], Outcomes, Outcomes]:
    """Ask for work that is no method's doing: where it fails, the cell was never run."""
    outcomes = yield items
    for item, outcome in zip(items, outcomes, strict=True):
        if not outcome.ok:
            raise CellFailed("skipped", f"{item.label}: {outcome.message}")
    return outcomes


def _demand(outcome: Outcome, what: str = "") -> None:
    if not outcome.ok:
        raise CellFailed(outcome.status, what + outcome.message)


def _blank(cell: Cell) -> dict[str, Any]:
    method = cell.row.cls
    return {
        "format": RECORD_FORMAT,
        "key": cell.key,
        "suite": cell.suite.name,
        "dataset": cell.dataset,
        "noise": cell.noise,
        "config": cell.row.label,
        "seed": cell.seed,
        "method": method.name,
        "version": method.version,
        "distribution": " ".join(part for part in distribution_of(method) if part),
        "code": code_hash(method)[:12],
        "parameters": dict(cell.row.params),
        "tuned": {},
        "tuned_at_edge": [],
        "status": "ok",
        "message": "",
        "trained_on": level_text(cell.row.train.dataset, cell.row.train.noise) if cell.row.train else "",
        "cases": list(cell.test.cases),
        "left_out": {},
        "inspections": {},
        "scores": {},
        "diagnostics": {},
        "timings": {"fit_s": None},
        "trials": [],
        "learning": None,
        "log": f"logs/{cell.key}.log",
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
