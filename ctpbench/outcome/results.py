"""Records of finished cells become one xarray tree, and the tree one NetCDF file.

One group per dataset, with the dimensions ``config`` (row labels), ``noise`` (NaN where the suite names
none), ``seed``, ``case``, and ``map``, ``time``, ``frequency`` and ``roi`` where a metric keeps them. Each metric is a
float variable; beside it lie ``status``, ``message``, tuned parameters, timings and memory. A cell without a
record (excluded, or not finished) has the status ``"missing"``, empty texts and NaN. A dataset's group
``trials`` holds what tuning tried, its group ``learning`` what training logged, its group ``inspections`` what was
found out about recorded scans.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from ctpbench.atomic import replacing
from ctpbench.contract.case import MAP_UNITS, MAPS
from ctpbench.errors import ResultError

FORMAT = 1
MISSING = "missing"
CELL_DIMS = ("config", "noise", "seed")
SCORE_DIMS = ("case", "map", "time", "frequency", "roi")

Record = Mapping[str, Any]
Variables = dict[str, xr.Variable]

_ROW_FACTS = ("method", "version", "distribution")
_CELL_FACTS: Mapping[str, tuple[str | float | bool, str, str]] = {  # what a missing cell holds, long name, units
    "status": (MISSING, "how the cell ended", ""),
    "message": ("", "why the cell failed", ""),
    "trained_on": ("", "dataset that the method learnt from, where it is another", ""),
    "left_out": ("", "cases that could not be read, and why", ""),
    "key": ("", "name of the cell's record and log", ""),
    "started": ("", "start of the cell", ""),
    "finished": ("", "end of the cell", ""),
    "device": ("", "device the method ran on", ""),
    "hardware": ("", "processor that the timings were taken on", ""),
    "threads": (np.nan, "threads lent to the cell", "1"),
    "contended": (False, "timed while other cells ran on the same machine", ""),
    "fit_s": (np.nan, "time to train the method", "s"),
    "fit_resumed": (False, "training went on from an attempt cut short, whose time fit_s leaves out", ""),
    "peak_memory_mib": (np.nan, "peak resident memory", "MiB"),
    "peak_device_memory_mib": (np.nan, "peak memory of the accelerator", "MiB"),
}
_CASE_FACTS = {"denoise_s": "time to denoise a case", "maps_s": "time to compute the maps of a case"}
_GROUPS = ("trials", "learning", "inspections")

TAKEN = frozenset(
    {*CELL_DIMS, *SCORE_DIMS, *_ROW_FACTS, *_CELL_FACTS, *_CASE_FACTS, "tuned_parameters", "tuned_at_edge", *_GROUPS}
)
"""Names of the tree's own, which no metric may be called."""


def build(records: Sequence[Record], attrs: Mapping[str, Any]) -> xr.DataTree:
    """Return the results tree of a run.

    Parameters
    ----------
    records : sequence of records
        Those of one plan, in the order the rows shall have: labels keep the order of their first appearance.
    attrs : mapping
        Provenance, which becomes the root's attributes; what is neither text nor number becomes JSON.

    Raises
    ------
    ResultError
        Where two records describe one cell, or a label is taken or not allowed as a name.
    """
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record["dataset"], []).append(record)
    nodes = {"/": xr.Dataset(attrs={key: _flat(value) for key, value in {**attrs, "format": FORMAT}.items()})}
    for label, members in groups.items():
        if "/" in label:
            raise ResultError(f"dataset label {label!r}: holds '/'; give it another label in the suite")
        nodes[f"/{label}"] = _group(label, members)
        if any(record.get("trials") for record in members):
            nodes[f"/{label}/trials"] = _trials(members)
        if any(record.get("learning") for record in members):
            nodes[f"/{label}/learning"] = _learning(members)
        if any(record.get("inspections") for record in members):
            nodes[f"/{label}/inspections"] = _inspections(members)
    return xr.DataTree.from_dict(nodes)


def save(tree: xr.DataTree, path: Path) -> None:
    """Write the tree as NetCDF, whole or not at all."""
    with replacing(path) as temporary:
        tree.to_netcdf(temporary, engine="h5netcdf")


def open_results(path: Path) -> xr.DataTree:
    """Read a results file into memory.

    Raises
    ------
    ResultError
        Where it is missing, not NetCDF, or not of the format this version writes.
    """
    if not path.is_file():
        raise ResultError(f"{path}: no such file; name the results.nc that `ctpbench run` wrote in its folder")
    try:
        with xr.open_datatree(path, engine="h5netcdf") as file:
            tree = file.load()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ResultError(
            f"{path}: not a readable NetCDF file ({_first_line(error)}); run the suite again, finished cells are kept"
        ) from error
    found = tree.attrs.get("format")
    if found != FORMAT:
        raise ResultError(f"{path}: got results of format {found}; allowed: {FORMAT}; run the suite again")
    return tree


