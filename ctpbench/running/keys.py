"""What decides an answer, as a key: of each stage and of a cell's record.

A key hashes what a stage reads, its task, the code that it runs, of the core and of the component, and the versions
of the numeric libraries behind that code.
"""

from __future__ import annotations

from typing import Any

from ctpbench.code import core_hash, digest
from ctpbench.distributions import versions
from ctpbench.running.work import Stage

_FORMAT = 4  # raise when a stage's files change in a way that no code hash sees
LIBRARIES: dict[Stage, tuple[str, ...]] = {
    "data": ("numpy",),
    "reference": ("numpy", "scipy"),
    "model": ("numpy",),
    "prediction": ("numpy", "scipy"),
    "scores": ("numpy", "scipy", "xarray", "pandas"),
}
"""Numeric libraries that the core computes a stage with; a component's own, such as numba, are in its identity."""


def stage_key(stage: Stage, *parts: Any) -> str:
    """Return the key of an entry, whose `parts` are plain data."""
    return digest(_FORMAT, stage, _core(stage), parts)


def record_key(*parts: Any) -> str:
    """Return the key of a cell's record."""
    return digest(_FORMAT, "record", [_core(stage) for stage in LIBRARIES], parts)


def _core(stage: Stage) -> tuple[str, dict[str, str]]:
    code = core_hash(f"ctpbench.running.stages.{stage}")
    return code, versions(LIBRARIES[stage])
