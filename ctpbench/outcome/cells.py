"""The grid of one dataset's cells, config by noise by seed: which place each record's cell has."""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from ctpbench.contract.case import MAPS
from ctpbench.errors import ResultError
from ctpbench.outcome.variables import CELL_DIMS, SCORE_DIMS
from ctpbench.running.record import Record


class Cells:
    """The cells of the records that were taken in, counted from 0, and the labels that these name.

    However many there are, no record is kept.

    Parameters
    ----------
    dataset : str
        Its label.
    """

    def __init__(self, dataset: str) -> None:
        self.dataset = dataset
        self.keys: list[str] = []
        """Of each cell's record."""
        self._known: dict[str, dict[Hashable, int]] = {dim: {} for dim in (*CELL_DIMS, "case")}
        self.places = {dim: array("q") for dim in CELL_DIMS}
        self._dims: dict[str, None] = {}
        self._merged: set[tuple[str, tuple[Hashable, ...]]] = set()

    def take(self, record: Record) -> int:
        """Take in a record's cell and return its number; labels keep the order of their first appearance."""
        for dim in CELL_DIMS:
            known = self._known[dim]
            self.places[dim].append(known.setdefault(getattr(record, dim), len(known)))
        self._merge("case", record.cases)
        for table in record.scores.values():
            self._dims |= dict.fromkeys(dim for dim in table.dims if dim != "case")
            for dim, labels in table.coords.items():
                if dim != "case":
                    self._merge(dim, labels)
        self.keys.append(record.key)
        return len(self.keys) - 1

    def _merge(self, dim: str, labels: Sequence[Hashable]) -> None:
        given = dim, tuple(labels)
        if given not in self._merged:
            self._merged.add(given)
            known = self._known.setdefault(dim, {})
            for label in labels:
                known.setdefault(label, len(known))

    @property
    def labels(self) -> dict[str, tuple[Hashable, ...]]:
        """Each dimension's coordinate; those of scores in their usual order."""
        found = {dim: tuple(self._known[dim]) for dim in (*CELL_DIMS, "case")}
        for dim in sorted(self._dims, key=lambda name: _place(name, SCORE_DIMS)):
            found[dim] = in_order(dim, tuple(self._known.get(dim, ())))
        return found


class Grid:
    """The whole grid, once all cells are there.

    Parameters
    ----------
    cells : Cells

    Raises
    ------
    ResultError
        Where two records describe one cell.
    """

    def __init__(self, cells: Cells) -> None:
        self.labels: Mapping[str, tuple[Hashable, ...]] = cells.labels
        self.keys = cells.keys
        self._position = {dim: {label: n for n, label in enumerate(found)} for dim, found in self.labels.items()}
        along = [np.frombuffer(cells.places[dim], dtype=np.int64) for dim in CELL_DIMS]
        self.config: npt.NDArray[np.int64] = along[0]
        """Which row each cell is of."""
        self.places: npt.NDArray[np.int64] = np.ravel_multi_index(tuple(along), self.shape(*CELL_DIMS))
        """Where each cell lies in the grid, its three dimensions made one."""
        if len(np.unique(self.places)) < len(self.keys):
            raise ResultError(self._twice(cells.dataset))

    def _twice(self, dataset: str) -> str:
        """Return what is wrong with two records of one cell."""
        first: dict[int, int] = {}
        for cell, place in enumerate(self.places.tolist()):
            if (other := first.setdefault(place, cell)) != cell:
                break
        at = np.unravel_index(place, self.shape(*CELL_DIMS))
        config, noise, seed = (self.labels[dim][index] for dim, index in zip(CELL_DIMS, at, strict=True))
        return (
            f"records {self.keys[other]} and {self.keys[cell]}: one cell (row {config!r} "
            f"on {dataset!r}, noise {noise}, seed {seed}); delete the stale one"
        )

    def shape(self, *dims: str) -> tuple[int, ...]:
        """Return how long dimensions are."""
        return tuple(len(self.labels[dim]) for dim in dims)

    def index(self, dim: str, labels: Iterable[Hashable]) -> npt.NDArray[np.int64]:
        """Return the places of labels along a dimension."""
        return np.array([self._position[dim][label] for label in labels], dtype=np.int64)

    def per_cell(self, fill: Any, cells: Sequence[int] | None, values: Any, attrs: Mapping[str, str]) -> xr.Variable:
        """Return one value a cell, (config, noise, seed), of some cells or of all; `fill` where there is none."""
        kind = object if isinstance(fill, str) else type(fill)
        flat = np.full(int(np.prod(self.shape(*CELL_DIMS))), fill, dtype=kind)
        flat[self.places if cells is None else self.places[cells]] = np.array(values, dtype=kind)
        return xr.Variable(CELL_DIMS, flat.reshape(self.shape(*CELL_DIMS)), dict(attrs))


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
