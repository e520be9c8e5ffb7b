"""What decides an answer, as a key: of each stage and of a cell's record.

A key hashes what a stage reads, its task, the code that it runs, of the core and of the component, and the versions
of the numeric libraries behind that code.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from ctpbench.code import core_hash, digest_of, text_of
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
    return stage_key_of(stage, *map(text_of, parts))


def stage_key_of(stage: Stage, *texts: str) -> str:
    """Return the key of an entry, whose parts are given as `ctpbench.code.text_of` writes them."""
    return digest_of(stage_text(stage, *texts))


def stage_text(stage: Stage, *texts: str) -> str:
    """Return what the key of an entry is the digest of."""
    return f'[{_FORMAT}, "{stage}", {_core(stage)}, [{", ".join(texts)}]]'


def record_text(*texts: str) -> str:
    """Return what the key of a cell's record is the digest of, parts given as `ctpbench.code.text_of` writes them."""
    core = ", ".join(_core(stage) for stage in LIBRARIES)
    return f'[{_FORMAT}, "record", [{core}], [{", ".join(texts)}]]'


def _core(stage: Stage) -> str:
    return _core_text(core_hash(f"ctpbench.running.stages.{stage}"), LIBRARIES[stage])


@cache
def _core_text(code: str, libraries: tuple[str, ...]) -> str:
    return text_of([code, versions(libraries)])
