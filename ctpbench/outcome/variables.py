"""The variables of one dataset's group: its metrics, and beside them how each cell ended and what was measured."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ctpbench.arrays import Float64
from ctpbench.contract.case import MAP_UNITS
from ctpbench.errors import ResultError
from ctpbench.outcome.cells import CELL_DIMS, SCORE_DIMS, Cells, unique
from ctpbench.outcome.netcdf import as_text, label_array, legible
from ctpbench.running.record import Record, ScoreTable
from ctpbench.suite.entries import MAPS
from ctpbench.text import UNKNOWN_AXIS, NoiseAxis

Variables = dict[str, xr.Variable]

MISSING = "missing"
"""The status of a cell without a record."""
PATIENT = "patient"
"""The coordinate that says whose each case is; older results have none."""
FROM_RUN = "from_run"
"""The variable that says which run each cell was taken from, in results that were joined."""
CHILDREN = ("trials", "learning", "inspections", "cases")
"""The groups that a dataset's group may hold."""

_ROW_FACTS = ("method", "version", "distribution", MAPS)
_RECORD_FACTS: Mapping[str, tuple[str, str]] = {  # what a missing cell holds, long name
    "status": (MISSING, "how the cell ended"),
    "message": ("", "why the cell failed"),
    "trained_on": ("", "what the method learnt from, where it is not the training split"),
    "key": ("", "name of the cell's record and log"),
    "seal": ("", "checksum of the cell's record"),
    "started": ("", "start of the cell"),
    "finished": ("", "end of the cell"),
}
_TIMING_FACTS: Mapping[str, tuple[str | float | bool, str, str]] = {  # what a missing cell holds, long name, units
    "device": ("", "device the method ran on", ""),
    "hardware": ("", "processor that the timings were taken on", ""),
    "threads": (np.nan, "threads that the cell could use", "1"),
    "contended": (False, "timed while other cells ran on the same machine", ""),
    "reused": (False, "timed by another run on the same hardware", ""),
    "fit_s": (np.nan, "time to train the method", "s"),
    "own_fit_s": (np.nan, "the same by the clock of the method's own process", "s"),
    "fit_resumed": (False, "training went on from an attempt cut short, whose time fit_s leaves out", ""),
    "fit_reused": (False, "trained by another run on the same hardware", ""),
    "peak_memory_mib": (np.nan, "peak resident memory", "MiB"),
    "peak_device_memory_mib": (np.nan, "peak memory of the accelerator", "MiB"),
    "sandbox": ("", "how far the kernel held the method's process", ""),
}
_CASE_FACTS = {
    "denoise_s": "time to denoise a case",
    "own_denoise_s": "the same by the clock of the method's own process",
    "maps_s": "time to compute the maps of a case",
}
_COLLECTED = {
    "left_out": "cases that could not be read, and why",
    "metric_faults": "metrics that failed, by label, and how, JSON",
    "versions": "versions that the cell was measured with, JSON",
    "tuned_parameters": "tuned parameters, JSON",
    "tuned_at_edge": "tuned parameters that ended at an edge of the values tried, JSON",
}

TAKEN = frozenset(
    {
        PATIENT,
        FROM_RUN,
        *CELL_DIMS,
        *SCORE_DIMS,
        *_ROW_FACTS,
        *_RECORD_FACTS,
        *_TIMING_FACTS,
        *_CASE_FACTS,
        *_COLLECTED,
        *CHILDREN,
    }
)
"""Names of the tree's own, which no metric may be called."""


def dataset_group(
    dataset: str, records: Sequence[Record], asked: Sequence[str] = (), axis: NoiseAxis = UNKNOWN_AXIS
) -> xr.Dataset:
    """Return a dataset's group of the results tree.

    Parameters
    ----------
    dataset : str
        Its label.
    records : sequence of records
        Those of the dataset.
    asked : sequence of str
        The labels of the suite's metrics in their order, where that is known.
    axis : NoiseAxis
        What its noise levels are, where that is known.

    Raises
    ------
    ResultError
        Where two records describe one cell, a table of scores contradicts its record, or a label is taken.
    """
    cells = Cells.of(dataset, records)
    coords = _joined(dataset, _coordinates(cells, axis), _row_coordinates(cells))
    scores = {name: _scores(cells, name) for name in _metrics(records, asked)}
    variables = _joined(dataset, scores, _measured(cells), _diagnostics(cells), _tuned(cells))
    _joined(dataset, coords, variables, {name: xr.Variable((), 0) for name in (FROM_RUN, *CHILDREN)})
    return xr.Dataset(variables, coords)