@dataclass(frozen=True)
class _Cells:
    """The records of one dataset by their place in the grid; `labels` holds each dimension's coordinate."""

    labels: Mapping[str, tuple[Hashable, ...]]
    records: Mapping[tuple[int, ...], Record]

    @classmethod
    def of(cls, dataset: str, records: Sequence[Record]) -> _Cells:
        labels = {dim: _unique(record[dim] for record in records) for dim in CELL_DIMS}
        labels["case"] = _unique(case for record in records for case in record.get("cases", ()))
        scores = [score for record in records for score in record.get("scores", {}).values()]
        kept = _unique(dim for score in scores for dim in score["dims"] if dim != "case")
        for dim in sorted(kept, key=lambda d: _place(d, SCORE_DIMS)):
            found = _unique(label for score in scores for label in score["coords"].get(dim, ()))
            labels[str(dim)] = _in_order(str(dim), found)
        placed: dict[tuple[int, ...], Record] = {}
        for record in records:
            place = tuple(labels[dim].index(record[dim]) for dim in CELL_DIMS)
            if place in placed:
                raise ResultError(
                    f"records {placed[place]['key']} and {record['key']}: one cell (row {record['config']!r} "
                    f"on {dataset!r}, noise {record['noise']}, seed {record['seed']}); delete the stale one"
                )
            placed[place] = record
        return cls(labels, placed)

    def shape(self, *dims: str) -> tuple[int, ...]:
        return tuple(len(self.labels[dim]) for dim in dims)

    def index(self, dim: str, labels: Iterable[Hashable]) -> list[int]:
        position = {label: place for place, label in enumerate(self.labels[dim])}
        return [position[label] for label in labels]

    def filled(self, fill: Any, values: Mapping[tuple[int, ...], Any], attrs: Mapping[str, str]) -> xr.Variable:
        """One value a cell, (config, noise, seed); `fill` where there is none."""
        grid = np.full(self.shape(*CELL_DIMS), fill, dtype=object if isinstance(fill, str) else type(fill))
        for place, value in values.items():
            if value is not None:
                grid[place] = _clean(value) if isinstance(fill, str) else value
        return xr.Variable(CELL_DIMS, grid, dict(attrs))

    def per_case(self, lists: Mapping[tuple[int, ...], Any], attrs: Mapping[str, str]) -> xr.Variable:
        """One number a case, (config, noise, seed, case); a failed cell's list may end early."""
        grid = np.full(self.shape(*CELL_DIMS, "case"), np.nan)
        for place, numbers in lists.items():
            if numbers:
                cases = self.index("case", self.records[place]["cases"])[: len(numbers)]
                grid[place][cases] = np.array(numbers[: len(cases)], dtype=np.float64)
        return xr.Variable((*CELL_DIMS, "case"), grid, dict(attrs))


def _group(dataset: str, records: Sequence[Record]) -> xr.Dataset:
    cells = _Cells.of(dataset, records)
    metrics = [str(name) for name in _unique(name for r in records for name in r.get("scores", {}))]
    coords = _joined(dataset, _coordinates(cells), _row_coordinates(cells))
    scores = {name: _score(cells, name) for name in metrics}
    variables = _joined(dataset, scores, _measured(cells), _diagnostics(cells), _tuned(cells))
    _joined(dataset, coords, variables, {name: xr.Variable((), 0) for name in _GROUPS})
    return xr.Dataset(variables, coords)


def _joined(dataset: str, *parts: Variables) -> Variables:
    """Return the parts as one; a metric's label is the user's choice and may be taken or not allowed."""
    joined: Variables = {}
    for name, variable in (item for part in parts for item in part.items()):
        if name in joined or "/" in name:
            fault = "holds '/'" if "/" in name else "is taken"
            raise ResultError(
                f"dataset {dataset!r}: the name {name!r} {fault}; give the metric another label in the suite"
            )
        joined[name] = variable
    return joined


def _coordinates(cells: _Cells) -> Variables:
    coords = {dim: xr.Variable(dim, _labels(values)) for dim, values in cells.labels.items()}
    coords["noise"] = xr.Variable("noise", np.array(cells.labels["noise"], dtype=np.float64))
    for dim, units in (("time", "s"), ("frequency", "1/mm")):
        if dim in coords:
            coords[dim].attrs["units"] = units
    return coords


