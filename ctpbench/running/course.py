"""The course of one cell, from data to record: a generator that asks for work and is sent how it ended."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar

from ctpbench.code import component_hash
from ctpbench.contract.components import Denoiser
from ctpbench.distributions import distribution_of
from ctpbench.running import tuning
from ctpbench.running.cache import Cache
from ctpbench.running.cases import CaseSet
from ctpbench.running.cell import Cell
from ctpbench.running.record import Entries, Parameters, Record, ScoreTable, Status, Timings, Trial
from ctpbench.running.trials import Trials
from ctpbench.running.work import (
    DataInfo,
    Item,
    ItemId,
    ModelInfo,
    Outcome,
    PredictionInfo,
    ReferenceInfo,
    Scale,
    ScoresInfo,
)
from ctpbench.suite.entries import MetricEntry
from ctpbench.text import level_text, plain_text

T = TypeVar("T")
I = TypeVar("I", ModelInfo, PredictionInfo, ReferenceInfo, ScoresInfo)  # noqa: E741
Steps: TypeAlias = Generator[list[Item], Sequence[Outcome], T]
Known: TypeAlias = Callable[[Item], Outcome | None]
"""How an item ended that needs not be made, None of another."""


_LONGEST_DECLARED = 200
"""Characters of what a method says that it was trained on."""


class CellFailed(Exception):
    """Ends a cell's course with a status."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status: Status = status


def course(cell: Cell, cache: Cache, known: Known) -> Steps[Record]:
    """Run one cell: yields lists of items, is sent their outcomes in order, returns the cell's record."""
    return _Course(cell, cache, known).steps()


def scored(item_of: Callable[[tuple[MetricEntry, ...]], Item], metrics: tuple[MetricEntry, ...]) -> Steps[ScoresInfo]:
    """Ask for the scores; where a metric takes the process with it, for those of each metric by itself."""
    (outcome,) = yield [item_of(metrics)]
    if outcome.ok:
        return _info(outcome, ScoresInfo)
    outcomes = yield [item_of((metric,)) for metric in metrics]
    scores: dict[str, ScoreTable] = {}
    faults: dict[str, str] = {}
    for metric, alone in zip(metrics, outcomes, strict=True):
        if alone.ok:
            found = _info(alone, ScoresInfo)
            scores |= found.scores
            faults |= found.faults
        else:
            faults[metric.label] = f"{alone.status}: {alone.message}"
    return ScoresInfo(scores=scores, faults=faults)


def skipped(cell: Cell, why: str) -> Record:
    """Return the record of a cell that was not run."""
    return _blank(cell).model_copy(update={"status": "skipped", "message": why, "finished": _now()})


