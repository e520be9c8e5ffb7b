"""A voxel as people write it on the command line."""

from __future__ import annotations

import re
from typing import Any, TypeAlias, cast

import click

Place: TypeAlias = tuple[int, int, int]
"""Index (z, y, x)."""

_PLACE = re.compile(r"(\d+),(\d+),(\d+)")


class Voxel(click.ParamType[Place]):
    """X,Y,Z, each from 1 on, as an index (z, y, x) from 0."""

    name = "voxel"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Place:
        """Return the index, or fail with what is allowed."""
        if isinstance(value, tuple):
            return cast(Place, value)
        match = _PLACE.fullmatch(str(value).replace(" ", ""))
        if match is None or not all(map(int, match.groups())):
            self.fail(f"got {value!r}; allowed: X,Y,Z, three whole numbers from 1 on, such as 128,90,3", param, ctx)
        x, y, z = map(int, match.groups())
        return z - 1, y - 1, x - 1
