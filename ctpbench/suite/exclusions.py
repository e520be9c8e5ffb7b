"""The cells that a suite leaves out: read, and held against the cells that there are."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from ctpbench.suite.entries import Exclusion, Suite
from ctpbench.text import did_you_mean, shown
from ctpbench.written.document import Place
from ctpbench.written.faults import Faults, listed


def read_exclusions(faults: Faults) -> dict[Place, Exclusion]:
    """Return the sound ones with their places, after noting what is wrong with the others."""
    items: list[Any] = faults.section("exclude", list[Any], [])
    taken = {}
    for index, item in enumerate(items):
        place: Place = ("exclude", index)
        exclusion: Exclusion | None = faults.take(Exclusion, item, place, None)
        if exclusion is not None:
            taken[place] = exclusion
    return taken


def check_exclusions(exclusions: Mapping[Place, Exclusion], suite: Suite, faults: Faults) -> None:
    """Note exclusions that name what the suite has not, that leave nothing out, or that leave nothing."""
    levels = dict.fromkeys(level for entry in suite.datasets for level in entry.noise)
    known: dict[str, Sequence[Any]] = {
        "dataset": [entry.label for entry in suite.datasets],
        "denoiser": list(dict.fromkeys(name for row in suite.denoisers for name in (row.label, row.name))),
        "noise": [level for level in levels if level is not None],
        "seed": suite.seeds,
    }
    cells = [
        (entry.label, row, noise, seed)
        for entry in suite.datasets
        for noise, row, seed in itertools.product(entry.noise, suite.denoisers, suite.seeds)
        if not entry.train_only
    ]
    for place, exclusion in exclusions.items():
        before = len(faults.found)
        for key, named in exclusion.named.items():
            for got in named:
                if got not in known[key]:
                    near = did_you_mean(got, known[key]) if isinstance(got, str) else ""
                    faults.add((*place, key), f"the suite has no {key} {shown(got)}{near}; it has {listed(known[key])}")
        if len(faults.found) == before and not any(exclusion.matches(*cell) for cell in cells):
            faults.add(place, "matches no cell: no dataset of the suite has that combination")
    if cells and all(any(exclusion.matches(*cell) for exclusion in exclusions.values()) for cell in cells):
        faults.add(("exclude",), "leaves no cell to run")
