"""The groups of several runs' results as one: each cell's values are taken from one of them, which a variable names."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ctpbench.arrays import Array
from ctpbench.errors import ResultError
from ctpbench.outcome.cells import in_order, unique
from ctpbench.outcome.netcdf import as_text, label_array
from ctpbench.outcome.variables import CELL_DIMS, FROM_RUN, MISSING, PATIENT, SCORE_DIMS

Cell = tuple[Hashable, ...]
"""A cell's row, noise level (None where there is none) and seed."""
_CHILD_CONFIG = {"trials": "trial_config", "learning": "learning_config"}


@dataclass(frozen=True)
class Part:
    """What one run adds to a data set's group: its group, its rows' labels there, and the cells that are taken."""

    run: str
    node: xr.DataTree
    data: xr.Dataset
    labels: Mapping[str, str]

    def cells(self) -> dict[Cell, tuple[int, ...]]:
        """Return the places of the finished cells by label, noise and seed."""
        statuses = self.data["status"].transpose(*CELL_DIMS).values
        return {
            (self.labels[str(self.data["config"].values[i])], level(self.data["noise"].values[j]), int(seed)): (
                i,
                j,
                k,
            )
            for i, j in np.ndindex(statuses.shape[:2])
            for k, seed in enumerate(self.data["seed"].values)
            if statuses[i, j, k] != MISSING
        }


def joined(parts: Sequence[Part]) -> dict[str, xr.Dataset]:
    """Return a data set's group of all runs that have it, under an empty name, and the groups below it by name."""
    group, taken = _group(parts)
    return {"": group, **_children(parts, taken)}


def _group(parts: Sequence[Part]) -> tuple[xr.Dataset, list[dict[Cell, tuple[int, ...]]]]:
    """Return a data set's group of all runs that have it, and of each run the cells that were taken from it."""
    coords = _coordinates(parts)
    taken: list[dict[Cell, tuple[int, ...]]] = []
    for part in parts:
        earlier = {cell for cells in taken for cell in cells}
        taken.append({cell: place for cell, place in part.cells().items() if cell not in earlier})
    names = unique(str(name) for part in parts for name in part.data.data_vars if name != FROM_RUN)
    variables = {str(name): _variable(str(name), parts, taken, coords) for name in names}
    runs = np.full(tuple(len(coords[dim]) for dim in CELL_DIMS), "", dtype=object)
    for part, cells in zip(parts, taken, strict=True):
        for cell, place in cells.items():
            known = part.data[FROM_RUN].values[place] if FROM_RUN in part.data else ""
            runs[_place(cell, coords)] = str(known) or part.run
    variables[FROM_RUN] = xr.Variable(CELL_DIMS, runs, {"long_name": "the run that the cell was taken from"})
    return xr.Dataset(variables, {**_axes(coords, parts), **_row_coordinates(parts, coords)}), taken


def _coordinates(parts: Sequence[Part]) -> dict[str, tuple[Hashable, ...]]:
    """Return the labels of each dimension: those of all runs, in the order of their first appearance."""
    found: dict[str, tuple[Hashable, ...]] = {}
    for dim in (*CELL_DIMS, *SCORE_DIMS):
        values = unique(
            _label(dim, value, part.labels)
            for part in parts
            if dim in part.data.dims
            for value in part.data[dim].values.tolist()
        )
        if values or dim in CELL_DIMS:
            found[dim] = in_order(dim, values) if dim in SCORE_DIMS else values
    return found


def _label(dim: str, value: Hashable, labels: Mapping[str, str]) -> Hashable:
    if dim == "config":
        return labels[str(value)]
    return level(value) if dim == "noise" else value


def _place(cell: Cell, coords: Mapping[str, tuple[Hashable, ...]]) -> tuple[int, ...]:
    return tuple(coords[dim].index(label) for dim, label in zip(CELL_DIMS, cell, strict=True))


