"""From a suite to cells, and from a cell to the pieces of work it needs, each with its content key."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from itertools import product
from typing import Any

import ctpbench.perfusion
import ctpbench.running.estimation
from ctpbench.contract.components import Dataset, Denoiser, Split, Trainable
from ctpbench.errors import DataError, InputError
from ctpbench.plugins import code_hash
from ctpbench.running.stages import file_name
from ctpbench.running.store import Stage
from ctpbench.running.work import ComponentSpec, Item, digest
from ctpbench.suite.entries import DatasetEntry, DenoiserEntry, MetricEntry, Suite
from ctpbench.text import level_text

_FORMAT = 2  # raise when a stage's files or its computation change in a way that no code hash below sees
Inputs = dict[str, tuple[Stage, str, str]]


@dataclass(frozen=True)
class CaseSet:
    """The cases of one split of one dataset at one noise level; `keys` are those of their data entries."""

    label: str
    dataset: ComponentSpec
    split: Split
    noise: float | None
    cases: tuple[str, ...]
    keys: tuple[str, ...]

    @property
    def key(self) -> str:
        return digest(self.cases, self.keys)

    def items(self) -> list[Item]:
        """Return the work that loads the cases. All noise levels of a case share a process, and what it caches."""
        return [
            Item(
                "data",
                key,
                {"dataset": self.dataset, "case": case, "noise": self.noise},
                group=f"data {self.label} {case}",
                label=f"{level_text(self.label, self.noise)}, {case}",
            )
            for case, key in zip(self.cases, self.keys, strict=True)
        ]

    def without(self, cases: Container[str]) -> CaseSet:
        """Return the set without some of its cases."""
        kept = [(case, key) for case, key in zip(self.cases, self.keys, strict=True) if case not in cases]
        return replace(self, cases=tuple(case for case, _ in kept), keys=tuple(key for _, key in kept))

    @property
    def names(self) -> tuple[str, ...]:
        """What the cases are called among those of other noise levels."""
        return tuple(level_text(case, self.noise) for case in self.cases)

    def observations(self, names: tuple[str, ...] = ()) -> Inputs:
        """Return the inputs that name the observations, and nothing else; `names` in place of the cases' ids."""
        return {
            f"observation/{case}": ("data", key, "observation.npz")
            for case, key in zip(names or self.cases, self.keys, strict=True)
        }

    def truths(self, names: tuple[str, ...] = ()) -> Inputs:
        """Return the inputs that name the truths."""
        return {
            f"truth/{case}": ("data", key, "truth.npz")
            for case, key in zip(names or self.cases, self.keys, strict=True)
        }


