"""Expected values of the science, with unit, tolerance and source: `expected.yaml`, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from numbers import Real
from pathlib import Path
from typing import Any

import pytest
import yaml

FILE = Path(__file__).parent / "expected.yaml"
SECTIONS = {"expected", "maps_are", "aifs", "curves", "maps"}
METHODS = ("tikhonov", "tsvd", "osvd")
MAPS = ("cbf", "cbv", "mtt", "ttp", "tmax")


@dataclass(frozen=True)
class Expected:
    """One entry: a number, a list of them or a mapping of names to them, and how near an answer must be."""

    id: str
    quantity: str
    value: Any
    unit: str | Mapping[str, str]
    tolerance: Mapping[str, float]
    source: str
    checks: str

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.type == "str" and not (isinstance(getattr(self, field.name), str) and getattr(self, field.name)):
                raise ValueError(f"{self.id}: {field.name}: got {getattr(self, field.name)!r}; allowed: a text")
        if isinstance(self.value, dict) != isinstance(self.unit, dict) or not self.unit:
            raise ValueError(f"{self.id}: unit: got {self.unit!r}; allowed: a text, or one for each name of the value")
        if isinstance(self.value, dict) and self.value.keys() != self.unit.keys():
            raise ValueError(f"{self.id}: unit: got {', '.join(self.unit)}; allowed: {', '.join(self.value)}")
        numbers = self.value.values() if isinstance(self.value, dict) else _listed(self.value)
        if not numbers or not all(_is_number(number) for number in (*numbers, *self.tolerance.values())):
            raise ValueError(f"{self.id}: got {self.value!r} within {self.tolerance!r}; allowed: numbers")
        if not self.tolerance or not self.tolerance.keys() <= {"abs", "rel"}:
            raise ValueError(f"{self.id}: tolerance: got {self.tolerance!r}; allowed: abs, rel or both")

    def approx(self) -> Any:
        """Return what an answer compares equal to that is within the tolerance."""
        return pytest.approx(self.value, **self.tolerance)


@dataclass(frozen=True)
class Voxel:
    """What maps are computed of, and the expected ones."""

    curve_hu: list[float]
    aif_hu: list[float]
    dt_s: float
    method: str
    parameter: float
    kappa: float
    rho: float
    maps: Expected


def expected(name: str) -> Expected:
    """Return the entry of an id.

    Raises
    ------
    KeyError
        Where the file has none.
    """
    entries = read(FILE)[0]
    if name not in entries:
        raise KeyError(f"id: got {name!r}; allowed: {', '.join(entries)}")
    return entries[name]


def voxels() -> list[Voxel]:
    """Return the rows of `maps`."""
    return read(FILE)[1]


@cache
def read(path: Path) -> tuple[dict[str, Expected], list[Voxel]]:
    """Return the entries by id and the voxels of a file.

    Raises
    ------
    TypeError, ValueError, KeyError
        Where a key is missing, unknown or given twice, an id is there twice, or a value is of a wrong kind.
    """
    data = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    if data.keys() != SECTIONS:
        raise ValueError(f"{path.name}: got {', '.join(data)}; allowed: {', '.join(sorted(SECTIONS))}")
    entries = [Expected(**entry) for entry in data["expected"]]
    rows = [_voxel(row, data) for row in data["maps"]]
    names = [entry.id for entry in (*entries, *(row.maps for row in rows))]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"id: got {', '.join(sorted(twice))} twice; allowed: once")
    if idle := data["curves"].keys() - {row["curve"] for row in data["maps"]}:
        raise ValueError(f"curves: got {', '.join(sorted(idle))} without maps; allowed: one row or more")
    return {entry.id: entry for entry in entries}, rows


def _voxel(row: dict[str, Any], data: dict[str, Any]) -> Voxel:
    (method,) = row.keys() & set(METHODS)
    if row.keys() != {"curve", method, *MAPS}:
        raise ValueError(f"maps: got {', '.join(row)}; allowed: curve, a method and {', '.join(MAPS)}")
    curve = {"kappa": 1.0, "rho": 1.0, **data["curves"][row["curve"]]}
    aif = data["aifs"][curve["aif"]]
    if curve.keys() != {"aif", "kappa", "rho", "hu"} or aif.keys() != {"dt_s", "hu"}:
        raise ValueError(f"{row['curve']}: got {', '.join(curve)} and {', '.join(aif)}; allowed: see expected.yaml")
    if len(curve["hu"]) != len(aif["hu"]) or not all(map(_is_number, (*curve["hu"], *aif["hu"], row[method]))):
        raise ValueError(f"{row['curve']}: hu: allowed: as many numbers as the AIF has")
    answer = Expected(
        id=f"{row['curve']} by {method} {row[method]}", value={name: row[name] for name in MAPS}, **data["maps_are"]
    )
    return Voxel(curve["hu"], aif["hu"], aif["dt_s"], method, row[method], curve["kappa"], curve["rho"], answer)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if len(set(keys)) < len(keys):
            raise ValueError(f"line {node.start_mark.line + 1}: got a key twice; allowed: once")
        return super().construct_mapping(node, deep)
