"""Numbers that cells have along labelled dimensions, as scores by case and map: 8 bytes each until they are placed."""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import xarray as xr

from ctpbench.arrays import Float64
from ctpbench.outcome.cells import Grid
from ctpbench.outcome.variables import CELL_DIMS
from ctpbench.running.record import Numbers

Layout: TypeAlias = tuple[tuple[str, tuple[Hashable, ...]], ...]
"""Dimensions, and the labels along each."""


class Blocks:
    """Numbers of one kind, those of one layout together: no cell's own objects are kept."""

    def __init__(self) -> None:
        self._blocks: dict[Layout, tuple[array[int], array[float]]] = {}

    def add(self, cell: int, layout: Layout, values: Float64) -> None:
        """Take in a cell's numbers, an array as long along each dimension as it has labels."""
        if layout not in self._blocks:
            self._blocks[layout] = array("q"), array("d")
        cells, numbers = self._blocks[layout]
        cells.append(cell)
        numbers.frombytes(values.tobytes())

    def add_cases(self, cell: int, cases: Sequence[str], numbers: Numbers | None) -> None:
        """Take in one number a case; a failed cell's may end early."""
        if numbers:
            known = np.array(numbers[: len(cases)], dtype=np.float64)
            self.add(cell, (("case", tuple(cases[: len(known)])),), known)

    def layouts(self) -> Iterator[tuple[int, Layout]]:
        """Yield each layout with the first cell that has it."""
        yield from ((cells[0], layout) for layout, (cells, _) in self._blocks.items())

    def placed(self, grid: Grid, dims: Sequence[str], attrs: Mapping[str, str]) -> xr.Variable:
        """Return the numbers in their places, (config, noise, seed, ...), NaN where there are none; then they are gone.

        Parameters
        ----------
        grid : Grid
        dims : sequence of str
            Those of every layout, in the order they shall have.
        attrs : mapping
        """
        shape = grid.shape(*CELL_DIMS, *dims)
        flat = np.full((int(np.prod(shape[: len(CELL_DIMS)])), *grid.shape(*dims)), np.nan)
        while self._blocks:
            layout, (cells, numbers) = self._blocks.popitem()
            labels = dict(layout)
            found = np.frombuffer(numbers).reshape(len(cells), *(len(each) for each in labels.values()))
            order = [1 + list(labels).index(dim) for dim in dims]
            index = np.ix_(grid.places[cells], *(grid.index(dim, labels[dim]) for dim in dims))
            flat[index] = found.transpose(0, *order)
        return xr.Variable((*CELL_DIMS, *dims), flat.reshape(shape), dict(attrs))
