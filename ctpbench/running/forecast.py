"""What a run would take: the work that is left of a plan, and its time, memory and bytes from what was done before."""

from __future__ import annotations

import itertools
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

from ctpbench.contract.components import Denoiser, Trainable
from ctpbench.running.cases import CaseSet
from ctpbench.running.cell import Cell
from ctpbench.running.costs import scores_name
from ctpbench.running.rates import Basis, Estimate, Rates, Span, Work
from ctpbench.running.recollection import known_costs, runs_beside
from ctpbench.running.sharing import Shelf
from ctpbench.running.store import Store
from ctpbench.running.trials import remaining
from ctpbench.running.work import Stage
from ctpbench.suite.entries import MAPS, DenoiserEntry, MetricEntry, Tune

_WORST: tuple[Basis, ...] = ("same", "scaled", "rough", "unknown")


@dataclass(frozen=True)
class Forecast:
    """What is left of a plan and what it would take.

    Attributes
    ----------
    cells : mapping
        Of each cell that is to run, by its key, what its own work takes: fits, predictions and scores.
    shared : sequence of Estimate
        What cells share: data and references.
    seconds : Span
        Of one process after another, of all that is known.
    pieces : mapping
        How many pieces of work each stage has left.
    size : mapping
        Bytes that each stage leaves on the disk, of all that is known.
    longest_s : float
        The longest piece of work, which no number of processes makes shorter.
    sources : int
        Runs that it is estimated from.
    jobs : int
        Cells side by side.
    """

    cells: Mapping[str, Estimate]
    shared: Sequence[Estimate]
    seconds: Span
    pieces: Mapping[Stage, int]
    size: Mapping[Stage, Span]
    longest_s: float
    sources: int
    jobs: int

    @property
    def wall_s(self) -> Span:
        """From the start of the run to its end, pictures left out."""
        each = self.seconds * (1 / min(self.jobs, os.cpu_count() or 1))
        return Span(each.low, max(each.likely, self.longest_s), max(each.high, self.longest_s))

    @property
    def unknown(self) -> list[str]:
        """The keys of cells of whose work nothing like it ran."""
        return [key for key, estimate in self.cells.items() if estimate.basis == "unknown"]

    @property
    def unknown_shared(self) -> int:
        """Cases and references of which nothing like them was made."""
        return sum(estimate.basis == "unknown" for estimate in self.shared)

    @property
    def peak_memory_mib(self) -> float | None:
        """The most that one process of a method takes; None where no such number is known."""
        return max((e.peak_memory_mib for e in self.cells.values() if e.peak_memory_mib is not None), default=None)


def forecast(
    cells: Sequence[Cell], store: Store, threads: int, hardware: str, jobs: int, shared: Shelf | None = None
) -> Forecast:
    """Return what the cells that are to run would take.

    Parameters
    ----------
    cells : sequence of Cell
        Those that have no record that would be used again.
    store : Store
        The run's folder; its own costs come first, then those of the runs beside it.
    threads : int
        Of each process.
    hardware : str
        What it runs on, as costs name it.
    jobs : int
        Cells side by side.
    shared : Shelf or None
        What other runs made that this one would take.
    """
    own, beside = known_costs(store.folder), [known_costs(folder) for folder in runs_beside(store.folder)]
    rates = Rates(own, [cost for costs in beside for cost in costs], threads, hardware)
    left = _Left(cells, store, rates, shared)
    each = {cell.key: left.of_cell(cell) for cell in cells}
    kinds, cells_of = {id(some): some for some in each.values()}, Counter(map(id, each.values()))
    count = Counter(id(one) for one in left.shared())
    for place, some in kinds.items():
        count.update({id(one): cells_of[place] for one in some})
    work = {id(one): one for one in itertools.chain(left.shared(), *kinds.values())}
    estimates = {place: rates.estimate(one) for place, one in work.items()}
    size: dict[Stage, Span] = {}
    pieces: Counter[Stage] = Counter()
    for place, one in work.items():
        pieces[one.stage] += one.count * count[place]
        if not (one.trial and one.stage == "prediction"):  # those of trials are thrown away
            size[one.stage] = size.get(one.stage, Span()) + estimates[place].size * count[place]
    together = {place: _together([estimates[id(one)] for one in some]) for place, some in kinds.items()}
    return Forecast(
        cells={key: together[id(some)] for key, some in each.items()},
        shared=[estimates[id(one)] for one in left.shared()],
        seconds=reduce(Span.__add__, (estimates[place].seconds * count[place] for place in work), Span()),
        pieces=pieces,
        size=size,
        longest_s=max((estimate.longest_s for estimate in estimates.values()), default=0.0),
        sources=bool(own) + sum(map(bool, beside)),
        jobs=jobs,
    )