def _metrics(records: Sequence[Record], asked: Sequence[str]) -> list[str]:
    """Return the metrics that were scored or failed, in the suite's order.

    Where that is not known, each record holds its own in that order: the one with the most comes first.
    """
    fullest = sorted(records, key=lambda record: -len(record.scores))
    scored = [name for record in fullest for name in record.scores]
    found = unique((*scored, *(name for record in fullest for name in record.faults)))
    return [str(name) for name in unique((*(name for name in asked if name in found), *found))]


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


def axis_of(data: xr.Dataset) -> NoiseAxis:
    """Return what the noise levels of a dataset's group are, as far as its results say."""
    symbol, units = (str(data["noise"].attrs.get(name, "")) for name in ("symbol", "units"))
    return NoiseAxis(symbol, units)


def _coordinates(cells: Cells, axis: NoiseAxis) -> Variables:
    coords = {dim: xr.Variable(dim, label_array(values)) for dim, values in cells.labels.items()}
    said = {name: text for name, text in (("symbol", axis.symbol), ("units", axis.units)) if text}
    coords["noise"] = xr.Variable("noise", np.array(cells.labels["noise"], dtype=np.float64), said)
    patients: dict[Hashable, str] = {
        case: whose for r in cells.records.values() for case, whose in zip(r.cases, r.patients, strict=False)
    }
    if set(patients) == set(cells.labels["case"]):  # older records do not say
        coords[PATIENT] = xr.Variable("case", label_array([patients[case] for case in cells.labels["case"]]))
    for dim, units in (("time", "s"), ("frequency", "1/mm")):
        if dim in coords:
            coords[dim].attrs["units"] = units
    return coords


def _row_coordinates(cells: Cells) -> Variables:
    """Method, version, distribution and one ``parameter_<name>`` for each parameter of any method.

    Where a row's cells differ, one that went well knows best: a failed one may lack what it never came to.
    """
    rows: list[dict[str, str]] = [{} for _ in cells.labels["config"]]
    for place, record in sorted(cells.records.items(), key=lambda item: item[1].status == "ok"):
        given = {f"parameter_{name}": as_text(value) for name, value in record.parameters.items()}
        facts = {name: getattr(record, name) for name in _ROW_FACTS if name != MAPS}
        rows[place[0]] |= {**facts, MAPS: record.maps.label if record.maps else "", **given}
    for place, record in cells.records.items():
        tuned = {MAPS if name == MAPS else f"parameter_{name}": "tuned" for name in record.tuned}
        rows[place[0]] |= tuned
    names = [str(name) for name in unique((*_ROW_FACTS, *(name for row in rows for name in row)))]
    return {name: xr.Variable("config", label_array([row.get(name, "") for row in rows])) for name in names}


def _scores(cells: Cells, name: str) -> xr.Variable:
    """One metric, (config, noise, seed, case, ...); scores that apply to no case may lack the other dims."""
    tables = {place: record.scores[name] for place, record in cells.records.items() if name in record.scores}
    arrays = {place: np.array(table.values, dtype=np.float64) for place, table in tables.items()}
    applicable = [place for place, array in arrays.items() if not np.isnan(array).all()]
    kept = {"case"}.union(*(tables[place].dims for place in applicable or tables))
    dims = [dim for dim in cells.labels if dim in kept]
    grid = np.full(cells.shape(*CELL_DIMS, *dims), np.nan)
    for place in applicable:
        _fill(cells, name, dims, place, arrays[place], grid)
    return xr.Variable((*CELL_DIMS, *dims), grid, _metric_attrs(cells, name, next(iter(tables.values()), None)))


