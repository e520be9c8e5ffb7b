"""The scores of a dataset's cells: one variable a metric, (config, noise, seed, case, ...)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from ctpbench.contract.case import MAP_UNITS
from ctpbench.errors import ResultError
from ctpbench.outcome.blocks import Blocks, Layout
from ctpbench.outcome.cells import Grid, unique
from ctpbench.outcome.netcdf import as_text, legible
from ctpbench.running.record import Record, ScoreTable


class Metrics:
    """The scores of the cells that were taken in."""

    def __init__(self) -> None:
        self._scored: dict[str, _Scores] = {}
        self._named: dict[int, dict[str, None]] = {}
        self._failed: dict[int, dict[str, None]] = {}

    def take(self, cell: int, record: Record) -> None:
        """Take in those of a record."""
        self._named.setdefault(len(record.scores), {}).update(dict.fromkeys(record.scores))
        self._failed.setdefault(len(record.scores), {}).update(dict.fromkeys(record.faults))
        for name, table in record.scores.items():
            if name not in self._scored:
                self._scored[name] = _Scores(name, table)
            self._scored[name].take(cell, record, table)

    def variables(self, grid: Grid, asked: Sequence[str]) -> dict[str, xr.Variable]:
        """Return a variable of each metric that was scored or failed, in the order they were asked for.

        Where that is not known, each record holds its own in that order: the ones with the most come first.
        """
        fullest = sorted(self._named, reverse=True)
        by_count = [self._named[count] for count in fullest] + [self._failed[count] for count in fullest]
        found = [str(name) for name in unique(name for names in by_count for name in names)]
        names = unique((*(name for name in asked if name in found), *found))
        return {str(name): self._variable(str(name), grid) for name in names}

    def _variable(self, name: str, grid: Grid) -> xr.Variable:
        scores = self._scored.pop(name, None)
        return (_Scores(name, None) if scores is None else scores).variable(grid)


class _Scores:
    """One metric's; `first` is the first cell's table, None where it failed in every cell."""

    def __init__(self, name: str, first: ScoreTable | None) -> None:
        self._name = name
        self._first = None if first is None else first.model_copy(update={"values": []})
        self._blocks = Blocks()
        self._dims: set[str] = set()
        self._applied: set[str] = set()
        self._wrong: tuple[int, tuple[str, ...], tuple[int, ...]] | None = None

    def take(self, cell: int, record: Record, table: ScoreTable) -> None:
        """Take in a cell's; those that apply to no case may lack dimensions and are left out."""
        values = np.array(table.values, dtype=np.float64)
        self._dims.update(table.dims)
        if np.isnan(values).all():
            return
        self._applied.update(table.dims)
        coords: Mapping[str, Sequence[str | float]] = {**table.coords, "case": record.cases}
        layout: Layout = tuple((dim, tuple(coords.get(dim, ()))) for dim in table.dims)
        if values.shape == tuple(len(labels) for _, labels in layout):
            self._blocks.add(cell, layout, values)
        else:
            self._wrong = self._wrong or (cell, table.dims, values.shape)

    def variable(self, grid: Grid) -> xr.Variable:
        """Return them in their places.

        Raises
        ------
        ResultError
            Where a cell's table has other dimensions than those of the others, or another shape than its labels.
        """
        kept = {"case"} | (self._applied or self._dims)
        dims = [dim for dim in grid.labels if dim in kept]
        faulty = [
            (cell, tuple(dim for dim, _ in layout), tuple(len(labels) for _, labels in layout))
            for cell, layout in self._blocks.layouts()
            if {dim for dim, _ in layout} != set(dims)
        ]
        faulty += filter(None, [self._wrong])
        if faulty:
            cell, found, shape = min(faulty)
            raise ResultError(
                f"record {grid.keys[cell]}: metric {self._name!r} has dims {list(found)}, shape {shape}; "
                f"allowed: {dims}, each as long as its coordinate; delete the record and run the suite again"
            )
        return self._blocks.placed(grid, dims, self._attrs(grid))

    def _attrs(self, grid: Grid) -> dict[str, str]:
        """Say what a metric is; of one that failed in every cell no more than its name is known."""
        table = self._first
        if table is None:
            return {"long_name": legible(self._name), "units": "", "better": ""}
        attrs = {"long_name": table.description or self._name, "units": table.units, "better": table.better}
        attrs |= {"parameters": as_text(table.parameters)} if table.parameters else {}
        if table.metric:
            attrs |= {"metric": table.metric, "agrees_with": table.agrees_with, "quantity": table.quantity}
        if table.units == "map":
            attrs |= {f"units_{m}": MAP_UNITS[str(m)] for m in grid.labels.get("map", ()) if m in MAP_UNITS}
        return {key: legible(text) for key, text in attrs.items()}