def _row_coordinates(cells: _Cells) -> Variables:
    """Method, version, distribution and one ``parameter_<name>`` for each parameter of any method.

    Where a row's cells differ, one that went well knows best: a failed one may lack what it never came to.
    """
    rows: list[dict[str, str]] = [{} for _ in cells.labels["config"]]
    for place, record in sorted(cells.records.items(), key=lambda item: item[1]["status"] == "ok"):
        facts = {name: str(record[name]) for name in _ROW_FACTS if name in record}
        given = {f"parameter_{name}": _text(value) for name, value in record.get("parameters", {}).items()}
        rows[place[0]] |= {**facts, **given}
    for place, record in cells.records.items():
        rows[place[0]] |= {f"parameter_{name}": "tuned" for name in record.get("tuned", {})}
    names = [str(name) for name in _unique((*_ROW_FACTS, *(name for row in rows for name in row)))]
    return {name: xr.Variable("config", _labels([row.get(name, "") for row in rows])) for name in names}


def _score(cells: _Cells, name: str) -> xr.Variable:
    """One metric, (config, noise, seed, case, ...); scores that apply to no case may lack the other dims."""
    scores = {place: r["scores"][name] for place, r in cells.records.items() if name in r.get("scores", {})}
    arrays = {place: np.array(score["values"], dtype=np.float64) for place, score in scores.items()}
    applicable = [place for place, array in arrays.items() if not np.isnan(array).all()]
    kept = {"case"}.union(*(scores[place]["dims"] for place in applicable or scores))
    dims = [dim for dim in cells.labels if dim in kept]
    grid = np.full(cells.shape(*CELL_DIMS, *dims), np.nan)
    for place in applicable:
        score, record, array = scores[place], cells.records[place], arrays[place]
        coords = {**score["coords"], "case": record["cases"]}
        if set(score["dims"]) != kept or array.shape != tuple(len(coords.get(d, ())) for d in score["dims"]):
            raise ResultError(
                f"record {record['key']}: metric {name!r} has dims {score['dims']}, shape {array.shape}; "
                f"allowed: {dims}, each as long as its coordinate; delete the record and run the suite again"
            )
        index = np.ix_(*(cells.index(dim, coords[dim]) for dim in dims))
        grid[place][index] = array.transpose([score["dims"].index(dim) for dim in dims])
    first = next(iter(scores.values()))
    attrs = {"long_name": first["description"] or name, "units": first["units"], "better": first["better"]}
    if first["units"] == "map":
        attrs |= {f"units_{m}": MAP_UNITS[str(m)] for m in cells.labels.get("map", ()) if m in MAP_UNITS}
    return xr.Variable((*CELL_DIMS, *dims), grid, {key: _clean(text) for key, text in attrs.items()})


def _measured(cells: _Cells) -> Variables:
    """Status, timings, memory and what was tuned."""
    flat = {
        place: {**record, **record.get("timings", {}), "left_out": _told(record.get("left_out", {}))}
        for place, record in cells.records.items()
    }
    variables: Variables = {}
    for name, (fill, long_name, units) in _CELL_FACTS.items():
        attrs = {"long_name": long_name, "units": units} if units else {"long_name": long_name}
        variables[name] = cells.filled(fill, {place: facts.get(name) for place, facts in flat.items()}, attrs)
    for name, long_name in _CASE_FACTS.items():
        lists = {place: facts.get(name) for place, facts in flat.items()}
        variables[name] = cells.per_case(lists, {"long_name": long_name, "units": "s"})
    chosen = {place: _text(record.get("tuned", {})) for place, record in cells.records.items()}
    variables["tuned_parameters"] = cells.filled("", chosen, {"long_name": "tuned parameters, JSON"})
    edges = {place: _text(record.get("tuned_at_edge", [])) for place, record in cells.records.items()}
    long_name = "tuned parameters that ended at an edge of the values tried, JSON"
    variables["tuned_at_edge"] = cells.filled("", edges, {"long_name": long_name})
    return variables


def _diagnostics(cells: _Cells) -> Variables:
    """One ``diagnostic_<name>`` for each number that any method reports about its own work."""
    reports = {place: record.get("diagnostics", {}) for place, record in cells.records.items()}
    return {
        f"diagnostic_{name}": cells.per_case(
            {place: report.get(name) for place, report in reports.items()},
            {"long_name": f"{name}, as the method reports it"},
        )
        for name in _unique(name for report in reports.values() for name in report)
    }