def _fill(cells: Cells, name: str, dims: Sequence[str], place: tuple[int, ...], array: Float64, grid: Float64) -> None:
    """Put one cell's scores of a metric in their places of the grid."""
    record = cells.records[place]
    table = record.scores[name]
    coords = {**table.coords, "case": record.cases}
    if set(table.dims) != set(dims) or array.shape != tuple(len(coords.get(dim, ())) for dim in table.dims):
        raise ResultError(
            f"record {record.key}: metric {name!r} has dims {list(table.dims)}, shape {array.shape}; "
            f"allowed: {list(dims)}, each as long as its coordinate; delete the record and run the suite again"
        )
    index = np.ix_(*(cells.index(dim, coords[dim]) for dim in dims))
    grid[place][index] = array.transpose([table.dims.index(dim) for dim in dims])


def _metric_attrs(cells: Cells, name: str, table: ScoreTable | None) -> dict[str, str]:
    """Say what a metric is; of one that failed in every cell no more than its name is known."""
    if table is None:
        return {"long_name": legible(name), "units": "", "better": ""}
    attrs = {"long_name": table.description or name, "units": table.units, "better": table.better}
    attrs |= {"parameters": as_text(table.parameters)} if table.parameters else {}
    if table.metric:
        attrs |= {"metric": table.metric, "agrees_with": table.agrees_with, "quantity": table.quantity}
    if table.units == "map":
        attrs |= {f"units_{m}": MAP_UNITS[str(m)] for m in cells.labels.get("map", ()) if m in MAP_UNITS}
    return {key: legible(text) for key, text in attrs.items()}


def _measured(cells: Cells) -> Variables:
    """Status, timings, memory, and what was left out, failed and tuned."""
    variables: Variables = {}
    for name, (fill, long_name) in _RECORD_FACTS.items():
        values = {place: getattr(record, name) for place, record in cells.records.items()}
        variables[name] = cells.per_cell(fill, values, {"long_name": long_name})
    for name, (empty, long_name, units) in _TIMING_FACTS.items():
        attrs = {"long_name": long_name, "units": units} if units else {"long_name": long_name}
        values = {place: getattr(record.timings, name) for place, record in cells.records.items()}
        variables[name] = cells.per_cell(empty, values, attrs)
    for name, long_name in _CASE_FACTS.items():
        lists = {place: getattr(record.timings, name) for place, record in cells.records.items()}
        variables[name] = cells.per_case(lists, {"long_name": long_name, "units": "s"})
    collected = {place: _collected(record) for place, record in cells.records.items()}
    for name, long_name in _COLLECTED.items():
        texts = {place: found[name] for place, found in collected.items()}
        variables[name] = cells.per_cell("", texts, {"long_name": long_name})
    return variables


def _collected(record: Record) -> dict[str, str]:
    """Return as text what a record holds as a list or mapping; see `_COLLECTED`."""
    return {
        "left_out": "; ".join(f"{what}: {why}" for what, why in record.left_out.items()),
        "metric_faults": as_text(record.faults) if record.faults else "",
        "versions": as_text(record.versions) if record.versions else "",
        "tuned_parameters": as_text(dict(record.tuned)),
        "tuned_at_edge": as_text(record.tuned_at_edge),
    }


def _diagnostics(cells: Cells) -> Variables:
    """One ``diagnostic_<name>`` for each number that any method reports about its own work."""
    reports = {place: record.diagnostics for place, record in cells.records.items()}
    return {
        f"diagnostic_{name}": cells.per_case(
            {place: report.get(name) for place, report in reports.items()},
            {"long_name": f"{name}, as the method reports it"},
        )
        for name in _names(reports.values())
    }


def _tuned(cells: Cells) -> Variables:
    """One ``tuned_<name>`` for each tuned parameter: float where all its values are numbers, else text."""
    tuned = {place: record.tuned for place, record in cells.records.items()}
    variables: Variables = {}
    for name in _names(tuned.values()):
        values = {place: chosen[name] for place, chosen in tuned.items() if name in chosen}
        numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values.values())
        texts = {place: as_text(value) for place, value in values.items()}
        attrs = {"long_name": f"tuned value of {name}"}
        variables[f"tuned_{name}"] = cells.per_cell(np.nan if numeric else "", values if numeric else texts, attrs)
    return variables


def _names(mappings: Iterable[Mapping[str, Any]]) -> list[str]:
    return [str(name) for name in unique(name for mapping in mappings for name in mapping)]
