"""The records of one dataset by their place in the grid of config, noise and seed."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from ctpbench.contract.case import MAPS
from ctpbench.errors import ResultError
from ctpbench.outcome.netcdf import legible
from ctpbench.running.record import Numbers, Record

CELL_DIMS = ("config", "noise", "seed")
SCORE_DIMS = ("case", "map", "time", "frequency", "roi")


@dataclass(frozen=True)
class Cells:
    """The records of one dataset by their place in the grid; `labels` holds each dimension's coordinate."""

    labels: Mapping[str, tuple[Hashable, ...]]
    records: Mapping[tuple[int, ...], Record]

    @classmethod
    def of(cls, dataset: str, records: Sequence[Record]) -> Cells:
        """Place records, the labels in the order of their first appearance.

        Raises
        ------
        ResultError
            Where two of them describe one cell.
        """
        labels: dict[str, tuple[Hashable, ...]] = {
            dim: unique(getattr(record, dim) for record in records) for dim in CELL_DIMS
        }
        labels["case"] = unique(case for record in records for case in record.cases)
        tables = [table for record in records for table in record.scores.values()]
        kept = unique(dim for table in tables for dim in table.dims if dim != "case")
        for dim in sorted(map(str, kept), key=lambda d: _place(d, SCORE_DIMS)):
            labels[dim] = in_order(dim, unique(label for table in tables for label in table.coords.get(dim, ())))
        placed: dict[tuple[int, ...], Record] = {}
        position = {dim: {label: place for place, label in enumerate(labels[dim])} for dim in CELL_DIMS}
        for record in records:
            place = tuple(position[dim][getattr(record, dim)] for dim in CELL_DIMS)
            if place in placed:
                raise ResultError(
                    f"records {placed[place].key} and {record.key}: one cell (row {record.config!r} "
                    f"on {dataset!r}, noise {record.noise}, seed {record.seed}); delete the stale one"
                )
            placed[place] = record
        return cls(labels, placed)

    def shape(self, *dims: str) -> tuple[int, ...]:
        """Return how long dimensions are."""
        return tuple(len(self.labels[dim]) for dim in dims)

    def index(self, dim: str, labels: Iterable[Hashable]) -> list[int]:
        """Return the places of labels along a dimension."""
        position = {label: place for place, label in enumerate(self.labels[dim])}
        return [position[label] for label in labels]

    def per_cell(self, fill: Any, values: Mapping[tuple[int, ...], Any], attrs: Mapping[str, str]) -> xr.Variable:
        """Return one value a cell, (config, noise, seed); `fill` where there is none."""
        grid = np.full(self.shape(*CELL_DIMS), fill, dtype=object if isinstance(fill, str) else type(fill))
        for place, value in values.items():
            if value is not None:
                grid[place] = legible(value) if isinstance(fill, str) else value
        return xr.Variable(CELL_DIMS, grid, dict(attrs))

    def per_case(self, lists: Mapping[tuple[int, ...], Numbers | None], attrs: Mapping[str, str]) -> xr.Variable:
        """Return one number a case, (config, noise, seed, case); a failed cell's list may end early."""
        grid = np.full(self.shape(*CELL_DIMS, "case"), np.nan)
        for place, numbers in lists.items():
            if numbers:
                cases = self.index("case", self.records[place].cases)[: len(numbers)]
                grid[place][cases] = np.array(numbers[: len(cases)], dtype=np.float64)
        return xr.Variable((*CELL_DIMS, "case"), grid, dict(attrs))


def unique(values: Iterable[Hashable]) -> tuple[Hashable, ...]:
    """Return each value once, in the order of their first appearance."""
    return tuple(dict.fromkeys(values))


def in_order(dim: str, labels: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
    """Maps in their usual order and times increasing, whichever metric names them first."""
    if dim == "map":
        return tuple(sorted(labels, key=lambda label: _place(label, MAPS)))
    return tuple(sorted(labels, key=lambda t: float(str(t)))) if dim in ("time", "frequency") else labels


def _place(label: Hashable, order: Sequence[str]) -> int:
    return order.index(str(label)) if label in order else len(order)