def trials(tune: Tune) -> int:
    """Return how many sets of parameters tuning tries."""
    if tune.trials is not None:
        return tune.trials
    total = 1
    for values in tune.parameters.values():
        total *= len(values)  # type: ignore[arg-type]  # a range belongs to tpe, which has trials
    return total


@dataclass
class _Left:
    """The work that is left of a plan, each piece once whichever cells ask for it.

    Work that is alike, as that of a row's seeds, is one object, and so is all the work of cells that are alike: of very
    many cells there are few kinds.
    """

    cells: Sequence[Cell]
    store: Store
    rates: Rates
    shelf: Shelf | None = None
    models: set[str] = field(default_factory=set)
    _shared: list[Work] | None = None
    _alike: dict[tuple[str | int, ...], Work] = field(default_factory=dict)
    _together: dict[tuple[int, ...], tuple[Work, ...]] = field(default_factory=dict)
    _seedless: dict[tuple[int, int, bool], tuple[Work, ...]] = field(default_factory=dict)
    _keys: dict[Stage, frozenset[str]] = field(default_factory=dict)
    _left: dict[str, list[Denoiser]] = field(default_factory=dict)

    def shared(self) -> list[Work]:
        """Return the cases and references that are not there."""
        if self._shared is None:
            self._shared = [*self._data(), *self._references()]
        return self._shared

    def _holds(self, stage: Stage, key: str) -> bool:
        return key in self._own(stage) or (self.shelf is not None and self.shelf.holds(stage, key))

    def _own(self, stage: Stage) -> frozenset[str]:
        """Return the keys of what the run has of a stage."""
        if stage not in self._keys:
            self._keys[stage] = self.store.cache.keys(stage)
        return self._keys[stage]

    @cached_property
    def _kinds(self) -> list[Cell]:
        """One cell of each row at each noise level: its other seeds share what it shares."""
        return list({(id(cell.row), id(cell.test)): cell for cell in self.cells}.values())

    def _data(self) -> Iterator[Work]:
        sets: dict[int, CaseSet] = {}
        for cell in self._kinds:
            sets |= {id(each): each for each in (cell.test, cell.validation, *cell.first_training) if each}
        missing = {key: of for of, each in sets.items() for key in each.keys if not self._holds("data", key)}
        for of, count in Counter(missing.values()).items():
            spec = sets[of].dataset
            yield Work("data", spec.name, spec.params, trial=False, amount=None, count=count)

    def _references(self) -> Iterator[Work]:
        known: set[tuple[int, str]] = set()
        for cell in self._kinds:
            for cases in (cell.test, cell.validation):
                for maps in cell.row.maps if cases else ():
                    assert cases is not None
                    if (id(cases), maps.label) in known:
                        continue
                    known.add((id(cases), maps.label))
                    if not self._holds("reference", cell.reference(cases, maps).key):
                        yield Work("reference", maps.label, {}, False, *self._bytes(cases))

    def of_cell(self, cell: Cell) -> tuple[Work, ...]:
        """Return a cell's own work; a model that an earlier cell asks for as well is that cell's."""
        row = cell.row
        if row.tune or issubclass(row.cls, Trainable):
            return self._all(cell)
        place = id(row), id(cell.test), self._predicted(cell)
        if place not in self._seedless:
            self._seedless[place] = self._all(cell)
        return self._seedless[place]

    def _all(self, cell: Cell) -> tuple[Work, ...]:
        every = (
            self._fit(cell),
            self._tries(cell),
            self._prediction(cell),
            self._scored_tries(cell),
            self._score(cell),
        )
        some = tuple(work for work in every if work is not None)
        return self._together.setdefault(tuple(map(id, some)), some)

    def _fit(self, cell: Cell) -> Work | None:
        row = cell.row
        if not issubclass(row.cls, Trainable):
            return None
        if row.tune is None:
            model = cell.model(cell.common.denoiser(row))
            missing = set() if model is None or self._holds("model", model.key) else {model.key}
            shared, count = "", len(missing - self.models)
        else:
            shared, missing = f"{row.label} {cell.seed} {[s.key for s in cell.first_training]}", set[str]()
            count = 0 if shared in self.models else self._models_left(cell, row.tune)
        self.models |= {shared, *missing}
        if not count:
            return None
        return self._once(
            cell,
            f"fit {count}",
            lambda: Work("model", row.cls.name, row.params, False, *self._bytes(*cell.first_training), count),
        )

    def _tries(self, cell: Cell) -> Work | None:
        row, validation = cell.row, cell.validation
        if not (row.tune and validation and (left := self._trials(cell))):
            return None
        return self._once(
            cell,
            f"try {left}",
            lambda: Work("prediction", row.cls.name, _known(row), True, *self._bytes(validation), left),
        )

    def _predicted(self, cell: Cell) -> bool:
        """Whether what a row makes of its cases is there; of one that is tuned nobody knows yet what it makes."""
        known = self._any_prediction and not (cell.row.tune and cell.validation)
        return known and self._holds("prediction", cell.prediction_key())

    def _prediction(self, cell: Cell) -> Work | None:
        if self._predicted(cell):
            return None
        row = cell.row
        repeats = cell.suite.resources.repeats
        return self._once(
            cell,
            "prediction",
            lambda: Work("prediction", row.cls.name, _known(row), False, *self._bytes(cell.test), 1, repeats),
        )

    def _scored_tries(self, cell: Cell) -> Work | None:
        validation = cell.validation
        if not (cell.row.tune and validation and (left := self._trials(cell))):
            return None
        return self._once(
            cell,
            f"score {left} trials",
            lambda: Work("scores", _metrics(cell.objective), {}, True, *self._bytes(validation), left),
        )

    def _score(self, cell: Cell) -> Work:
        return self._once(
            cell, "score", lambda: Work("scores", _metrics(*cell.suite.metrics), {}, False, *self._bytes(cell.test))
        )

    @cached_property
    def _any_prediction(self) -> bool:
        return bool(self._own("prediction")) or (self.shelf is not None and not self.shelf.is_empty("prediction"))

    def _once(self, cell: Cell, what: str, make: Callable[[], Work]) -> Work:
        """Return work that is the same for every seed of a row at a noise level."""
        place = (what, id(cell.row), id(cell.test))
        if place not in self._alike:
            self._alike[place] = make()
        return self._alike[place]

    def _trials(self, cell: Cell) -> int:
        """Return how many trials a cell has left; of a search all, for what it tries depends on what it finds."""
        assert cell.row.tune is not None
        return len(self._unscored(cell)) if self._tells(cell.row.tune) else trials(cell.row.tune)

    def _models_left(self, cell: Cell, tune: Tune) -> int:
        """Return how many models the trials of a cell are still to be fitted."""
        if not self._tells(tune):
            return trials(tune)
        keys = {model.key for denoiser in self._unscored(cell) if (model := cell.model(denoiser)) is not None}
        missing = {key for key in keys - self.models if not self._holds("model", key)}
        self.models |= missing
        return len(missing)

    def _tells(self, tune: Tune) -> bool:
        """Whether the run's own cache can tell what is left of a search."""
        return tune.search == "exhaustive" and self._any_score

    @cached_property
    def _any_score(self) -> bool:
        return (self.store.cache.folder / "scores").exists()

    def _unscored(self, cell: Cell) -> list[Denoiser]:
        """Return the methods of the trials that are left, as far as the run's own cache tells."""
        if cell.key not in self._left:
            self._left[cell.key] = remaining(cell, self.store.cache)
        return self._left[cell.key]

    def _bytes(self, *sets: CaseSet) -> tuple[float | None, bool]:
        """Return how many bytes of observations sets hold, and whether that is sure; None where it is unknown."""
        total, sure = 0.0, True
        for each in sets:
            known = self.rates.observation_bytes(each.dataset.name, each.dataset.params)
            if known is None:
                return None, False
            total += known[0] * len(each.members)
            sure = sure and known[1]
        return total, sure


def _metrics(*metrics: MetricEntry) -> str:
    return scores_name(metric.component.name for metric in metrics)


def _known(row: DenoiserEntry) -> dict[str, Any]:
    """Return the parameters of a row that are known, with the way of its maps where there is one."""
    return {**row.params, **({MAPS: row.maps[0].label} if len(row.maps) == 1 else {})}


def _together(estimates: Sequence[Estimate]) -> Estimate:
    """Return the estimate of several pieces of work: as good as the worst of them, unknown where one is."""
    basis: Basis = max((estimate.basis for estimate in estimates), key=_WORST.index, default="same")
    peaks = [estimate.peak_memory_mib for estimate in estimates if estimate.peak_memory_mib is not None]
    return Estimate(
        basis,
        reduce(Span.__add__, (estimate.seconds for estimate in estimates), Span()),
        reduce(Span.__add__, (estimate.size for estimate in estimates), Span()),
        max((estimate.longest_s for estimate in estimates), default=0.0),
        max(peaks, default=None),
    )


def free_bytes(folder: Path) -> int:
    """Return how much is free on the disk where a folder lies, or would."""
    return shutil.disk_usage(next(path for path in (folder, *folder.absolute().parents) if path.exists())).free
