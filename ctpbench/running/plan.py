"""From a suite to the cells of its grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from ctpbench.contract.components import Dataset, Split, Trainable
from ctpbench.errors import DataError, InputError
from ctpbench.running.cases import CaseSet, Member
from ctpbench.running.cell import Cell
from ctpbench.running.common import Common
from ctpbench.running.keys import stage_key
from ctpbench.running.work import ComponentSpec
from ctpbench.suite.entries import DatasetEntry, DenoiserEntry, Suite
from ctpbench.text import did_you_mean, plain_text

Levels = Mapping[float | None, Mapping[Split, CaseSet]]


def plan(suite: Suite) -> list[Cell]:
    """Return the suite's cells in order: dataset, noise, row, seed; those it excludes are left out.

    Raises
    ------
    InputError, DataError
        Where a dataset has no case for a split that a row needs, or nothing is left to run.
    """
    levels = {entry.label: _levels(entry, _needed_splits(suite, entry), suite.replicates) for entry in suite.datasets}
    cells: list[Cell] = []
    common = Common()
    for entry in suite.datasets:
        if entry.train_only:
            continue
        for noise, row in product(levels[entry.label], suite.denoisers):
            seeds = [
                seed
                for seed in suite.seeds
                if not any(exclusion.matches(entry.label, row, noise, seed) for exclusion in suite.exclude)
            ]
            if seeds:
                sets = _sets(entry.label, noise, row, levels)
                cells += [Cell(suite, entry.label, noise, row, seed, *sets, common) for seed in seeds]
    if not cells:
        raise InputError(f"{suite.name}: nothing to run; exclude leaves no cell")
    return cells


def select(cells: Sequence[Cell], only: Sequence[str]) -> list[Cell]:
    """Return the cells whose method, row label or dataset is among `only`; all where it is empty.

    Raises
    ------
    InputError
        Where the suite has no such name.
    """
    if not only:
        return list(cells)
    known = {name for cell in cells for name in _names(cell)}
    for name in only:
        if name not in known:
            hint = did_you_mean(name, known)
            raise InputError(f"--only: the suite has no {name!r}{hint}; it has {', '.join(sorted(known))}")
    return [cell for cell in cells if _names(cell) & set(only)]


def _names(cell: Cell) -> set[str]:
    return {cell.row.name, cell.row.label, cell.dataset}


def _sets(
    dataset: str, noise: float | None, row: DenoiserEntry, levels: Mapping[str, Levels]
) -> tuple[CaseSet, CaseSet | None, tuple[CaseSet, ...]]:
    """Return what a row needs at a noise level: the test split, the validation split, the training split."""
    sets = levels[dataset][noise]
    learns_on = row.train.dataset if row.train else dataset
    learns = issubclass(row.cls, Trainable)
    return (
        _needed(sets, "test", dataset, row),
        _needed(sets, "validation", dataset, row) if row.tune else None,
        tuple(_needed(level, "train", learns_on, row) for level in levels[learns_on].values() if learns),
    )


def _levels(entry: DatasetEntry, wanted: Sequence[Split], replicates: int) -> Levels:
    """Return the case sets of a dataset by noise level and split; the test split's with every draw of the noise."""
    splits = {split: _cases(entry.label, entry.component, split) for split in wanted}
    patients = _patients(entry, splits)
    spec = ComponentSpec.of(entry.component)
    fingerprint = entry.component.fingerprint()
    if not isinstance(fingerprint, str):
        raise DataError(f"dataset {entry.label}: fingerprint: got {type(fingerprint).__name__}; allowed: text")
    levels: dict[float | None, dict[Split, CaseSet]] = {noise: {} for noise in entry.noise}
    for noise, (split, cases) in product(entry.noise, splits.items()):
        draws = range(replicates if split == "test" and noise is not None else 1)
        members = tuple(
            Member(case, draw, patients[case], stage_key("data", spec.identity, fingerprint, case, noise, draw))
            for case, draw in product(cases, draws)
        )
        case_set = CaseSet(entry.label, spec, split, noise, members, entry.axis)
        if len(set(case_set.cases)) < len(members):
            raise DataError(
                f"dataset {entry.label}: {split} split: got a case whose id is what another's draw is called, such as "
                "'x #2' beside 'x'; allowed: ids that do not end so; leave replicates out, or rename the case"
            )
        levels[noise][split] = case_set
    return levels


def _patients(entry: DatasetEntry, splits: Mapping[Split, Sequence[str]]) -> dict[str, str]:
    """Return whose each case is; a patient in two splits would let a method learn what it is tested on."""
    patients: dict[str, str] = {}
    home: dict[str, Split] = {}
    for split, cases in splits.items():
        for case in cases:
            patient = entry.component.patient(case)
            if not (isinstance(patient, str) and patient and plain_text(patient, len(patient)) == patient):
                raise DataError(f"dataset {entry.label}: patient({case!r}): got {patient!r}; allowed: text")
            if home.setdefault(patient, split) != split:
                raise DataError(
                    f"dataset {entry.label}: patient {patient!r} is in the splits {home[patient]} and {split}; "
                    "allowed: each patient in one; mend the dataset, or the lists of cases it is given"
                )
            patients[case] = patient
    return patients


def _needed_splits(suite: Suite, entry: DatasetEntry) -> tuple[Split, ...]:
    scored = not entry.train_only
    tuned = any(row.tune for row in suite.denoisers)
    learning = [row for row in suite.denoisers if issubclass(row.cls, Trainable)]
    trained = any(row.train.dataset == entry.label if row.train else scored for row in learning)
    wanted: dict[Split, bool] = {"train": trained, "validation": scored and tuned, "test": scored}
    return tuple(split for split, needed in wanted.items() if needed)


def _cases(label: str, dataset: Dataset, split: Split) -> tuple[str, ...]:
    cases = tuple(dataset.cases(split))
    wrong = [case for case in cases if not (isinstance(case, str) and case and plain_text(case, len(case)) == case)]
    if wrong:
        raise DataError(f"dataset {label}: {split} split: got case {wrong[0]!r}; allowed: text of whole characters")
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
