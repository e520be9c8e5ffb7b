"""The pieces of work a plan consists of, and how they end: plain data with a checked schema.

All of it is JSON on the way to a process and back, so that any executor can carry it anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from ctpbench.code import component_hash, component_libraries
from ctpbench.contract.components import Component
from ctpbench.running.record import Numbers, Plain, ScoreTable, Status
from ctpbench.settings import MapsSettings

Stage = Literal["data", "reference", "model", "prediction", "scores"]
ItemId = tuple[Stage, str]
Scale = dict[str, float]
"""Factors of the maps CBF and CBV."""
LONGEST_MESSAGE = 1000
"""Characters of a message that are kept."""


class ComponentSpec(Plain):
    """A component as plain data: where its class is found, its parameters, and all that decides its answer."""

    module: str
    qualname: str
    name: str
    version: str
    params: dict[str, Any]
    code: str
    libraries: dict[str, str]

    @classmethod
    def of(cls, component: Component) -> ComponentSpec:
        kind = type(component)
        return cls(
            module=kind.__module__,
            qualname=kind.__qualname__,
            name=kind.name,
            version=kind.version,
            params=component.model_dump(mode="json"),
            code=component_hash(kind),
            libraries=component_libraries(kind),
        )

    @property
    def identity(self) -> dict[str, Any]:
        """What decides its answer: name, version, parameters, code, versions of its numeric libraries."""
        return self.model_dump(include={"name", "version", "params", "code", "libraries"})


class DataTask(Plain):
    """Load one case at one noise level; `replicate` is the draw of its noise."""

    stage: Literal["data"] = "data"
    dataset: ComponentSpec
    case: str
    noise: float | None
    replicate: int = 0

    @property
    def components(self) -> list[ComponentSpec]:
        return [self.dataset]


class ReferenceTask(Plain):
    """Compute what a case set shares; `rois` and `quality` say whether regions and numbers of each case are wanted."""

    stage: Literal["reference"] = "reference"
    cases: tuple[str, ...]
    maps: MapsSettings
    rois: bool
    quality: bool

    @property
    def components(self) -> list[ComponentSpec]:
        return []


class ModelTask(Plain):
    """Fit a denoiser; `data` is the key of what it learns from."""

    stage: Literal["model"] = "model"
    denoiser: ComponentSpec
    cases: tuple[str, ...]
    seed: int
    data: str

    @property
    def components(self) -> list[ComponentSpec]:
        return [self.denoiser]


class PredictionTask(Plain):
    """Denoise a case set and compute its maps; `timed`: with a warm-up, `repeats` times each."""

    stage: Literal["prediction"] = "prediction"
    denoiser: ComponentSpec
    cases: tuple[str, ...]
    seed: int
    maps: MapsSettings
    timed: bool
    repeats: int
    keep_concentration: bool

    @property
    def components(self) -> list[ComponentSpec]:
        return [self.denoiser]


class ScoresTask(Plain):
    """Score a prediction with metrics, by label."""

    stage: Literal["scores"] = "scores"
    metrics: dict[str, ComponentSpec]
    cases: tuple[str, ...]
    maps: MapsSettings
    scale: Scale

    @property
    def components(self) -> list[ComponentSpec]:
        return list(self.metrics.values())


Task = Annotated[DataTask | ReferenceTask | ModelTask | PredictionTask | ScoresTask, Field(discriminator="stage")]


class Input(Plain):
    """A file of a cached entry, or with an empty `file` the entry's folder."""

    stage: Stage
    key: str
    file: str


Inputs = dict[str, Input]
"""What is read, by role: ``observation/slice-070``."""


class Item(Plain):
    """One entry to be made for the cache.

    Attributes
    ----------
    key : str
        Hashes all that decides the answer.
    task : Task
        What is to be done.
    inputs : mapping
        The files that it reads, and no others.
    group : str
        Items of one group may share a process, one after the other.
    label : str
        What people read.
    alone : bool
        Whether it should be timed with nothing beside it.
    """

    key: str
    task: Task
    inputs: Inputs = Field(default_factory=dict)
    group: str = ""
    label: str = ""
    alone: bool = False

    @property
    def stage(self) -> Stage:
        return self.task.stage

    @property
    def id(self) -> ItemId:
        return self.stage, self.key


class Measured(Plain):
    """What it took, and on what."""

    peak_memory_mib: float
    peak_device_memory_mib: float | None
    device: str
    threads: int
    hardware: str


class DataInfo(Plain):
    """What was found out about a recorded scan; empty where nothing was."""

    stage: Literal["data"] = "data"
    inspection: dict[str, bool | int | float | str] = Field(default_factory=dict)


class ReferenceInfo(Plain):
    """The factors of a case set, and numbers of each case; see `ctpbench.running.quality`."""

    stage: Literal["reference"] = "reference"
    scale: Scale
    quality: dict[str, Numbers] = Field(default_factory=dict)


class ModelInfo(Measured):
    """How training went; `learning` is what it logged."""

    stage: Literal["model"] = "model"
    fit_s: float
    fit_resumed: bool
    learning: dict[str, Numbers] | None


class PredictionInfo(Measured):
    """Seconds for each case, what the method reports of itself, and the versions it ran with."""

    stage: Literal["prediction"] = "prediction"
    denoise_s: list[float]
    maps_s: list[float]
    diagnostics: dict[str, Numbers]
    versions: dict[str, str]
    contended: bool = False


class ScoresInfo(Plain):
    """Scores by metric, and how each metric failed that did."""

    stage: Literal["scores"] = "scores"
    scores: dict[str, ScoreTable]
    faults: dict[str, str] = Field(default_factory=dict)


Info = Annotated[DataInfo | ReferenceInfo | ModelInfo | PredictionInfo | ScoresInfo, Field(discriminator="stage")]


class Outcome(Plain):
    """How one piece of work ended, with what it measured: `info` is that of its stage where it ended well."""

    status: Status
    message: str = Field("", max_length=LONGEST_MESSAGE)
    info: Info | None = None
    disk_full: bool = False

    @property
    def ok(self) -> bool:
        return self.status == "ok"

    @property
    def whole(self) -> bool:
        """Whether nothing in it failed: it ended well, and no metric failed within it."""
        return self.ok and not (isinstance(self.info, ScoresInfo) and self.info.faults)


class Assignment(Plain):
    """One item with the places it may read from and write to; `checkpoints` alone outlives an attempt."""

    item: Item
    inputs: Mapping[str, Path]
    out: Path
    scratch: Path
    checkpoints: Path
    log: Path


def input_paths(item: Item, cache: Path) -> dict[str, Path]:
    """Return the files an item reads: no others are named to the process that works on it."""
    return {role: cache / given.stage / given.key / given.file for role, given in item.inputs.items()}
