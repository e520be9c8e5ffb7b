"""May the scores of two runs be held against each other? If not, why not, in one line.

What decides is what was declared: data set, parameters, split, metrics and maps must be the same. Where the code behind
them differs, as between two releases, a control that both ran must have scored alike: it is the same method on the same
data, so that whatever it scores otherwise comes of the code. Results of before the protocol was kept do not say which
code it was, nor all parameters: the control `none` must then show that they are the same, for `noiseless` may score 0
on any data.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ctpbench.contract.control import NOISELESS, UNFILTERED
from ctpbench.errors import ResultError
from ctpbench.outcome.declared import declared
from ctpbench.outcome.rows import endings
from ctpbench.outcome.scores import score_grids
from ctpbench.outcome.variables import axis_of
from ctpbench.text import level_text, shown

PROTOCOL = "protocol"
"""The attribute that holds `ctpbench.running.protocol.protocol` of the run."""
ALIKE = 1e-3
"""How far a control's scores may lie apart, as a share of the largest that a control has: rounding, not method."""
_MACHINE = ("cpu", "gpu", "threads")
_Place = tuple[str, float | None, str]


def protocol_of(tree: xr.DataTree, name: str) -> dict[str, Any]:
    """Return how a run's scores were taken; `name` is what messages call the run.

    Raises
    ------
    ResultError
        Where the results do not say.
    """
    if PROTOCOL not in tree.attrs:
        return declared(tree, name)
    try:
        found: dict[str, Any] = json.loads(str(tree.attrs[PROTOCOL]))
        return {part: found[part] for part in ("datasets", "metrics", "maps", "core")}
    except (KeyError, TypeError, ValueError):
        raise ResultError(
            f"{name}: what its results say of what they were scored on and with cannot be read; "
            "give its run command again: finished cells are kept"
        ) from None


def why_not(one: xr.DataTree, other: xr.DataTree, names: tuple[str, str]) -> str:
    """Return why the scores of two runs may not be compared, in one line; nothing where they may.

    Parameters
    ----------
    one, other : DataTree
        Results, with what `protocol_of` reads.
    names : tuple of two str
        What the line calls them.
    """
    a, b = (protocol_of(tree, name) for tree, name in zip((one, other), names, strict=True))
    shared = [label for label in a["datasets"] if label in b["datasets"]]
    if declared := next(_differences(a, b, shared, names), ""):
        return declared
    apart = _controls_apart(one, other, names)
    if apart:
        return apart[0]
    unsaid = next((name for name, each in zip(names, (a, b), strict=True) if each["core"] is None), None)
    if unsaid is not None:
        shows = _unfiltered(one) & _unfiltered(other)
        if shared and {dataset for dataset, _, _ in shows}.issuperset(shared):
            return ""
        return (
            f"{unsaid} is of an older version, which does not say what code it was scored with, and no row "
            f"{UNFILTERED} that both ran at one level of each data set shows that it scores alike; add {UNFILTERED} to "
            f"both, or run {unsaid} again"
        )
    changed = _code_that_differs(a, b, shared)
    if changed and apart is None:
        return (
            f"{changed} has other code in {names[1]} than in {names[0]}, and no control that both ran at one level "
            f"shows that it scores alike; add {UNFILTERED} or {NOISELESS} to both, or run {names[0]} again"
        )
    return ""


def hardware_note(runs: Mapping[str, xr.DataTree]) -> str:
    """Return a line on runs that were timed on different machines; nothing where all had the same."""
    machines = {name: ", ".join(str(tree.attrs.get(key, "")) for key in _MACHINE) for name, tree in runs.items()}
    if len(set(machines.values())) < 2:
        return ""
    said = "; ".join(f"{name} on {tree.attrs.get('cpu', '?')}" for name, tree in runs.items())
    return f"Timed on different machines, so times and memory do not compare: {said}."


