"""A suite with everything resolved: components built or ready to be, every default filled in."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ctpbench.contract.components import Dataset, Denoiser, Metric
from ctpbench.settings import MapsSettings, Resources
from ctpbench.suite.sections import ExclusionSettings, Range, TrainSettings
from ctpbench.text import NoiseAxis

MAPS = "maps"
"""What the choice among ways of computing maps is called among tuned parameters; its values are labels."""


@dataclass(frozen=True)
class Tune:
    """How a row's parameters are chosen on the validation split; see `ctpbench.suite.sections.TuneSettings`."""

    parameters: Mapping[str, tuple[Any, ...] | Range]
    search: Literal["exhaustive", "tpe"]
    trials: int | None
    metric: str
    map: str
    seed: int
    stop_early: bool = True

    @property
    def stops_early(self) -> bool:
        """Whether what can no longer win is stopped; not in tpe, whose next choice depends on the scores of all."""
        return self.stop_early and self.search == "exhaustive"


@dataclass(frozen=True)
class DatasetEntry:
    """A dataset and its noise levels; the one level None where the suite names none. See `DatasetSettings`."""

    name: str
    """What the suite calls the component: its name, or its qualified name."""
    label: str
    component: Dataset
    noise: tuple[float | None, ...]
    train_only: bool = False

    @property
    def axis(self) -> NoiseAxis:
        """What its noise levels are."""
        return NoiseAxis(self.component.noise_symbol, self.component.noise_units)


@dataclass(frozen=True)
class DenoiserEntry:
    """One row: a denoiser with every parameter as plain data, defaults included, but for those that are tuned."""

    name: str
    """What the suite calls the component: its name, or its qualified name."""
    label: str
    cls: type[Denoiser]
    params: Mapping[str, Any]
    tune: Tune | None
    train: TrainSettings | None = None
    """Where it learns, with the noise level filled in; None: where it is scored."""
    maps: tuple[MapsSettings, ...] = (MapsSettings(),)
    """How its maps are computed: one way, or several that tuning chooses among."""

    @property
    def content(self) -> Hashable:
        """What it does: equal for rows that differ in name and label alone."""
        tune = self.tune and {**vars(self.tune), "parameters": dict(self.tune.parameters)}
        written = json.dumps([dict(self.params), tune], sort_keys=True, default=repr)
        return self.cls, written, repr(self.train), repr(self.maps)

    def component(self, **tuned: Any) -> Denoiser:
        """Return the denoiser with the tuned parameters put in."""
        return self.cls(**self.params, **{name: value for name, value in tuned.items() if name != MAPS})

    def maps_by(self, **tuned: Any) -> MapsSettings:
        """Return how its maps are computed, as tuning chose where it did."""
        label = tuned.get(MAPS, self.maps[0].label)
        return next(settings for settings in self.maps if settings.label == label)


@dataclass(frozen=True)
class MetricEntry:
    """A metric and what results call it."""

    name: str
    """What the suite calls the component: its name, or its qualified name."""
    label: str
    component: Metric


class Exclusion(ExclusionSettings):
    """Cells that are left out: those that match every key given."""

    def matches(self, dataset: str, row: DenoiserEntry, noise: float | None, seed: int) -> bool:
        """Whether a cell is left out; `dataset` is the label."""
        has: dict[str, set[Any]]
        has = {"dataset": {dataset}, "denoiser": {row.label, row.name}, "noise": {noise}, "seed": {seed}}
        return all(not has[key].isdisjoint(named) for key, named in self.named.items())

    @property
    def named(self) -> dict[str, tuple[Any, ...]]:
        """What it names of each key that is given: one or several."""
        given = {key: value for key, value in vars(self).items() if value is not None}
        return {key: tuple(value) if isinstance(value, list) else (value,) for key, value in given.items()}


@dataclass(frozen=True)
class Suite:
    """A suite as it will be run.

    `description` is shown above its leaderboards. `text` is the YAML as read, which two equal suites need not share.
    """

    name: str
    description: str
    datasets: tuple[DatasetEntry, ...]
    denoisers: tuple[DenoiserEntry, ...]
    metrics: tuple[MetricEntry, ...]
    maps: tuple[MapsSettings, ...]
    seeds: tuple[int, ...]
    replicates: int
    """Draws of the noise of each test case."""
    exclude: tuple[Exclusion, ...]
    resources: Resources
    text: str = field(compare=False)

    @property
    def axes(self) -> dict[str, NoiseAxis]:
        """What the noise levels of each dataset are, by its label."""
        return {entry.label: entry.axis for entry in self.datasets}