class _Course:
    """A cell on its way: the cell as it is left by what could be read, and its record so far."""

    def __init__(self, cell: Cell, cache: Cache, known: Known) -> None:
        self.cell, self.cache, self.known, self.record = cell, cache, known, _blank(cell)

    def note(self, **facts: Any) -> None:
        self.record = self.record.model_copy(update=facts)

    def steps(self) -> Steps[Record]:
        try:
            yield from self.all_steps()
        except CellFailed as failed:
            self.note(status=failed.status, message=str(failed))
        self.note(finished=_now())
        return Record.model_validate(dict(self.record))

    def all_steps(self) -> Steps[None]:
        yield from self.load()
        chosen = {} if self.cell.row.tune is None else (yield from self.tuned())
        denoiser, maps = self.cell.row.component(**chosen), self.cell.row.maps_by(**chosen)
        self.note(parameters=denoiser.model_dump(mode="json"), maps=maps)
        yield from self.load_training_data([denoiser])
        test = self.cell.test
        if model := self.cell.model(denoiser):
            (outcome,) = yield [model]
            fitted = _info(outcome, ModelInfo, "fit: ")
            facts = fitted.model_dump(include={"fit_s", "own_fit_s", "fit_resumed"})
            self.note(timings=Timings(**facts, fit_reused=fitted.reused), learning=fitted.learning)
        prediction = self.cell.prediction(denoiser, test, maps, trial=False)
        (outcome,) = yield [prediction]
        self.note_measured(_info(outcome, PredictionInfo))
        reference = self.cell.reference(test, maps)
        shared = yield from self.shared(reference)
        entries = Entries(observation=test.keys[0], reference=reference.key, prediction=prediction.key)
        self.note(scale=shared.scale, quality=shared.quality, entries=entries)
        scored = yield from self.scored(prediction, reference, shared.scale)
        self.note(scores=scored.scores, faults=scored.faults)

    def note_measured(self, info: PredictionInfo) -> None:
        known = {name: value for name, value in info if name in Timings.model_fields}
        self.note(
            timings=self.record.timings.model_copy(update=known), diagnostics=info.diagnostics, versions=info.versions
        )

    def shared(self, reference: Item) -> Steps[ReferenceInfo]:
        """Ask for what a case set shares. It is no method's doing: where it fails, the cell was never run."""
        (outcome,) = yield [reference]
        if not outcome.ok:
            raise CellFailed("skipped", f"{reference.label}: {outcome.message}")
        return _info(outcome, ReferenceInfo)

    def scored(self, prediction: Item, reference: Item, scale: Scale) -> Steps[ScoresInfo]:
        cases = self.cell.test
        return scored(
            lambda metrics: self.cell.scores(prediction, reference, scale, cases, metrics), self.cell.suite.metrics
        )

    # -- tuning -------------------------------------------------------------------------------------------------

    def tuned(self) -> Steps[Parameters]:
        """Choose the row's parameters on the validation split and note every trial."""
        tune, objective = self.cell.row.tune, self.cell.tuned_by
        assert tune is not None
        assert objective is not None
        assert self.cell.validation is not None
        validation = self.cell.validation
        self.note(tuned_by=objective)
        scales: dict[str, Scale] = {}
        for maps in self.cell.row.maps:
            shared = yield from self.shared(self.cell.reference(validation, maps))
            scales[maps.label] = shared.scale
        trials: list[Trial] = []
        search = tuning.proposals(tune, objective.better)
        batch = next(search, None)
        while batch is not None:
            yield from self.load_training_data([self.cell.row.component(**parameters) for parameters in batch])
            tried = Trials(self.cell, self.known, self.discard, batch, validation, scales)
            yield from tried.steps()
            trials += tried.found
            self.note(trials=trials)
            try:
                batch = search.send(tried.found)
            except StopIteration:
                batch = None
        chosen = tuning.best(trials, objective.better)
        if chosen is None:
            raise CellFailed("error", f"no trial succeeded; the first: {trials[0].status}: {trials[0].message}")
        self.note(tuned=dict(chosen.parameters), tuned_at_edge=tuning.at_edge(tune, chosen.parameters))
        return chosen.parameters

    def discard(self, item: Item) -> None:
        """Forget an entry."""
        self.cache.discard(*item.id)

    # -- data ---------------------------------------------------------------------------------------------------

    def load(self) -> Steps[None]:
        """Load the test split, and all else that is needed as far as can be told by now.

        Everything is asked for at once, and so are all noise levels of a case, whose cells begin together: what a
        process caches of a case serves them all.
        """
        cell, learnt = self.cell, self.cell.first_training
        tried = () if cell.validation is None else (cell.validation,)
        test, *others = yield from self.readable([cell.test, *tried, *learnt])
        found = {case_set.key: other for case_set, other in zip((*tried, *learnt), others, strict=True)}
        train = tuple(found.get(case_set.key, case_set) for case_set in cell.train)
        validation = found[cell.validation.key] if cell.validation else None
        self.cell = replace(cell, test=test, validation=validation, train=train)
        self.note(cases=list(test.cases), patients=list(test.patients))

    def load_training_data(self, denoisers: Sequence[Denoiser]) -> Steps[None]:
        """Load what the denoisers learn from; the cell goes on without the training cases that cannot be read."""
        wanted = {case_set.key: case_set for denoiser in denoisers for case_set in self.cell.training(denoiser)}
        readable = yield from self.readable(list(wanted.values()))
        found = dict(zip(wanted, readable, strict=True))
        self.cell = replace(self.cell, train=tuple(found.get(s.key, s) for s in self.cell.train))

    def readable(self, sets: Sequence[CaseSet]) -> Steps[list[CaseSet]]:
        """Load cases; return the sets without those that cannot be read, which are noted. One must remain."""
        items = [item for case_set in sets for item in case_set.items()]
        answers = yield items
        outcomes = {item.id: outcome for item, outcome in zip(items, answers, strict=True)}
        return [self.without_unreadable(case_set, outcomes) for case_set in sets]

    def without_unreadable(self, case_set: CaseSet, outcomes: Mapping[ItemId, Outcome]) -> CaseSet:
        ended = {case: outcomes[i.id] for case, i in zip(case_set.cases, case_set.items(), strict=True)}
        bad = {case: outcome.message for case, outcome in ended.items() if not outcome.ok}
        named = {f"{case_set.level}, {case}": text for case, text in bad.items()}
        if len(bad) == len(case_set.cases):
            raise CellFailed("skipped", next(f"{label}: {text}" for label, text in named.items()))
        self.note(left_out=self.record.left_out | named)
        if (case_set.label, case_set.noise) == (self.record.dataset, self.record.noise):
            infos = {case: outcome.info for case, outcome in ended.items()}
            facts = {c: i.inspection for c, i in infos.items() if isinstance(i, DataInfo) and i.inspection}
            self.note(inspections=self.record.inspections | facts)
        return case_set.without(bad)


def _info(outcome: Outcome, kind: type[I], what: str = "") -> I:
    """Return what a stage measured; where it failed, so does the cell."""
    if not outcome.ok:
        raise CellFailed(outcome.status, what + outcome.message)
    assert isinstance(outcome.info, kind)
    return outcome.info


def _blank(cell: Cell) -> Record:
    method, train = cell.row.cls, cell.row.train
    learnt_from = [
        plain_text(method.pretrained_on, _LONGEST_DECLARED),
        level_text(train.dataset, train.noise, cell.suite.axes[train.dataset]) if train else "",
    ]
    return Record(
        key=cell.key,
        suite=cell.suite.name,
        dataset=cell.dataset,
        noise=cell.noise,
        config=cell.row.label,
        seed=cell.seed,
        method=method.name,
        version=method.version,
        distribution=" ".join(part for part in distribution_of(method) if part),
        code=component_hash(method)[:12],
        parameters=dict(cell.row.params),
        trained_on=" and ".join(part for part in learnt_from if part),
        cases=list(cell.test.cases),
        patients=list(cell.test.patients),
        log=f"logs/{cell.key}.log",
        started=_now(),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
