"""One dataset's group of the results tree, made from its records one by one."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import xarray as xr

from ctpbench.errors import ResultError
from ctpbench.outcome.cells import Cells, Grid, unique
from ctpbench.outcome.facts import Facts
from ctpbench.outcome.metrics import Metrics
from ctpbench.outcome.netcdf import as_text, label_array
from ctpbench.outcome.variables import CHILDREN, FROM_RUN, PATIENT, ROW_FACTS
from ctpbench.running.record import Record
from ctpbench.suite.entries import MAPS
from ctpbench.text import NoiseAxis

Variables = dict[str, xr.Variable]


class Group:
    """A dataset's group: its metrics, and beside them how each cell ended and what was measured.

    Parameters
    ----------
    dataset : str
        Its label.
    """

    def __init__(self, dataset: str) -> None:
        self._cells, self._metrics, self._facts, self._rows = Cells(dataset), Metrics(), Facts(), _Rows()
        self._patients: dict[Hashable, str] = {}

    def take(self, record: Record) -> None:
        """Take in a record, of which nothing is kept but what the results say."""
        cell = self._cells.take(record)
        self._metrics.take(cell, record)
        self._facts.take(cell, record)
        self._rows.take(record)
        self._patients.update(zip(record.cases, record.patients, strict=False))

    def dataset(self, asked: Sequence[str], axis: NoiseAxis) -> xr.Dataset:
        """Return the group, once; what was taken in is gone then.

        Parameters
        ----------
        asked : sequence of str
            The labels of the suite's metrics in their order, where that is known.
        axis : NoiseAxis
            What its noise levels are, where that is known.

        Raises
        ------
        ResultError
            Where two records describe one cell, a table of scores contradicts its record, or a label is taken.
        """
        grid = Grid(self._cells)
        coords = self._joined(self._coordinates(grid, axis), self._rows.coordinates(grid))
        facts = (self._facts.variables(grid), self._facts.diagnostics(grid), self._facts.tuned(grid))
        variables = self._joined(self._metrics.variables(grid, asked), *facts)
        self._joined(coords, variables, {name: xr.Variable((), 0) for name in (FROM_RUN, *CHILDREN)})
        return xr.Dataset(variables, coords)

    def _joined(self, *parts: Variables) -> Variables:
        """Return the parts as one; a metric's label is the user's choice and may be taken or not allowed."""
        joined: Variables = {}
        for name, variable in (item for part in parts for item in part.items()):
            if name in joined or "/" in name:
                fault = "holds '/'" if "/" in name else "is taken"
                raise ResultError(
                    f"dataset {self._cells.dataset!r}: the name {name!r} {fault}; "
                    "give the metric another label in the suite"
                )
            joined[name] = variable
        return joined

    def _coordinates(self, grid: Grid, axis: NoiseAxis) -> Variables:
        coords = {dim: xr.Variable(dim, label_array(values)) for dim, values in grid.labels.items()}
        said = {name: text for name, text in (("symbol", axis.symbol), ("units", axis.units)) if text}
        coords["noise"] = xr.Variable("noise", np.array(grid.labels["noise"], dtype=np.float64), said)
        if set(self._patients) == set(grid.labels["case"]):  # older records do not say
            coords[PATIENT] = xr.Variable("case", label_array([self._patients[case] for case in grid.labels["case"]]))
        for dim, units in (("time", "s"), ("frequency", "1/mm")):
            if dim in coords:
                coords[dim].attrs["units"] = units
        return coords


class _Rows:
    """What is said of rows: method, version, distribution and one ``parameter_<name>`` for each of any method's.

    Where a row's cells differ, one that went well knows best: a failed one may lack what it never came to.
    """

    def __init__(self) -> None:
        self._failed: dict[str, dict[str, str]] = {}
        self._well: dict[str, dict[str, str]] = {}
        self._tuned: dict[str, dict[str, str]] = {}

    def take(self, record: Record) -> None:
        """Take in a record's."""
        given = {f"parameter_{name}": as_text(value) for name, value in record.parameters.items()}
        facts = {name: getattr(record, name) for name in ROW_FACTS if name != MAPS}
        known = self._well if record.status == "ok" else self._failed
        row = known.setdefault(record.config, {})
        row |= {**facts, MAPS: record.maps.label if record.maps else "", **given}
        tuned = {MAPS if name == MAPS else f"parameter_{name}": "tuned" for name in record.tuned}
        self._tuned.setdefault(record.config, {}).update(tuned)

    def coordinates(self, grid: Grid) -> Variables:
        """Return them as coordinates, (config)."""
        parts = (self._failed, self._well, self._tuned)
        rows: list[dict[str, str]] = []
        for config in map(str, grid.labels["config"]):
            rows.append({name: text for part in parts for name, text in part.get(config, {}).items()})
        names = [str(name) for name in unique((*ROW_FACTS, *(name for row in rows for name in row)))]
        return {name: xr.Variable("config", label_array([row.get(name, "") for row in rows])) for name in names}
