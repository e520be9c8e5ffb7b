"""What a run consists of: ``cells.json`` in its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ConfigDict, Field

from ctpbench.running.cell import Cell
from ctpbench.running.protocol import protocol
from ctpbench.running.record import Plain
from ctpbench.suite.entries import Suite
from ctpbench.text import NoiseAxis


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """One cell of the grid, whether it has run or not; no model, for a run may have very many."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    key: str
    dataset: str
    noise: float | None
    config: str
    seed: int


class PlannedLevel(Plain):
    """The test split of one dataset at one noise level: the key of each case's data, by the case's name."""

    dataset: str
    noise: float | None
    cases: dict[str, str]


class Index(Plain):
    """A run's cells in the suite's order, where it comes from, and the data that they are scored on."""

    format: Literal[3] = 3
    suite: str
    provenance: dict[str, Any]
    cells: list[PlannedCell]
    levels: list[PlannedLevel] = Field(default_factory=list)
    """Empty in older runs."""

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
        facts = {**provenance, "protocol": protocol(suite, cells)}
        return cls(suite=suite.name, provenance=facts, cells=planned, levels=_levels(cells))


def _levels(cells: Sequence[Cell]) -> list[PlannedLevel]:
    tests = {(cell.dataset, cell.noise): cell.test for cell in cells}
    return [
        PlannedLevel(dataset=dataset, noise=noise, cases=dict(zip(test.cases, test.keys, strict=True)))
        for (dataset, noise), test in tests.items()
    ]