def _axes(coords: Mapping[str, tuple[Hashable, ...]], parts: Sequence[Part]) -> dict[str, xr.Variable]:
    axes = {dim: xr.Variable(dim, label_array(values)) for dim, values in coords.items()}
    axes["noise"] = xr.Variable("noise", np.array(coords["noise"], dtype=np.float64))
    for dim, axis in axes.items():
        axis.attrs |= next((part.data[dim].attrs for part in parts if dim in part.data.coords), {})
    patients = {
        case: str(whose)
        for part in parts
        if PATIENT in part.data.coords
        for case, whose in zip(part.data["case"].values.tolist(), part.data[PATIENT].values, strict=True)
    }
    if set(patients) == set(coords.get("case", ())):
        axes[PATIENT] = xr.Variable("case", label_array([patients[case] for case in coords["case"]]))
    return axes


def _row_coordinates(parts: Sequence[Part], coords: Mapping[str, tuple[Hashable, ...]]) -> dict[str, xr.Variable]:
    """Return method, version, parameters and the like of each row: the first run's that has it."""
    rows: dict[Hashable, dict[str, str]] = {}
    for part in parts:
        for label, shown in part.labels.items():
            if label in part.data["config"].values and shown not in rows:
                rows[shown] = row_facts(part.data.sel(config=label)) | {"config": shown}
    names = unique(str(n) for part in parts for n, c in part.data.coords.items() if c.dims == ("config",))
    return {
        str(name): xr.Variable("config", label_array([rows[label].get(str(name), "") for label in coords["config"]]))
        for name in names
        if name != "config"
    }


def _variable(
    name: str,
    parts: Sequence[Part],
    taken: Sequence[Mapping[Cell, tuple[int, ...]]],
    coords: Mapping[str, tuple[Hashable, ...]],
) -> xr.Variable:
    """Return a variable of all runs: each cell's values from the run that has it, empty where none does."""
    held = [part.data[name] for part in parts if name in part.data]
    valued = [each for each in held if each.dtype.kind != "f" or np.isfinite(each.values).any()] or held[:1]
    kept = {dim for each in valued for dim in map(str, each.dims)}
    dims = [dim for dim in (*CELL_DIMS, *SCORE_DIMS) if dim in kept]
    texts = any(each.dtype.kind not in "fbiu" for each in held)
    empty: Any = (MISSING if name == "status" else "") if texts else False if held[0].dtype.kind == "b" else np.nan
    grid = np.full(tuple(len(coords[dim]) for dim in dims), empty, dtype=object if texts else type(empty))
    if any(set(map(str, each.dims)) != kept for each in valued):
        raise ResultError(f"{name}: keeps other dimensions in one run than in another; run the older one again")
    for part, cells in zip(parts, taken, strict=True):
        if name in part.data and set(map(str, part.data[name].dims)) == kept:
            _fill(grid, part.data[name], dims, cells, coords, texts)
    attrs = next((each.attrs for each in held if each.attrs.get("better")), held[0].attrs)
    return xr.Variable(dims, grid, dict(attrs))


def _fill(
    grid: Array,
    values: xr.DataArray,
    dims: Sequence[str],
    cells: Mapping[Cell, tuple[int, ...]],
    coords: Mapping[str, tuple[Hashable, ...]],
    texts: bool,
) -> None:
    """Put one run's values of the cells that were taken from it in their places."""
    inner = dims[len(CELL_DIMS) :]
    position = {dim: {label: i for i, label in enumerate(coords[dim])} for dim in inner}
    index = np.ix_(*([position[dim][label] for label in values[dim].values.tolist()] for dim in inner))
    given = values.transpose(*dims).values
    for cell, place in cells.items():
        found = given[place]
        if not inner:
            grid[_place(cell, coords)] = _as_text(found) if texts else found
        else:
            grid[_place(cell, coords)][index] = found


def _as_text(value: Any) -> str:
    """Return a tuned value as text where another run's is; nothing for none."""
    if isinstance(value, str):
        return str(value)  # of numpy's text, too
    return "" if value != value else as_text(value.item())


