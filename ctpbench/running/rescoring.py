"""Stored predictions scored anew, with the metrics that are installed now: no method runs, nor need it be installed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ctpbench.errors import ResultError
from ctpbench.running.cell import metric_specs, scores_item
from ctpbench.running.course import CellFailed, Steps, scored
from ctpbench.running.index import Index
from ctpbench.running.keys import stage_key
from ctpbench.running.protocol import scored_with
from ctpbench.running.record import Record
from ctpbench.running.store import Store
from ctpbench.running.undertaking import Undertaking
from ctpbench.running.work import Input, Inputs, Item, ScoresTask
from ctpbench.suite.entries import MetricEntry
from ctpbench.text import level_text


@dataclass(frozen=True)
class Rescoring:
    """A finished cell, the data it was scored on, and the metrics that it is to be scored with."""

    record: Record
    data: Inputs
    metrics: tuple[MetricEntry, ...]

    @property
    def label(self) -> str:
        return f"{level_text(self.record.dataset, self.record.noise)}: {self.record.config}, seed {self.record.seed}"

    @property
    def key(self) -> str:
        """The key of the new record: that of the old one, and all that the scores depend on beside it."""
        identities = {label: spec.identity for label, spec in metric_specs(self.metrics).items()}
        return stage_key("scores", "anew", self.record.key, identities)

    def undertaking(self) -> Undertaking:
        """Return it as the runner carries it out."""
        return Undertaking(self.key, self._course, self._skipped)

    def item(self, metrics: tuple[MetricEntry, ...]) -> Item:
        """Return the work that scores the stored prediction."""
        record = self.record
        assert record.entries is not None
        assert record.maps is not None
        task = ScoresTask(
            metrics=metric_specs(metrics), cases=tuple(record.cases), maps=record.maps, scale=record.scale or {}
        )
        keys = record.entries.prediction, record.entries.reference
        return scores_item(keys, task, self.data, group="", label=f"{self.label}: score")

    def _course(self) -> Steps[Record]:
        try:
            found = yield from scored(self.item, self.metrics)
        except CellFailed as failed:
            return self._skipped(str(failed))
        return self.record.model_copy(update={"key": self.key, "scores": found.scores, "faults": found.faults})

    def _skipped(self, why: str) -> Record:
        empty = {"scores": {}, "faults": {}, "status": "skipped", "message": why}
        return self.record.model_copy(update={"key": self.key, **empty})


def rescorings(store: Store, index: Index, metrics: Sequence[MetricEntry]) -> list[Rescoring]:
    """Return what is to be scored anew of a run: every cell that has a prediction.

    Raises
    ------
    ResultError
        Where a cell is not finished, or what it would be scored from is no longer there or sound: all cells of a
        board are scored with the same metrics, or none.
    """
    if "protocol" not in index.provenance:
        raise ResultError(
            f"{store.folder}: a run of an older version, which kept neither the keys of its test cases' data nor the "
            "versions that scored it, so that nobody can tell what its predictions are of; give its run command again"
        )
    levels = {(level.dataset, level.noise): level.cases for level in index.levels}
    found, faults = [], []
    for planned, record in zip(index.cells, store.records([cell.key for cell in index.cells]), strict=True):
        where = f"{level_text(planned.dataset, planned.noise)}: {planned.config}, seed {planned.seed}"
        if record is None or record.status == "skipped":
            faults.append(f"{where}: not finished")
        elif record.status == "ok":
            keys = levels.get((planned.dataset, planned.noise), {})
            faults += [f"{where}: {lack}" for lack in [_lacking(store, record, keys)] if lack]
            data = _data(keys, record.cases) if not faults else {}
            found.append(Rescoring(record, data, tuple(metrics)))
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise ResultError(f"{store.folder}: {faults[0]}{more}; run the suite again, then no rescoring is needed")
    return found


def raised(index: Index, metrics: Sequence[MetricEntry]) -> dict[str, str]:
    """Return the metrics that are other ones than those a run was scored with, by label, and how."""
    scored = index.provenance["protocol"]
    now, found = scored_with(scored, metrics), {}
    for label, metric in now["metrics"].items():
        before = scored["metrics"].get(label, {})
        if before != metric:
            versions = [f"version {each.get('version', '?')}" for each in (before, metric)]
            found[label] = " to ".join(versions) if versions[0] != versions[1] else f"{versions[0]}, other code"
    if not found and now["core"] != scored["core"]:
        return dict.fromkeys(now["metrics"], "other code of ctpbench")
    return found


def rescored(index: Index, done: Sequence[Rescoring], metrics: Sequence[MetricEntry]) -> Index:
    """Return what a run consists of once it was scored anew with other metrics."""
    keys = {each.record.key: each.key for each in done}
    cells = [replace(cell, key=keys.get(cell.key, cell.key)) for cell in index.cells]
    protocol = scored_with(index.provenance["protocol"], metrics)
    return index.model_copy(update={"cells": cells, "provenance": {**index.provenance, "protocol": protocol}})


def _lacking(store: Store, record: Record, keys: dict[str, str]) -> str:
    """Return what a cell lacks to be scored from; nothing where all is there."""
    if record.entries is None or record.maps is None:
        return "its record is of an older version"
    if missing := [case for case in record.cases if case not in keys]:
        return f"the run does not say where the data of {missing[0]} lie, as those of older versions"
    if store.cache.outcome("prediction", record.entries.prediction) is None:
        return "its prediction is no longer in the cache"
    if store.cache.outcome("reference", record.entries.reference) is None:
        return "the noiseless maps are no longer in the cache"
    gone = next((case for case in record.cases if store.cache.outcome("data", keys[case]) is None), None)
    return f"the data of {gone} are no longer in the cache" if gone else ""


def _data(keys: dict[str, str], cases: Sequence[str]) -> Inputs:
    parts = ("observation", "truth")
    return {
        f"{part}/{case}": Input(stage="data", key=keys[case], file=f"{part}.npz") for part in parts for case in cases
    }
