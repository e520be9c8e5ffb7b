"""How each cell ended and what was measured of it: columns over a dataset's cells, and variables of the results."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from ctpbench.outcome.blocks import Blocks
from ctpbench.outcome.cells import Grid
from ctpbench.outcome.netcdf import as_text, legible
from ctpbench.outcome.variables import CASE_FACTS, COLLECTED, RECORD_FACTS, TIMING_FACTS
from ctpbench.running.record import Record


class Facts:
    """The facts of the cells that were taken in."""

    def __init__(self) -> None:
        self._columns: dict[str, Any] = {
            name: _column(fill) for name, (fill, *_) in (*RECORD_FACTS.items(), *TIMING_FACTS.items())
        }
        self._columns |= {name: [] for name in COLLECTED}
        self._cases = {name: Blocks() for name in CASE_FACTS}
        self._diagnostics: dict[str, Blocks] = {}
        self._tuned: dict[str, tuple[list[int], list[Any]]] = {}
        self._words: dict[str, str] = {}

    def take(self, cell: int, record: Record) -> None:
        """Take in those of a record."""
        for name, (empty, _) in RECORD_FACTS.items():
            self._note(name, getattr(record, name), empty)
        for name, (fill, *_) in TIMING_FACTS.items():
            self._note(name, getattr(record.timings, name), fill)
        for name, text in _collected(record).items():
            self._note(name, text, "")
        for name, blocks in self._cases.items():
            blocks.add_cases(cell, record.cases, getattr(record.timings, name))
        for name, numbers in record.diagnostics.items():
            self._diagnostics.setdefault(name, Blocks()).add_cases(cell, record.cases, numbers)
        for name, value in record.tuned.items():
            cells, values = self._tuned.setdefault(name, ([], []))
            cells.append(cell)
            values.append(value)

    def _note(self, name: str, value: Any, fill: Any) -> None:
        known = fill if value is None else value
        if isinstance(fill, str):
            own = name in ("key", "seal")  # which no two cells share
            known = legible(known) if own else self._words.setdefault(known, legible(known))
        self._columns[name].append(known)

    def variables(self, grid: Grid) -> dict[str, xr.Variable]:
        """Return them by name, each column gone as soon as it is placed."""
        made: dict[str, xr.Variable] = {}

        def place(name: str, fill: Any, attrs: Mapping[str, str]) -> None:
            made[name] = grid.per_cell(fill, None, self._columns.pop(name), attrs)

        for name, (fill, long_name) in RECORD_FACTS.items():
            place(name, fill, {"long_name": long_name})
        for name, (empty, long_name, units) in TIMING_FACTS.items():
            place(name, empty, {"long_name": long_name, "units": units} if units else {"long_name": long_name})
        for name, long_name in CASE_FACTS.items():
            made[name] = self._cases[name].placed(grid, ("case",), {"long_name": long_name, "units": "s"})
        for name, long_name in COLLECTED.items():
            place(name, "", {"long_name": long_name})
        return made

    def diagnostics(self, grid: Grid) -> dict[str, xr.Variable]:
        """Return one ``diagnostic_<name>`` for each number that any method reports about its own work."""
        return {
            f"diagnostic_{name}": blocks.placed(grid, ("case",), {"long_name": f"{name}, as the method reports it"})
            for name, blocks in self._diagnostics.items()
        }

    def tuned(self, grid: Grid) -> dict[str, xr.Variable]:
        """Return one ``tuned_<name>`` for each tuned parameter: float where all its values are numbers, else text."""
        made: dict[str, xr.Variable] = {}
        for name, (cells, values) in self._tuned.items():
            numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
            given = values if numeric else [legible(as_text(value)) for value in values]
            attrs = {"long_name": f"tuned value of {name}"}
            made[f"tuned_{name}"] = grid.per_cell(np.nan if numeric else "", cells, given, attrs)
        return made


def _column(fill: str | float | bool) -> Any:
    return array("d") if isinstance(fill, float) else []


def _collected(record: Record) -> dict[str, str]:
    """Return as text what a record holds as a list or mapping; see `COLLECTED`."""
    return {
        "left_out": "; ".join(f"{what}: {why}" for what, why in record.left_out.items()),
        "metric_faults": as_text(record.faults) if record.faults else "",
        "versions": as_text(record.versions) if record.versions else "",
        "tuned_parameters": as_text(dict(record.tuned)),
        "tuned_at_edge": as_text(record.tuned_at_edge),
    }
