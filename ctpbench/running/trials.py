"""The trials of tuning: parameters predicted and scored on the validation split, each as far as it can still win.

Trials that differ in how maps are computed alone share what is denoised.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

import numpy as np

from ctpbench.arrays import Float64
from ctpbench.contract.components import Denoiser
from ctpbench.running.cache import Cache
from ctpbench.running.cases import CaseSet
from ctpbench.running.cell import Cell
from ctpbench.running.race import Race
from ctpbench.running.record import Parameters, ScoreTable, Trial
from ctpbench.running.tuning import proposals
from ctpbench.running.work import Item, Outcome, ReferenceInfo, Scale, ScoresInfo

Steps: TypeAlias = Generator[list[Item], Sequence[Outcome], None]


@dataclass(frozen=True)
class _Piece:
    """Trials whose next cases, from `start` to before `stop`, are denoised together; `scores` are of each."""

    trials: tuple[int, ...]
    start: int
    stop: int
    prediction: Item
    scores: tuple[Item, ...]


class Trials:
    """A batch of trials: ask for their work by `steps`, then read `found`.

    Parameters
    ----------
    cell : Cell
        Its training sets are those that could be read.
    known : callable(item)
        Returns how an item ended, None where it has not: what is scored is not predicted again.
    discard : callable(item)
        Forgets an entry that is not needed any more.
    batch : sequence of mappings
        The parameters of each trial.
    validation : CaseSet
    scales : mapping
        The factors of the validation split, by the label of each way to compute maps.
    """

    def __init__(
        self,
        cell: Cell,
        known: Callable[[Item], Outcome | None],
        discard: Callable[[Item], None],
        batch: Sequence[Parameters],
        validation: CaseSet,
        scales: Mapping[str, Scale],
    ) -> None:
        assert cell.row.tune is not None
        self._cell, self._known, self._discard, self._batch = cell, known, discard, batch
        self._validation, self._scales = validation, scales
        self._denoisers = [cell.row.component(**parameters) for parameters in batch]
        self._like = [denoiser.model_dump_json() for denoiser in self._denoisers]
        metric, tune = cell.objective.component, cell.row.tune
        best = metric.best if tune.stops_early else None
        self._race = Race(self._like, validation.patients, metric.better, best)
        self._failed: dict[int, tuple[Outcome, str]] = {}

    @property
    def found(self) -> list[Trial]:
        """What each trial came to, in order."""
        return [self._trial(number) for number in range(len(self._batch))]

    def steps(self) -> Steps:
        """Ask for the work, round by round."""
        while goals := self._race.goals():
            pieces = self._pieces(goals)
            yield from self._made(pieces)
            fallen = [piece for piece in pieces if self._fell_together(piece)]
            alone = [part for piece in fallen for part in self._apart(piece)]
            yield from self._made(alone)
            yield from self._scored([*(piece for piece in pieces if piece not in fallen), *alone])
            for piece in [*pieces, *alone]:
                self._discard(piece.prediction)

    def remaining(self) -> list[Denoiser]:
        """Return the methods of the trials that are left where nothing is done but what is known."""
        steps, ended = self.steps(), None
        try:
            while True:
                asked = steps.send(ended)  # type: ignore[arg-type]  # None starts a generator
                found = [self._known(item) for item in asked]
                ended = [outcome for outcome in found if outcome is not None]
                if len(ended) < len(found):
                    break
        except StopIteration:
            return []
        whole = len(self._validation.cases)
        left = (number for number in range(len(self._batch)) if number not in self._failed)
        return [self._denoisers[number] for number in left if self._race.scored_on(number) < whole]

    # -- pieces -------------------------------------------------------------------------------------------------

    def _pieces(self, goals: Mapping[int, int]) -> list[_Piece]:
        """Return the next cases of each trial as pieces of work."""

        def shared(trial: int) -> tuple[str, int, int]:
            return self._like[trial], self._race.scored_on(trial), goals[trial]

        groups = groupby(sorted(goals, key=lambda trial: (shared(trial), trial)), shared)
        pieces = [self._piece(tuple(trials), start, stop) for (_, start, stop), trials in groups]
        return sorted(pieces, key=lambda piece: piece.trials)

    def _piece(self, trials: tuple[int, ...], start: int, stop: int) -> _Piece:
        cell, cases = self._cell, self._validation.part(start, stop)
        ways = [cell.row.maps_by(**self._batch[trial]) for trial in trials]
        denoiser, (first, *further) = self._denoisers[trials[0]], ways
        made = cell.prediction(denoiser, cases, first, trial=True, further=tuple(further))
        scores = tuple(
            cell.scores(
                made,
                cell.reference(self._validation, maps),
                self._scales[maps.label],
                cases,
                (cell.objective,),
                trial=True,
                way=way,
            )
            for way, maps in enumerate(ways)
        )
        return _Piece(trials, start, stop, made, scores)

    def _apart(self, piece: _Piece) -> list[_Piece]:
        """Return a piece's trials each by itself: where they failed together, one may have failed the others."""
        for trial in piece.trials:
            del self._failed[trial]
        return [self._piece((trial,), piece.start, piece.stop) for trial in piece.trials]

    def _is_scored(self, piece: _Piece) -> bool:
        return all(self._known(item) is not None for item in piece.scores)

    def _fell_together(self, piece: _Piece) -> bool:
        return len(piece.trials) > 1 and all(trial in self._failed for trial in piece.trials)

    # -- work ---------------------------------------------------------------------------------------------------

    def _made(self, pieces: Sequence[_Piece]) -> Steps:
        """Ask for the models and the predictions of pieces; a failure is that of all trials of a piece."""
        wanted = [piece for piece in pieces if not self._is_scored(piece)]
        fits = [(piece, self._cell.model(self._denoisers[piece.trials[0]])) for piece in wanted]
        yield from self._done([(piece.trials, fit) for piece, fit in fits if fit is not None])
        yield from self._done([(piece.trials, piece.prediction) for piece in wanted if not self._over(piece.trials)])

    def _done(self, work: Sequence[tuple[tuple[int, ...], Item]]) -> Steps:
        outcomes = yield [item for _, item in work]
        for (trials, _), outcome in zip(work, outcomes, strict=True):
            if not outcome.ok:
                self._failed |= dict.fromkeys(trials, (outcome, outcome.message))

    def _scored(self, pieces: Sequence[_Piece]) -> Steps:
        """Ask for the scores of what was predicted, and note them."""
        work = [
            (trial, item)
            for piece in pieces
            for trial, item in zip(piece.trials, piece.scores, strict=True)
            if not self._over((trial,))
        ]
        outcomes = yield [item for _, item in work]
        for (trial, _), outcome in zip(work, outcomes, strict=True):
            self._note(trial, outcome)
        for trial in self._failed:
            self._race.drop(trial)

    def _over(self, trials: Sequence[int]) -> bool:
        return any(trial in self._failed for trial in trials)

    def _note(self, trial: int, outcome: Outcome) -> None:
        label, tune = self._cell.objective.label, self._cell.row.tune
        assert tune is not None
        if not outcome.ok:
            self._failed[trial] = outcome, outcome.message
            return
        assert isinstance(outcome.info, ScoresInfo)
        if label in outcome.info.faults:
            self._failed[trial] = outcome, f"{label}: {outcome.info.faults[label]}"
            return
        table = outcome.info.scores[label]
        self._race.note(trial, _by_case(table, tune.map), single=set(table.dims) <= {"case", "map"})

    def _trial(self, number: int) -> Trial:
        parameters, cases, done = self._batch[number], len(self._validation.cases), self._race.scored_on(number)
        trial = Trial(parameters=parameters, value=None, scored_on=done, cases=cases)
        if number in self._failed:
            outcome, message = self._failed[number]
            status = "error" if outcome.ok else outcome.status
            return trial.model_copy(update={"status": status, "message": message})
        value = self._race.value(number)
        if done < cases:
            message = f"stopped after {done} of {cases} cases: it could no longer win"
            return trial.model_copy(update={"message": message, "so_far": value})
        if value is None:
            message = f"{self._cell.objective.label} gave no number on the validation split"
            return trial.model_copy(update={"status": "error", "message": message})
        return trial.model_copy(update={"value": value})


