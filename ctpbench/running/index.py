"""What a run consists of: ``cells.json`` in its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ctpbench.running.cell import Cell
from ctpbench.running.record import Plain
from ctpbench.suite.entries import Suite
from ctpbench.text import NoiseAxis


class PlannedCell(Plain):
    """One cell of the grid, whether it has run or not."""

    key: str
    dataset: str
    noise: float | None
    config: str
    seed: int


class Index(Plain):
    """A run's cells in the suite's order, and where it comes from."""

    format: Literal[3] = 3
    suite: str
    provenance: dict[str, Any]
    cells: list[PlannedCell]

    @property
    def axes(self) -> dict[str, NoiseAxis]:
        """What the noise levels of each dataset are, by its label; older runs do not say."""
        return {label: NoiseAxis(*axis) for label, axis in self.provenance.get("noise_axes", {}).items()}

    @classmethod
    def of(cls, suite: Suite, cells: Sequence[Cell], provenance: Mapping[str, Any]) -> Index:
        planned = [
            PlannedCell(key=cell.key, dataset=cell.dataset, noise=cell.noise, config=cell.row.label, seed=cell.seed)
            for cell in cells
        ]
        return cls(suite=suite.name, provenance=dict(provenance), cells=planned)
