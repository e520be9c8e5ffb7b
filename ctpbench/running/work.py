"""The pieces of work a plan consists of: plain data, so that any executor can carry them to any process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ctpbench.contract.components import Component
from ctpbench.plugins import code_hash
from ctpbench.running.store import Stage


@dataclass(frozen=True)
class ComponentSpec:
    """A component as plain data: where its class is found, and its parameters."""

    module: str
    qualname: str
    params: Mapping[str, Any]
    identity: Mapping[str, Any]
    """What decides its answer: name, version, parameters, code."""

    @classmethod
    def of(cls, component: Component) -> ComponentSpec:
        kind = type(component)
        params = component.model_dump(mode="json")
        identity = {"name": kind.name, "version": kind.version, "params": params, "code": code_hash(kind)}
        return cls(kind.__module__, kind.__qualname__, params, identity)


@dataclass(frozen=True)
class Item:
    """One entry to be made for the cache.

    Attributes
    ----------
    stage, key : where it goes; the key hashes all that decides the answer.
    task : what `ctpbench.running.stages` needs beside its inputs.
    inputs : the entries it reads, by role: ``{"observation/slice-070": ("data", key)}``.
    group : items of one group may share a process, one after the other.
    cell : key of the cell whose log it belongs to.
    alone : whether it should be timed with nothing beside it.
    """

    stage: Stage
    key: str
    task: Mapping[str, Any]
    inputs: Mapping[str, tuple[Stage, str, str]] = field(default_factory=dict)
    group: str = ""
    label: str = ""
    alone: bool = False

    @property
    def id(self) -> tuple[Stage, str]:
        return self.stage, self.key


def digest(*parts: Any) -> str:
    """Return a content key: 32 hex digits over plain data."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, allow_nan=False, default=str).encode()).hexdigest()[:32]


def input_paths(item: Item, cache: Path) -> dict[str, Path]:
    """Return the files an item reads: no others are named to the process that works on it."""
    return {role: cache / stage / key / name for role, (stage, key, name) in item.inputs.items()}
