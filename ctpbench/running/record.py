"""The record of one finished cell: all that results are made of, as plain data that JSON holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ctpbench.contract.components import Better, Quantity
from ctpbench.settings import MapsSettings

Status = Literal["ok", "error", "timeout", "out_of_memory", "crashed", "invalid_output", "skipped"]
Sandbox = Literal["none", "partial", "full"]
Parameters = Mapping[str, Any]
Numbers = list[float | None]
"""Plain numbers; None stands for NaN and infinity, which JSON does not know."""


class Plain(BaseModel):
    """Base of what is written as JSON and read again: frozen, no other keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class ScoreTable(Plain):
    """One metric's scores of all cases of a cell.

    `dims` begin with ``case``; `coords` hold the labels of the others; `values` are nested lists in that order, None
    where the metric does not apply. `units` is ``"map"`` where each map has its own. `metric` is the metric's own name,
    whatever its label, `parameters` are its parameters; `agrees_with` and `quantity` are as of `ctpbench.Metric`, empty
    in older records.
    """

    dims: tuple[str, ...]
    coords: dict[str, list[Any]]
    values: list[Any]
    units: str
    better: Better
    description: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    metric: str = ""
    agrees_with: str = ""
    quantity: Quantity = "number"


class Trial(Plain):
    """One set of parameters and what it scored on the validation split.

    `value` is None where it failed, and where it was stopped, which is no failure: `so_far` is then the mean over the
    `scored_on` cases of `cases`. These two are None in older records.
    """

    parameters: Parameters
    value: float | None
    status: Status = "ok"
    message: str = ""
    so_far: float | None = None
    scored_on: int | None = None
    cases: int | None = None

    @property
    def stopped(self) -> bool:
        """Whether it was stopped, for it could no longer win."""
        return self.so_far is not None


class Objective(Plain):
    """What tuning went by: the metric's label in the suite, the map it was read at, and which way is better."""

    metric: str
    map: str
    better: Better


class Timings(Plain):
    """What was measured, where and how; None where it was not."""

    fit_s: float | None = None
    own_fit_s: float | None = None
    """By the clock of the method's own process; as `own_denoise_s`, None in older records."""
    fit_resumed: bool | None = None
    denoise_s: list[float] | None = None
    """Of each case."""
    own_denoise_s: list[float] | None = None
    maps_s: list[float] | None = None
    """Of each case."""
    peak_memory_mib: float | None = None
    peak_device_memory_mib: float | None = None
    device: str | None = None
    threads: int | None = None
    hardware: str | None = None
    contended: bool | None = None
    """Whether other cells ran on the machine at the same time."""
    reused: bool | None = None
    """Whether another run measured it, on the same hardware; as `fit_reused`, None in older records."""
    fit_reused: bool | None = None
    sandbox: Sandbox | None = None
    """How far the kernel held the method's process; None in older records."""


class Entries(Plain):
    """Keys of the cached stages that pictures are drawn from."""

    observation: str
    reference: str
    prediction: str


class Record(Plain):
    """How one cell ended, and what came of it."""

    format: Literal[2] = 2
    key: str
    suite: str
    dataset: str
    noise: float | None
    config: str
    seed: int
    method: str
    version: str
    distribution: str
    code: str
    status: Status = "ok"
    message: str = ""
    trained_on: str = ""
    parameters: Parameters = Field(default_factory=dict)
    maps: MapsSettings | None = None
    """How its maps were computed; None in older records, and where tuning chose none."""
    tuned: Parameters = Field(default_factory=dict)
    tuned_at_edge: list[str] = Field(default_factory=list)
    tuned_by: Objective | None = None
    trials: list[Trial] = Field(default_factory=list)
    cases: list[str] = Field(default_factory=list)
    patients: list[str] = Field(default_factory=list)
    """Whose each case is; empty in older records."""
    left_out: dict[str, str] = Field(default_factory=dict)
    """Cases that could not be read, and why."""
    inspections: dict[str, dict[str, bool | int | float | str]] = Field(default_factory=dict)
    """What was found out about recorded scans, by case."""
    scores: dict[str, ScoreTable] = Field(default_factory=dict)
    """By the metric's label."""
    faults: dict[str, str] = Field(default_factory=dict)
    """Metrics that failed, by label, and how; the others' scores stand."""
    quality: dict[str, Numbers] = Field(default_factory=dict)
    """Numbers of each case, the same for every method; see `ctpbench.running.quality`. Empty in older records."""
    scale: dict[str, float] | None = None
    diagnostics: dict[str, Numbers] = Field(default_factory=dict)
    """What the method reports of itself, for each case."""
    learning: dict[str, Numbers] | None = None
    timings: Timings = Timings()
    entries: Entries | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    """Of Python, ctpbench, the method's distribution and the numeric libraries, as they were when it was measured."""
    log: str
    started: str = ""
    finished: str = ""
    seal: str = ""
    """See `ctpbench.running.seals.sealed`."""

    @property
    def whole(self) -> bool:
        """Whether nothing failed: not the method, no case and no metric."""
        return self.status == "ok" and not self.left_out and not self.faults
