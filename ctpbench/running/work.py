"""The pieces of work a plan consists of, and how they end: plain data with a checked schema.

All of it is JSON on the way to a process and back, so that any executor can carry it anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from ctpbench.code import component_hash, component_libraries
from ctpbench.contract.components import Component
from ctpbench.running.record import Numbers, Plain, Sandbox, ScoreTable, Status
from ctpbench.settings import MapsSettings

Stage = Literal["data", "reference", "model", "prediction", "scores"]
STAGES: tuple[Stage, ...] = get_args(Stage)
"""In the order in which they are made from each other."""
ItemId = tuple[Stage, str]
Scale = dict[str, float]
"""Factors of the maps CBF and CBV."""
LONGEST_MESSAGE = 2000
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
    """Fit a denoiser; `data` is the key of what it learns from, `learns_from` says what it is handed of it."""

    stage: Literal["model"] = "model"
    denoiser: ComponentSpec
    cases: tuple[str, ...]
    seed: int
    data: str
    learns_from: Literal["noisy", "clean"]

    @property
    def components(self) -> list[ComponentSpec]:
        return [self.denoiser]


class PredictionTask(Plain):
    """Denoise a case set and compute its maps; `timed`: with a warm-up, `repeats` times each.

    `further` are more ways to compute maps, of what is denoised once, and not timed. `noiseless` says that it is the
    control, and is given the noiseless frames.
    """

    stage: Literal["prediction"] = "prediction"
    denoiser: ComponentSpec
    cases: tuple[str, ...]
    seed: int
    maps: MapsSettings
    timed: bool
    repeats: int
    keep_concentration: bool
    noiseless: bool = False
    further: tuple[MapsSettings, ...] = ()

    @property
    def components(self) -> list[ComponentSpec]:
        return [self.denoiser]


class BuildTask(Plain):
    """Import a component and make it, before anything is asked of it."""

    stage: Literal["build"] = "build"
    component: ComponentSpec


class AnswerTask(Plain):
    """Denoise one case; what is asked of a method's process for each case of a prediction."""

    stage: Literal["answer"] = "answer"
    denoiser: ComponentSpec
    case: str
    seed: int
    maps: MapsSettings


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


ErrandTask = Annotated[BuildTask | DataTask | ModelTask | AnswerTask | ScoresTask, Field(discriminator="stage")]
"""What is done by a component's own process."""
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
    """What it took, on what, and what held the process: see `ctpbench.running.sandbox.enclosure.Hold.word`.

    `reused` says that another run measured it; in no entry, for each run finds it out for itself.
    """

    peak_memory_mib: float
    peak_device_memory_mib: float | None
    device: str
    threads: int
    hardware: str
    sandbox: Sandbox = "none"
    reused: bool = False


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
    """How training went; `own_fit_s` is by the clock of its own process, `learning` what it logged."""

    stage: Literal["model"] = "model"
    fit_s: float
    own_fit_s: float | None = None
    fit_resumed: bool
    learning: dict[str, Numbers] | None


class BuildInfo(Plain):
    """A component is there."""

    stage: Literal["build"] = "build"


class AnswerInfo(Plain):
    """What a method returned, as its own process says: `kind` of output, seconds, what it reports of itself, memory."""

    stage: Literal["answer"] = "answer"
    kind: Literal["frames", "concentration", "residues"]
    denoise_s: float = Field(allow_inf_nan=False)
    diagnostics: dict[str, float]
    peak_memory_mib: float
    peak_device_memory_mib: float | None
    hardware: str


class PredictionInfo(Measured):
    """Seconds for each case, what the method reports of itself, and the versions it ran with.

    `own_denoise_s` is by the clock of the method's own process.
    """

    stage: Literal["prediction"] = "prediction"
    denoise_s: list[float]
    own_denoise_s: list[float]
    maps_s: list[float]
    diagnostics: dict[str, Numbers]
    versions: dict[str, str]
    contended: bool = False


class ScoresInfo(Plain):
    """Scores by metric, and how each metric failed that did."""

    stage: Literal["scores"] = "scores"
    scores: dict[str, ScoreTable]
    faults: dict[str, str] = Field(default_factory=dict)


Info = Annotated[
    BuildInfo | DataInfo | ReferenceInfo | ModelInfo | AnswerInfo | PredictionInfo | ScoresInfo,
    Field(discriminator="stage"),
]


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
    return {role: cache.joinpath(given.stage, given.key, given.file) for role, given in item.inputs.items()}
