"""What a run would take: the work that is left of a plan, and its time, memory and bytes from what was done before."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

from ctpbench.contract.components import Trainable
from ctpbench.running.cases import CaseSet
from ctpbench.running.cell import Cell
from ctpbench.running.costs import folders_beside, read_costs, scores_name
from ctpbench.running.rates import Basis, Estimate, Rates, Span, Work
from ctpbench.running.store import Store
from ctpbench.running.work import Stage
from ctpbench.suite.entries import MAPS, Tune

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


def forecast(cells: Sequence[Cell], store: Store, threads: int, hardware: str, jobs: int) -> Forecast:
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
    """
    own, beside = read_costs(store.folder), [read_costs(folder) for folder in folders_beside(store.folder)]
    rates = Rates(own, [cost for costs in beside for cost in costs], threads, hardware)
    left = _Left(cells, store, rates)
    each = {cell.key: left.of_cell(cell) for cell in cells}
    work = [*left.shared(), *(one for some in each.values() for one in some)]
    estimates = {id(one): rates.estimate(one) for one in work}
    size: dict[Stage, Span] = {}
    pieces: Counter[Stage] = Counter()
    for one in work:
        pieces[one.stage] += one.count
        if not (one.trial and one.stage == "prediction"):  # those of trials are thrown away
            size[one.stage] = size.get(one.stage, Span()) + estimates[id(one)].size
    return Forecast(
        cells={key: _together([estimates[id(one)] for one in some]) for key, some in each.items()},
        shared=[estimates[id(one)] for one in left.shared()],
        seconds=reduce(Span.__add__, (estimate.seconds for estimate in estimates.values()), Span()),
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
    """The work that is left of a plan, each piece once whichever cells ask for it."""

    cells: Sequence[Cell]
    store: Store
    rates: Rates
    models: set[str] = field(default_factory=set)
    _shared: list[Work] | None = None

    def shared(self) -> list[Work]:
        """Return the cases and references that are not there."""
        if self._shared is None:
            self._shared = [*self._data(), *self._references()]
        return self._shared

    def _data(self) -> Iterator[Work]:
        asked = (each for cell in self.cells for each in (cell.test, cell.validation, *cell.first_training) if each)
        sets = {id(each): each for each in asked}
        missing = {key: of for of, each in sets.items() for key in each.keys if not self.store.cache.holds("data", key)}
        for of, count in Counter(missing.values()).items():
            spec = sets[of].dataset
            yield Work("data", spec.name, spec.params, trial=False, amount=None, count=count)

    def _references(self) -> Iterator[Work]:
        known: set[tuple[int, str]] = set()
        for cell in self.cells:
            for cases in (cell.test, cell.validation):
                for maps in cell.row.maps if cases else ():
                    assert cases is not None
                    if (id(cases), maps.label) in known:
                        continue
                    known.add((id(cases), maps.label))
                    if not self.store.cache.holds("reference", cell.reference(cases, maps).key):
                        yield Work("reference", maps.label, {}, False, *self._bytes(cases))

    def of_cell(self, cell: Cell) -> list[Work]:
        """Return a cell's own work; a model that an earlier cell asks for as well is that cell's."""
        return [*self._fits(cell), *self._predictions(cell), *self._scores(cell)]

    def _fits(self, cell: Cell) -> Iterator[Work]:
        row = cell.row
        if not issubclass(row.cls, Trainable):
            return
        amount = self._bytes(*cell.first_training)
        if row.tune is None:
            model = cell.model(row.component())
            if model is not None and model.key not in self.models and not self.store.cache.holds("model", model.key):
                self.models.add(model.key)
                yield Work("model", row.cls.name, row.params, False, *amount)
        elif (shared := f"{row.label} {cell.seed} {[s.key for s in cell.first_training]}") not in self.models:
            self.models.add(shared)
            yield Work("model", row.cls.name, row.params, False, *amount, trials(row.tune))

    def _predictions(self, cell: Cell) -> Iterator[Work]:
        row = cell.row
        params: dict[str, Any] = {**row.params, **({MAPS: row.maps[0].label} if len(row.maps) == 1 else {})}
        if row.tune and cell.validation:
            amount = self._bytes(cell.validation)
            yield Work("prediction", row.cls.name, params, True, *amount, trials(row.tune))
        elif (self.store.cache.folder).exists():
            made = cell.prediction(row.component(), cell.test, row.maps[0], trial=False)
            if self.store.cache.holds("prediction", made.key):
                return
        repeats = cell.suite.resources.repeats
        yield Work("prediction", row.cls.name, params, False, *self._bytes(cell.test), 1, repeats)

    def _scores(self, cell: Cell) -> Iterator[Work]:
        if cell.row.tune and cell.validation:
            name = scores_name([cell.objective.component.name])
            yield Work("scores", name, {}, True, *self._bytes(cell.validation), trials(cell.row.tune))
        name = scores_name(metric.component.name for metric in cell.suite.metrics)
        yield Work("scores", name, {}, False, *self._bytes(cell.test))

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