def _differences(
    one: Mapping[str, Any], other: Mapping[str, Any], shared: Iterable[str], names: tuple[str, str]
) -> Iterator[str]:
    """Yield what is declared otherwise, the data first."""
    for label in shared:
        a, b = one["datasets"][label], other["datasets"][label]
        yield from _unlike(f"data set {label!r}", a, b, names)
        if None not in (a["fingerprint"], b["fingerprint"]) and a["fingerprint"] != b["fingerprint"]:
            yield f"data set {label!r}: {names[1]} read other files than {names[0]}"
        if a["cases"] != b["cases"]:
            odd = sorted(dict(a["cases"].items() ^ b["cases"].items()))
            yield f"data set {label!r}: the test split is another one, such as {odd[0]!r}, which one of them lacks"
    for label in dict.fromkeys((*one["metrics"], *other["metrics"])):
        lacks = [name for name, each in zip(names, (one, other), strict=True) if label not in each["metrics"]]
        if lacks:
            yield f"metrics: {lacks[0]} has no {label!r}; add it to its suite and run it: only scores are computed"
    for label in one["metrics"]:
        yield from _unlike(f"metric {label!r}", one["metrics"][label], other["metrics"][label], names)
    ways = [{json.dumps(way, sort_keys=True) for way in each["maps"]} for each in (one, other)]
    for way in sorted(ways[0] ^ ways[1])[:1]:
        has, other_one = names if way in ways[0] else (names[1], names[0])
        by = json.loads(way)["deconvolution"]
        yield f"maps: {other_one} does not compute them as {has} does ({by}); give both the same maps"


def _unlike(what: str, one: Mapping[str, Any], other: Mapping[str, Any], names: tuple[str, str]) -> Iterator[str]:
    """Yield how two components declare themselves otherwise, as far as both say."""
    for key in ("name", "version"):
        if None not in (one[key], other[key]) and one[key] != other[key]:
            yield f"{what}: {key} {one[key]} in {names[0]}, {other[key]} in {names[1]}; run the older one again"
    said = [each["params"].keys() for each in (one, other)]
    whole = None not in (one["version"], other["version"])
    for key in sorted(said[0] | said[1] if whole else said[0] & said[1]):
        a, b = one["params"].get(key), other["params"].get(key)
        if a != b:
            yield f"{what}: {key} is {shown(a)} in {names[0]}, {shown(b)} in {names[1]}"


def _code_that_differs(one: Mapping[str, Any], other: Mapping[str, Any], shared: Iterable[str]) -> str:
    """Return what has other code in two runs; nothing where all is the same."""
    for label in shared:
        if one["datasets"][label]["code"] != other["datasets"][label]["code"]:
            return f"data set {label!r}"
    for label, metric in one["metrics"].items():
        if metric["code"] != other["metrics"][label]["code"]:
            return f"metric {label!r}"
    return "ctpbench itself" if one["core"] != other["core"] else ""


def _controls_apart(one: xr.DataTree, other: xr.DataTree, names: tuple[str, str]) -> list[str] | None:
    """Return how the controls that both ran score otherwise, no line where alike; None where both ran none."""
    controls = [_controls(tree) for tree in (one, other)]
    both = [place for place in controls[0] if place in controls[1]]
    if not both:
        return None
    for column in dict.fromkeys(column for place in both for column in controls[0][place]):
        pairs = {place: [each[place].get(column, np.nan) for each in controls] for place in both}
        most = np.nanmax(np.abs([*pairs.values(), [0.0, 0.0]]))
        for (dataset, noise, config), (a, b) in pairs.items():
            if np.isnan(a) != np.isnan(b) or abs(a - b) > ALIKE * most:
                level = level_text(dataset, noise, axis_of(one[dataset].to_dataset()))
                values = f"{level}: {column} is {a:.6g} in {names[0]}, {b:.6g} in {names[1]}"
                return [f"the control {config!r} does not score alike: {values}; the data or the code are other ones"]
    return []


def _unfiltered(tree: xr.DataTree) -> set[_Place]:
    """Return where the control without any denoising went well."""
    return set(_controls(tree, (UNFILTERED,)))


def _controls(tree: xr.DataTree, methods: Sequence[str] = (UNFILTERED, NOISELESS)) -> dict[_Place, dict[str, float]]:
    """Return the mean scores of the controls that went well, by column, at each data set and noise level."""
    found: dict[_Place, dict[str, float]] = {}
    for dataset, node in tree.children.items():
        data = node.to_dataset(inherit=False)
        places = np.isin(data["method"].values.astype(str), methods)
        controls = data.isel(config=places)
        ended = endings(controls)
        for grid in score_grids(controls):
            for i, j in zip(*np.nonzero(ended == "ok"), strict=True):
                values = grid.values[i, j]
                noise = float(controls["noise"].values[j])
                place = str(dataset), None if np.isnan(noise) else noise, str(controls["config"].values[i])
                mean = float(np.nanmean(values)) if np.isfinite(values).any() else np.nan
                found.setdefault(place, {})[grid.score.column] = mean
    return found