@dataclass(frozen=True)
class Cell:
    """One row at one noise level of one dataset with one seed."""

    suite: Suite
    dataset: str
    noise: float | None
    row: DenoiserEntry
    seed: int
    test: CaseSet
    validation: CaseSet | None
    train: tuple[CaseSet, ...]
    """The training split at each noise level of the dataset it learns from; empty where the row does not learn."""

    @property
    def label(self) -> str:
        return f"{level_text(self.dataset, self.noise)}: {self.row.label}, seed {self.seed}"

    @cached_property
    def key(self) -> str:
        """The key of the record: all that decides it, and the labels it is filed under."""
        train = _joint_key(self.train if self.row.tune else self.training(self.row.component()))
        sets = [self.test.key, self.validation.key if self.validation else None, train]
        method = self.row.cls
        metrics = [(m.label, ComponentSpec.of(m.component).identity) for m in self.suite.metrics]
        return digest(
            _FORMAT, "cell", self.dataset, self.noise, self.row.label, self.seed, sets, method.name, method.version,
            code_hash(method), dict(self.row.params), repr(self.row.tune), metrics, self._maps, _core_code(),
        )  # fmt: skip

    @cached_property
    def _maps(self) -> dict[str, Any]:
        settings: dict[str, Any] = self.suite.maps.model_dump(mode="json")
        return settings

    def reference(self, cases: CaseSet) -> Item:
        """Return the work that makes the noiseless maps and the scaling factors of a case set."""
        rois = any("rois" in metric.component.needs for metric in self.suite.metrics)
        task = {"cases": cases.cases, "maps": self._maps, "rois": rois}
        inputs = {**cases.observations(), **cases.truths()}
        key = digest(_FORMAT, "reference", cases.key, self._maps, rois, _core_code())
        return Item(
            "reference",
            key,
            task,
            inputs,
            label=f"{level_text(cases.label, cases.noise)}: {cases.split} reference",
        )

    def training(self, denoiser: Denoiser) -> tuple[CaseSet, ...]:
        """Return the case sets that a denoiser learns from: the cell's noise level, or all; none where it does not."""
        if not isinstance(denoiser, Trainable):
            return ()
        noise = self.row.train.noise if self.row.train else self.noise
        return self.train if denoiser.all_levels else tuple(s for s in self.train if s.noise == noise)

    def model(self, denoiser: Denoiser) -> Item | None:
        """Return the work that fits a denoiser, None where there is nothing to learn."""
        sets = self.training(denoiser)
        if not sets:
            return None
        assert isinstance(denoiser, Trainable)
        spec, data = ComponentSpec.of(denoiser), _joint_key(sets)
        cases: tuple[str, ...] = ()
        inputs: Inputs = {}
        for case_set in sets:
            names = case_set.names if len(sets) > 1 else case_set.cases
            cases += names
            inputs |= case_set.observations(names)
            if denoiser.learns_from == "clean":
                inputs |= case_set.truths(names)
        task = {"denoiser": spec, "cases": cases, "seed": self.seed, "data": data}
        key = digest(_FORMAT, "model", data, spec.identity, self.seed)
        return Item("model", key, task, inputs, label=f"{self.label}: fit{self._tried(denoiser)}", alone=True)

    def prediction(self, denoiser: Denoiser, cases: CaseSet, *, trial: bool) -> Item:
        """Return the work that denoises a case set: timed on the test split, quick in a trial."""
        spec, model = ComponentSpec.of(denoiser), self.model(denoiser)
        inputs = cases.observations()
        if model is not None:
            inputs["model"] = ("model", model.key, "")
        task = {
            "denoiser": spec,
            "cases": cases.cases,
            "seed": self.seed,
            "maps": self._maps,
            "timed": not trial,
            "repeats": self.suite.resources.repeats,
            "keep_concentration": not trial or self._trial_needs_concentration,
        }
        upstream = model.key if model else None
        purpose = ComponentSpec.of(self.objective.component).identity if trial else "test"
        key = digest(
            _FORMAT,
            "prediction",
            purpose,
            cases.key,
            upstream,
            spec.identity,
            self.seed,
            self._maps,
            _core_code(),
        )
        group = f"{self.key} trials" if trial else ""
        return Item("prediction", key, task, inputs, group=group, label=f"{self.label}: denoise", alone=not trial)

    def scores(
        self,
        prediction: Item,
        reference: Item,
        scale: Mapping[str, float],
        cases: CaseSet,
        metrics: tuple[MetricEntry, ...],
    ) -> Item:
        """Return the work that scores a prediction."""
        specs = {metric.label: ComponentSpec.of(metric.component) for metric in metrics}
        identities = {label: spec.identity for label, spec in specs.items()}
        answers: Inputs = {
            f"prediction/{case}": ("prediction", prediction.key, file_name(case)) for case in cases.cases
        }
        references: Inputs = {
            f"reference/{case}": ("reference", reference.key, file_name(case)) for case in cases.cases
        }
        inputs = {**cases.observations(), **cases.truths(), **answers, **references}
        task = {"metrics": specs, "cases": cases.cases, "maps": self._maps, "scale": dict(scale)}
        key = digest(_FORMAT, "scores", prediction.key, reference.key, identities)
        group = f"{self.key} scores" if len(metrics) < len(self.suite.metrics) else ""
        return Item("scores", key, task, inputs, group=group, label=f"{self.label}: score")

    def _tried(self, denoiser: Denoiser) -> str:
        """Return the values of the parameters that are tuned, as people read them."""
        values = {name: getattr(denoiser, name) for name in (self.row.tune.parameters if self.row.tune else ())}
        return " " + ", ".join(f"{name}={value}" for name, value in values.items()) if values else ""

    @property
    def objective(self) -> MetricEntry:
        """The metric that tuning goes by."""
        assert self.row.tune is not None
        name = self.row.tune.metric
        return next(metric for metric in self.suite.metrics if metric.label == name)

    @property
    def _trial_needs_concentration(self) -> bool:
        return self.row.tune is not None and any("concentration" in need for need in self.objective.component.needs)