def _tuned(cells: _Cells) -> Variables:
    """One ``tuned_<name>`` for each tuned parameter: float where all its values are numbers, else text."""
    tuned = {place: record.get("tuned", {}) for place, record in cells.records.items()}
    variables: Variables = {}
    for name in _unique(name for chosen in tuned.values() for name in chosen):
        values = {place: chosen[name] for place, chosen in tuned.items() if name in chosen}
        numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values.values())
        texts = {place: _text(value) for place, value in values.items()}
        attrs = {"long_name": f"tuned value of {name}"}
        variables[f"tuned_{name}"] = cells.filled(np.nan if numeric else "", values if numeric else texts, attrs)
    return variables


def _trials(records: Sequence[Record]) -> xr.Dataset:
    """What tuning tried; a cell's labels are ``trial_<dim>``, for the group inherits the plain names."""
    tried = [(record, trial) for record in records for trial in record.get("trials", ())]
    columns = {
        "trial_config": _labels([record["config"] for record, _ in tried]),
        "trial_noise": np.array([record["noise"] for record, _ in tried], dtype=np.float64),
        "trial_seed": np.array([record["seed"] for record, _ in tried]),
        "parameters": _labels([_text(trial["parameters"]) for _, trial in tried]),
        "value": np.array([trial["value"] for _, trial in tried], dtype=np.float64),
        "status": _labels([trial["status"] for _, trial in tried]),
        "message": _labels([trial["message"] for _, trial in tried]),
    }
    return xr.Dataset({name: ("trial", column) for name, column in columns.items()})


def _learning(records: Sequence[Record]) -> xr.Dataset:
    """What training logged, a row for each number: what was not logged at a step, or not finite, is left out."""
    logged = [
        (record, quantity, step, value)
        for record in records
        for curve in [record.get("learning") or {}]
        for quantity, values in curve.items()
        for step, value in zip(curve["step"], values, strict=True)
        if quantity != "step" and value is not None
    ]
    columns = {
        "learning_config": (_labels([record["config"] for record, *_ in logged]), {}),
        "learning_noise": (np.array([record["noise"] for record, *_ in logged], dtype=np.float64), {}),
        "learning_seed": (np.array([record["seed"] for record, *_ in logged], dtype=np.int64), {}),
        "quantity": (_labels([quantity for _, quantity, *_ in logged]), {"long_name": "what training logged"}),
        "step": (np.array([step for *_, step, _ in logged]), {"long_name": "step of training"}),
        "value": (np.array([value for *_, value in logged]), {"long_name": "its value at that step"}),
    }
    return xr.Dataset({name: ("point", column, attrs) for name, (column, attrs) in columns.items()})


def _inspections(records: Sequence[Record]) -> xr.Dataset:
    """What was found out about recorded scans: a row for each scan and noise level, a variable for each fact."""
    scans = {
        (case, record["noise"]): facts for record in records for case, facts in record.get("inspections", {}).items()
    }
    names = [str(name) for name in _unique(name for facts in scans.values() for name in facts)]
    columns: dict[str, npt.NDArray[Any]] = {
        "inspected_case": _labels([case for case, _ in scans]),
        "inspected_noise": np.array([noise for _, noise in scans], dtype=np.float64),
    }
    for name in names:
        values = [facts.get(name) for facts in scans.values()]
        is_text = any(isinstance(value, str) for value in values)
        columns[name] = _labels([value or "" for value in values]) if is_text else np.array(values, dtype=np.float64)
    return xr.Dataset({name: ("scan", column) for name, column in columns.items()})


def _told(reasons: Mapping[str, str]) -> str:
    return "; ".join(f"{what}: {why}" for what, why in reasons.items())


def _labels(values: Sequence[Hashable]) -> npt.NDArray[Any]:
    """Return labels as an array: numbers as they are, anything else as text objects."""
    if values and all(isinstance(value, int | float) for value in values):
        return np.array(values)
    return np.array([_clean(str(value)) for value in values], dtype=object)


def _unique(values: Iterable[Hashable]) -> tuple[Hashable, ...]:
    return tuple(dict.fromkeys(values))


def _in_order(dim: str, labels: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
    """Maps in their usual order and times increasing, whichever metric names them first."""
    if dim == "map":
        return tuple(sorted(labels, key=lambda label: _place(label, MAPS)))
    return tuple(sorted(labels, key=lambda t: float(str(t)))) if dim in ("time", "frequency") else labels


def _place(label: Hashable, order: Sequence[str]) -> int:
    return order.index(str(label)) if label in order else len(order)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _flat(value: Any) -> str | int | float:
    """Return what a NetCDF attribute can hold: numbers as they are, text, and the rest as JSON."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else _clean(_text(value))


def _clean(text: str) -> str:
    """Return text that HDF5 can hold: a crashed process may leave NULs and broken UTF-8 in a message."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