def _by_case(table: ScoreTable, map_name: str) -> list[Float64]:
    """Return the numbers of each case, at one map where the metric has maps."""
    array = np.asarray(table.values, dtype=np.float64)
    if "map" in table.dims and map_name not in table.coords["map"]:
        return [np.empty(0)] * len(array)
    if "map" in table.dims:
        array = np.take(array, table.coords["map"].index(map_name), axis=table.dims.index("map"))
    return [np.atleast_1d(case).ravel() for case in array]


def remaining(cell: Cell, cache: Cache) -> list[Denoiser]:
    """Return the methods of the trials of an exhaustive search that a cache does not hold yet."""
    tune, validation = cell.row.tune, cell.validation
    assert tune is not None
    assert validation is not None
    batch = next(proposals(tune, cell.objective.component.better))
    ended = {maps.label: cache.outcome(*cell.reference(validation, maps).id) for maps in cell.row.maps}
    infos = {label: outcome.info for label, outcome in ended.items() if outcome is not None}
    scales = {label: info.scale for label, info in infos.items() if isinstance(info, ReferenceInfo)}
    if len(scales) < len(ended):
        return [cell.row.component(**parameters) for parameters in batch]
    tried = Trials(cell, lambda item: cache.outcome(*item.id), lambda item: None, batch, validation, scales)
    return tried.remaining()
