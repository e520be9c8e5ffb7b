"""Runs that may be compared become one results tree: the union of their cells, each with the run it came from.

A row that two runs have is there once where it is the same: the same method, version and parameters, and where both
ran a cell, the same key. The first run's cell is then taken. Controls are once, too. Any other row that has the label
of an earlier run's keeps its own behind it, in brackets, with the name of its run: nothing is dropped in silence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from ctpbench.contract.control import NOISELESS, UNFILTERED
from ctpbench.errors import ResultError
from ctpbench.outcome.cells import unique
from ctpbench.outcome.comparable import PROTOCOL, hardware_note, protocol_of, why_not
from ctpbench.outcome.joined import Part, level, row_facts
from ctpbench.outcome.joined import joined as joined_groups
from ctpbench.outcome.netcdf import attribute, plain
from ctpbench.outcome.results import FORMAT
from ctpbench.outcome.variables import MISSING

MERGED = "merged"
"""The attribute that lists the runs that results were joined from."""
_KEPT = ("suite", "suite_sha256", "ctpbench", "plugins", "packages", "python", "system", "git", "cpu", "gpu", "sandbox")
_CONTROLS = (UNFILTERED, NOISELESS)


@dataclass(frozen=True)
class Merged:
    """Results of several runs in one tree, and in one line each what was done with rows of one label."""

    tree: xr.DataTree
    remarks: tuple[str, ...]


def merge(runs: Mapping[str, xr.DataTree], title: str) -> Merged:
    """Join the results of runs, by name, the first with a say over the others.

    Parameters
    ----------
    runs : mapping of str to DataTree
    title : str
        What the joined results are called.

    Raises
    ------
    ResultError
        With one line for each run that may not be compared with those before it.
    """
    faults: dict[str, str] = {}
    for place, name in enumerate(runs):
        sound = [other for other in list(runs)[:place] if other not in faults]
        reasons = {other: why_not(runs[other], runs[name], (other, name)) for other in sound}
        for other in [other for other, why in reasons.items() if why][:1]:
            faults[name] = f"{name} cannot be joined with {other}: {reasons[other]}"
    if faults:
        raise ResultError("\n".join(faults.values()))
    labels, remarks = _labels(runs)
    datasets = unique(label for tree in runs.values() for label in tree.children)
    nodes: dict[str, xr.Dataset] = {"/": xr.Dataset(attrs=_attrs(runs, title))}
    for dataset in map(str, datasets):
        parts = [
            Part(name, node, node.to_dataset(inherit=False), labels[name])
            for name, tree in runs.items()
            if (node := tree.children.get(dataset)) is not None
        ]
        nodes |= {f"/{dataset}/{name}".rstrip("/"): group for name, group in joined_groups(parts).items()}
    note = hardware_note(runs)
    return Merged(xr.DataTree.from_dict(nodes), (*remarks, *([note] if note else [])))


def _labels(runs: Mapping[str, xr.DataTree]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Return what each run's rows are called in the whole, and a line for each label that several runs have."""
    groups: dict[
        str, list[tuple[str, list[str]]]
    ] = {}  # of each label: what a row is called, and the runs that have it
    found: dict[str, dict[str, str]] = {name: {} for name in runs}
    remarks: list[str] = []
    taken = {
        str(label)
        for tree in runs.values()
        for node in tree.children.values()
        for label in node.coords["config"].values
    }
    for name, tree in runs.items():
        for label in map(str, unique(row for node in tree.children.values() for row in node.coords["config"].values)):
            known = groups.setdefault(label, [])
            same = (each for each in known if all(_same_row(runs[run], tree, label) for run in each[1]))
            group = next(same, None)
            if not known:
                shown = label
                known.append((shown, [name]))
            elif group is None:
                shown = _free(f"{label} [{name}]", taken)
                remarks.append(f"{label}: another one in {name} than in {known[0][1][0]}; it is called {shown}")
                known.append((shown, [name]))
            else:
                shown = group[0]
                remarks.append(f"{label}: in {name} as in {group[1][0]}; its cells are there once")
                group[1].append(name)
            found[name][label] = shown
    return found, remarks


def _free(label: str, taken: set[str]) -> str:
    """Return a label that no row has, which is the given one where that is free, and take it."""
    while label in taken:
        label += "'"
    taken.add(label)
    return label


def _same_row(one: xr.DataTree, other: xr.DataTree, label: str) -> bool:
    """Whether a label stands for the same method in two runs, and for the same work where both did a cell."""
    for dataset in one.children.keys() & other.children.keys():
        groups = [tree.children[dataset].to_dataset(inherit=False) for tree in (one, other)]
        if any(label not in group["config"].values for group in groups):
            continue
        rows = [group.sel(config=label) for group in groups]
        facts = [row_facts(row) for row in rows]
        if facts[0]["method"] in _CONTROLS and facts[0]["method"] == facts[1]["method"]:
            continue
        if facts[0] != facts[1]:
            return False
        keys = [
            {
                (level(noise), int(seed)): str(row["key"].transpose("noise", "seed").values[j, k])
                for j, noise in enumerate(row["noise"].values)
                for k, seed in enumerate(row["seed"].values)
                if str(row["status"].transpose("noise", "seed").values[j, k]) != MISSING
            }
            for row in rows
        ]
        if any(keys[0][cell] != keys[1][cell] for cell in keys[0].keys() & keys[1].keys()):
            return False
    return True


def _attrs(runs: Mapping[str, xr.DataTree], title: str) -> dict[str, Any]:
    """Return the root's attributes: what the runs have in common, and of each where it comes from."""
    trees = list(runs.values())
    said = [protocol_of(tree, name) for name, tree in runs.items()]
    protocols = sorted(said, key=lambda each: each["core"] is None)  # those that say all come first
    datasets = {label: each for found in reversed(protocols) for label, each in found["datasets"].items()}
    origins = [
        origin
        for name, tree in runs.items()
        for origin in (
            json.loads(str(tree.attrs[MERGED]))
            if MERGED in tree.attrs
            else [{"run": name, **{key: plain(tree.attrs[key]) for key in _KEPT if key in tree.attrs}}]
        )
    ]
    common = {
        str(key): value
        for key, value in trees[0].attrs.items()
        if all(str(tree.attrs.get(key)) == str(value) for tree in trees)
    }
    own = {
        "suite": title,
        PROTOCOL: {**protocols[0], "datasets": datasets},
        MERGED: list({json.dumps(each): each for each in origins}.values()),
        "format": FORMAT,
    }
    every: dict[str, Any] = {**common, "suite_text": "", "suite_sha256": "", **own}
    return {key: attribute(value) for key, value in every.items()}