def plan(suite: Suite) -> list[Cell]:
    """Return the suite's cells in order: dataset, noise, row, seed; those it excludes are left out.

    Raises
    ------
    InputError, DataError
        Where a dataset has no case for a split that a row needs, or nothing is left to run.
    """
    levels = {entry.label: _levels(entry, _needed_splits(suite, entry)) for entry in suite.datasets}
    cells = []
    for entry in suite.datasets:
        if entry.train_only:
            continue
        for noise, sets in levels[entry.label].items():
            for row in suite.denoisers:
                for seed in suite.seeds:
                    if any(exclusion.matches(entry.label, row, noise, seed) for exclusion in suite.exclude):
                        continue
                    validation = _needed(sets, "validation", entry.label, row) if row.tune else None
                    school = row.train.dataset if row.train else entry.label
                    learns = issubclass(row.cls, Trainable)
                    train = [_needed(level, "train", school, row) for level in levels[school].values() if learns]
                    test = _needed(sets, "test", entry.label, row)
                    cells.append(Cell(suite, entry.label, noise, row, seed, test, validation, tuple(train)))
    if not cells:
        raise InputError(f"{suite.name}: nothing to run; exclude leaves no cell")
    return cells


def _levels(entry: DatasetEntry, wanted: Sequence[Split]) -> dict[float | None, dict[Split, CaseSet]]:
    """Return the case sets of a dataset by noise level and split."""
    splits = {split: _cases(entry.label, entry.component, split) for split in wanted}
    spec = ComponentSpec.of(entry.component)
    fingerprint = entry.component.fingerprint()
    levels: dict[float | None, dict[Split, CaseSet]] = {noise: {} for noise in entry.noise}
    for noise, (split, cases) in product(entry.noise, splits.items()):
        keys = tuple(digest(_FORMAT, "data", spec.identity, fingerprint, case, noise, _lent_code()) for case in cases)
        levels[noise][split] = CaseSet(entry.label, spec, split, noise, cases, keys)
    return levels


def _joint_key(sets: Sequence[CaseSet]) -> str | None:
    """Return the key of one case set, or of several together."""
    keys = [case_set.key for case_set in sets]
    return digest(keys) if len(keys) > 1 else next(iter(keys), None)


def _needed_splits(suite: Suite, entry: DatasetEntry) -> tuple[Split, ...]:
    scored = not entry.train_only
    tuned = any(row.tune for row in suite.denoisers)
    learning = [row for row in suite.denoisers if issubclass(row.cls, Trainable)]
    trained = any(row.train.dataset == entry.label if row.train else scored for row in learning)
    wanted: dict[Split, bool] = {"train": trained, "validation": scored and tuned, "test": scored}
    return tuple(split for split, needed in wanted.items() if needed)


def _cases(label: str, dataset: Dataset, split: Split) -> tuple[str, ...]:
    cases = tuple(dataset.cases(split))
    if len(set(cases)) < len(cases):
        raise DataError(f"dataset {label}: {split} split names a case twice: {sorted(cases)}")
    return cases


def _needed(sets: Mapping[Split, CaseSet], split: Split, label: str, row: DenoiserEntry) -> CaseSet:
    if not sets[split].cases:
        why = {"validation": "is tuned", "train": "learns", "test": "is scored"}[split]
        raise InputError(
            f"dataset {label}: its {split} split is empty, on which {row.label!r} {why}; "
            "give it cases, or exclude the pair"
        )
    return sets[split]


def _lent_code() -> str:
    """The part of the core that datasets make masks and input functions with."""
    return digest(code_hash(ctpbench.perfusion), code_hash(import_module("ctpbench.scans.inspection")))


def _core_code() -> str:
    """The part of the core that decides maps: a change of it makes cached predictions stale."""
    return digest(code_hash(ctpbench.perfusion), code_hash(ctpbench.running.estimation))
