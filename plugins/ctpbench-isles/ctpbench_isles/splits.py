"""Which cases train, validate and test: by patient, as listed or drawn by a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ctpbench import DataError, Split

Splits = dict[Split, list[str]]


def listed(cases: Sequence[str], lists: Mapping[Split, Sequence[str]], source: str) -> Splits:
    """Return the cases that `lists` name for each split.

    Raises
    ------
    DataError
        Where one is not among `cases`; names `source`.
    """
    known = set(cases)
    for split, names in lists.items():
        unknown = [name for name in names if name not in known]
        if unknown:
            raise DataError(
                f"{source}: {split}_cases: got {', '.join(map(repr, unknown[:5]))}; allowed: {summary(cases)}"
            )
    return {split: list(names) for split, names in lists.items()}


def drawn(patients: Mapping[str, str], validation_share: float, test_share: float, seed: int) -> Splits:
    """Return the cases of each split, all of one patient in the same.

    Parameters
    ----------
    patients : mapping
        Of each case, whose it is.
    validation_share, test_share : float
        Of the patients, rounded. A share above 0 gives one patient at least: to the test split first, to validation
        where a patient is then left to train.
    seed : int
    """
    people = sorted(set(patients.values()))
    order = [people[n] for n in np.random.default_rng(seed).permutation(len(people))]
    tests = min(len(order), max(1, round(test_share * len(order)))) if test_share > 0 else 0
    rest = len(order) - tests
    wanted = max(1, round(validation_share * len(order))) if validation_share > 0 else 0
    validations = min(wanted, max(rest - 1, 0)) if validation_share + test_share < 1 else rest
    groups: dict[Split, set[str]] = {
        "test": set(order[:tests]),
        "validation": set(order[tests : tests + validations]),
        "train": set(order[tests + validations :]),
    }
    return {split: [case for case, who in patients.items() if who in group] for split, group in groups.items()}


def summary(cases: Sequence[str]) -> str:
    """Return how many cases there are, and which for example."""
    shown = cases if len(cases) <= 4 else [*cases[:2], "...", cases[-1]]
    return f"{len(cases)} case{'' if len(cases) == 1 else 's'}: {', '.join(shown)}"