def _children(parts: Sequence[Part], taken: Sequence[Mapping[Cell, tuple[int, ...]]]) -> dict[str, xr.Dataset]:
    """Return the groups below a data set's, of the rows that were taken: see `ctpbench.outcome.children`."""
    found: dict[str, xr.Dataset] = {}
    for name, config in _CHILD_CONFIG.items():
        tables = []
        for part, cells in zip(parts, taken, strict=True):
            if name in part.node.children:
                data = part.node.children[name].to_dataset(inherit=False)
                tables.append(_of_cells(data, config, part.labels, cells))
        if tables:
            found[name] = _stacked(tables)
    scans = [
        part.node.children["inspections"].to_dataset(inherit=False)
        for part in parts
        if "inspections" in part.node.children
    ]
    if scans:
        found["inspections"] = _stacked(scans, ["inspected_case", "inspected_noise"])
    if any("cases" in part.node.children for part in parts):
        found["cases"] = _cases(parts)
    return found


def _of_cells(
    data: xr.Dataset, config: str, labels: Mapping[str, str], cells: Mapping[Cell, tuple[int, ...]]
) -> xr.Dataset:
    """Return the lines of a table that belong to cells, under the cells' labels."""
    stem = config.removesuffix("config")
    places = zip(data[config].values, data[f"{stem}noise"].values, data[f"{stem}seed"].values, strict=True)
    named = [(labels[str(row)], level(noise), int(seed)) for row, noise, seed in places]
    chosen = [i for i, cell in enumerate(named) if cell in cells]
    (dim,) = data.dims
    kept = data.isel({dim: chosen})
    return kept.assign({config: (dim, label_array([named[i][0] for i in chosen]))})


def _stacked(tables: Sequence[xr.Dataset], once: Sequence[str] = ()) -> xr.Dataset:
    """Return tables one below the other; of lines that are alike in the columns of `once` the first."""
    (dim,) = tables[0].dims
    frame = pd.concat([table.to_dataframe() for table in tables], ignore_index=True)
    frame = frame.drop_duplicates(list(once)) if once else frame
    columns: dict[str, tuple[Hashable, Any, dict[str, Any]]] = {}
    for name in map(str, frame.columns):
        texts = frame[name].dtype.kind not in "fiub"
        values = label_array(frame[name].fillna("").tolist()) if texts else frame[name].to_numpy()
        attrs = next(table[name].attrs for table in tables if name in table)
        columns[name] = (dim, values, attrs)
    return xr.Dataset(columns)


def _cases(parts: Sequence[Part]) -> xr.Dataset:
    """Return the numbers of each case at each noise level of all runs, (case, noise): the first's that knows them."""
    coords = _coordinates(parts)
    grids: dict[str, tuple[Array, dict[str, Any]]] = {}
    for part in (part for part in reversed(parts) if "cases" in part.node.children):
        data = part.node.children["cases"].to_dataset()
        rows = [coords["case"].index(case) for case in data["case"].values.tolist()]
        columns = [coords["noise"].index(level(noise)) for noise in data["noise"].values]
        for name in map(str, data.data_vars):
            if set(data[name].dims) != {"case", "noise"}:
                continue
            empty = np.full((len(coords["case"]), len(coords["noise"])), np.nan)
            grid, _ = grids.setdefault(name, (empty, dict(data[name].attrs)))
            values = data[name].transpose("case", "noise").values
            grid[np.ix_(rows, columns)] = np.where(np.isfinite(values), values, grid[np.ix_(rows, columns)])
    return xr.Dataset({name: (("case", "noise"), grid, attrs) for name, (grid, attrs) in grids.items()})


def level(noise: Any) -> float | None:
    """Return a noise level as one that equals itself: None in place of NaN."""
    return None if noise is None or noise != noise else float(noise)


def row_facts(row: xr.Dataset) -> dict[str, str]:
    """Return what a row is: method, version, distribution, maps and the parameters that it has."""
    coords = {str(name): str(value.values) for name, value in row.coords.items() if value.ndim == 0}
    return {name: text for name, text in coords.items() if text}
