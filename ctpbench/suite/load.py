"""A suite: YAML in, everything checked and resolved; and back again as plain data."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field, ValidationError

from ctpbench.contract.components import Component, Dataset, Denoiser, Metric, Trainable
from ctpbench.errors import PluginError
from ctpbench.plugins import Catalogue, Kind
from ctpbench.settings import MapsSettings, Resources, Settings
from ctpbench.suite.entries import DatasetEntry, DenoiserEntry, Exclusion, MetricEntry, Suite
from ctpbench.suite.rows import build, plain, rows
from ctpbench.suite.sections import DatasetSettings, DenoiserSettings, MetricSettings, Name, Range, Seed
from ctpbench.text import did_you_mean, shown
from ctpbench.written.document import Document, Place, read
from ctpbench.written.faults import Faults, as_json, problems, spelled

S = TypeVar("S", bound=Settings)
T = TypeVar("T")
Entry = TypeVar("Entry", DatasetEntry, DenoiserEntry, MetricEntry)
SECTIONS = ("name", "description", "datasets", "denoisers", "metrics", "maps", "seeds", "exclude", "resources")


def load_suite(path: Path, catalogue: Catalogue) -> Suite:
    """Read a suite and resolve it against the installed plugins.

    Raises
    ------
    InputError
        With every fault found, one line each, as in ``suite.yaml:14: denoisers[1]: 'tips' has no parameter ...``.
    """
    folder = path.resolve().parent.name
    return _Loading(read(path), catalogue).suite(folder if path.stem == "suite" and folder else path.stem)


def resolved(suite: Suite) -> dict[str, Any]:
    """Return a suite as plain data with every default spelled out; as YAML it loads as an equal suite."""
    return {
        "name": suite.name,
        "description": suite.description,
        "datasets": [
            {**_component(e.label, e.component), "noise": list(e.noise), "train_only": e.train_only}
            for e in suite.datasets
        ],
        "denoisers": [_row(entry) for entry in suite.denoisers],
        "metrics": [_component(entry.label, entry.component) for entry in suite.metrics],
        "maps": suite.maps.model_dump(mode="json"),
        "seeds": list(suite.seeds),
        "exclude": [exclusion.model_dump(mode="json", exclude_none=True) for exclusion in suite.exclude],
        "resources": suite.resources.model_dump(mode="json"),
    }


def _component(label: str, component: Component) -> dict[str, Any]:
    return {"name": component.name, "label": label, "params": plain(component)}


def _row(entry: DenoiserEntry) -> dict[str, Any]:
    row: dict[str, Any] = {"name": entry.cls.name, "label": entry.label, "params": dict(entry.params)}
    if entry.train is not None:
        row["train"] = entry.train.model_dump(mode="json")
    if entry.tune is not None:
        parameters = {
            name: value.model_dump(mode="json") if isinstance(value, Range) else list(value)
            for name, value in entry.tune.parameters.items()
        }
        row["tune"] = {**vars(entry.tune), "parameters": parameters}
    return row


@dataclass(frozen=True)
class _Part(Generic[T]):
    """A section's entries, and whether all of it was without fault."""

    entries: list[T]
    sound: bool


class _Loading:
    """One suite while it is checked: each part notes its faults and hands on what is sound."""

    def __init__(self, document: Document, catalogue: Catalogue) -> None:
        self.data, self.text, self.catalogue = document.data, document.text, catalogue
        self.faults = Faults(document)

    def suite(self, default_name: str) -> Suite:
        """Return the suite, or raise InputError with all that was found."""
        for key in self.data:
            if key not in SECTIONS:
                text = f"unknown key {key!r}{did_you_mean(key, SECTIONS)}; allowed: {', '.join(SECTIONS)}"
                self.faults.add((), text, at=(key,))
        metrics = self.part(self.metrics)
        datasets = self.part(self.datasets)
        denoisers = self.part(lambda: self.denoisers(metrics, datasets))
        exclusions = self.exclusions()
        suite = Suite(
            name=self.section("name", Name, default_name),
            description=self.section("description", str, ""),
            datasets=tuple(datasets.entries),
            denoisers=tuple(denoisers.entries),
            metrics=tuple(metrics.entries),
            maps=self.section("maps", MapsSettings, MapsSettings()),
            seeds=self.distinct(self.section("seeds", Annotated[list[Seed], Field(min_length=1)], [0]), ("seeds",)),
            exclude=tuple(exclusions.values()),
            resources=self.section("resources", Resources, Resources()),
            text=self.text,
        )
        if datasets.sound and denoisers.sound:
            self.check_exclusions(exclusions, suite)
        self.faults.raise_if_any()
        return suite

    def part(self, make: Callable[[], list[T]]) -> _Part[T]:
        before = len(self.faults.found)
        entries = make()
        return _Part(entries, len(self.faults.found) == before)

    def section(self, key: str, kind: Any, default: T) -> T:
        """Return a section of the file as the given type, the default where it is absent or faulty."""
        return self.faults.take(kind, self.data[key], (key,), default) if key in self.data else default

    def datasets(self) -> list[DatasetEntry]:
        entries = []
        for place, written, cls, whole in self.components("datasets", DatasetSettings, "dataset"):
            noise = self.distinct(written.noise, (*place, "noise"))
            if whole or "params" in written.model_fields_set:
                component = build(cls, written.params, (*place, "params"), self.faults)
                if isinstance(component, Dataset):
                    label = written.label or component.name
                    entries.append((place, DatasetEntry(label, component, noise, written.train_only)))
        if entries and all(entry.train_only for _, entry in entries):
            self.faults.add(("datasets",), "all are train_only; allowed: at least one that rows are scored on")
        return self.labelled(entries)

    def denoisers(self, metrics: _Part[MetricEntry], datasets: _Part[DatasetEntry]) -> list[DenoiserEntry]:
        labels = [metric.label for metric in metrics.entries]
        entries: list[tuple[Place, DenoiserEntry]] = []
        for place, written, cls, whole in self.components("denoisers", DenoiserSettings, "denoiser"):
            if metrics.sound and written.tune and written.tune.metric not in labels:
                got = written.tune.metric
                text = f"the suite has no metric {got!r}{did_you_mean(got, labels)}; it has {_listed(labels)}"
                self.faults.add((*place, "tune", "metric"), text)
            if written.train and datasets.sound:
                written = self.trained(written, cls, datasets.entries, place)
            for row in rows(written, cls, place, self.faults, whole=whole):
                same = [at for at, other in entries if replace(other, label=row.label) == row]
                if same:
                    self.faults.add(place, f"the row {row.label!r} is in {spelled(same[0])} already; leave one out")
                else:
                    entries.append((place, row))
        return self.labelled(entries)

    def trained(
        self, written: DenoiserSettings, cls: type[Denoiser], datasets: Sequence[DatasetEntry], place: Place
    ) -> DenoiserSettings:
        """Return the entry with the noise level it learns from filled in, after noting what is wrong with that."""
        assert written.train is not None
        entries, asked = {entry.label: entry for entry in datasets}, written.train
        where = (*place, "train")
        if not issubclass(cls, Trainable):
            self.faults.add(where, f"{cls.name!r} does not learn; leave it out")
        elif asked.dataset not in entries:
            near = did_you_mean(asked.dataset, entries)
            text = f"the suite has no dataset {asked.dataset!r}{near}; it has {_listed(list(entries))}"
            self.faults.add((*where, "dataset"), text)
        else:
            levels = entries[asked.dataset].noise
            if "noise" not in asked.model_fields_set and len(levels) == 1:
                return written.model_copy(update={"train": asked.model_copy(update={"noise": levels[0]})})
            if asked.noise not in levels:
                got = shown(asked.noise) if "noise" in asked.model_fields_set else "no noise level"
                text = f"got {got}; allowed: one that {asked.dataset!r} has in the suite, {_listed(levels)}"
                self.faults.add((*where, "noise"), text, at=where)
        return written

    def metrics(self) -> list[MetricEntry]:
        if "metrics" not in self.data:
            return self.default_metrics()
        entries = []
        for place, written, cls, whole in self.components("metrics", MetricSettings, "metric"):
            if whole or "params" in written.model_fields_set:
                component = build(cls, written.params, (*place, "params"), self.faults)
                if isinstance(component, Metric):
                    label = written.label or _metric_label(component, written.params)
                    entries.append((place, MetricEntry(label, component)))
        return self.labelled(entries)

    def default_metrics(self) -> list[MetricEntry]:
        """Return every installed metric that needs no parameter."""
        for (kind, _), text in self.catalogue.clashes.items():
            if kind == "metric":
                self.faults.add((), f"'metrics' is left out, which stands for all that are installed, but {text}")
        classes = self.catalogue.metrics.values()
        ready = [cls for cls in classes if not any(f.is_required() for f in cls.model_fields.values())]
        if not ready:
            self.faults.add((), "'metrics' is left out and none is installed; install ctpbench-metrics")
        return [MetricEntry(cls.name, cls()) for cls in ready]

    def components(self, key: str, settings: type[S], kind: Kind) -> Iterator[tuple[Place, S, type[Any], bool]]:
        """Yield a section's entries whose component exists: of each what is sound, and whether that is all of it."""
        if key not in self.data:
            self.faults.add((), f"{key!r} is missing; allowed: a list of one {kind} or more")
        items: list[Any] = self.section(key, Annotated[list[Any], Field(min_length=1)], [])
        for index, item in enumerate(items):
            place: Place = (key, index)
            if not isinstance(item, str | dict):
                keys = ", ".join(settings.model_fields)
                self.faults.add(place, f"got {shown(item)}; allowed: a name, or a mapping with {keys}")
                continue
            mapping = {"name": item} if isinstance(item, str) else item
            before = len(self.faults.found)
            self.faults.take(settings, mapping, place, None)
            sound = len(self.faults.found) == before
            written = _sound(settings, mapping)
            name = mapping.get("name")
            if written is None or not isinstance(name, str):
                continue
            try:
                cls = self.catalogue.find(kind, name)
            except PluginError as error:
                self.faults.add(place if isinstance(item, str) else (*place, "name"), str(error))
                continue
            yield place, written, cls, sound

    def exclusions(self) -> dict[Place, Exclusion]:
        items: list[Any] = self.section("exclude", list[Any], [])
        places: list[Place] = [("exclude", index) for index in range(len(items))]
        taken = {}
        for place, item in zip(places, items, strict=True):
            exclusion: Exclusion | None = self.faults.take(Exclusion, item, place, None)
            if exclusion is not None:
                taken[place] = exclusion
        return taken

    def check_exclusions(self, exclusions: Mapping[Place, Exclusion], suite: Suite) -> None:
        """Note exclusions that name what the suite has not, that leave nothing out, or that leave nothing."""
        levels = dict.fromkeys(level for entry in suite.datasets for level in entry.noise)
        known: dict[str, Sequence[Any]] = {
            "dataset": [entry.label for entry in suite.datasets],
            "denoiser": list(dict.fromkeys(name for row in suite.denoisers for name in (row.label, row.cls.name))),
            "noise": [level for level in levels if level is not None],
            "seed": suite.seeds,
        }
        cells = [
            (entry.label, row, noise, seed)
            for entry in suite.datasets
            for noise, row, seed in itertools.product(entry.noise, suite.denoisers, suite.seeds)
            if not entry.train_only
        ]
        for place, exclusion in exclusions.items():
            before = len(self.faults.found)
            for key, got in exclusion.model_dump(exclude_none=True).items():
                if got not in known[key]:
                    near = did_you_mean(got, known[key]) if isinstance(got, str) else ""
                    text = f"the suite has no {key} {shown(got)}{near}; it has {_listed(known[key])}"
                    self.faults.add((*place, key), text)
            if len(self.faults.found) == before and not any(exclusion.matches(*cell) for cell in cells):
                self.faults.add(place, "matches no cell: no dataset of the suite has that combination")
        if cells and all(any(exclusion.matches(*cell) for exclusion in exclusions.values()) for cell in cells):
            self.faults.add(("exclude",), "leaves no cell to run")

    def distinct(self, values: Sequence[T], place: Place) -> tuple[T, ...]:
        """Return the values, after noting those that are listed twice."""
        for index, value in enumerate(values):
            if value in values[:index]:
                self.faults.add((*place, index), f"{shown(value)} is in the list already")
        return tuple(values)

    def labelled(self, entries: Sequence[tuple[Place, Entry]]) -> list[Entry]:
        """Return the entries, after noting labels that two of them share."""
        owners: dict[str, Place] = {}
        for place, entry in entries:
            if entry.label in owners:
                owner = spelled(owners[entry.label])
                self.faults.add(place, f"the label {entry.label!r} is taken by {owner}; give one of them another label")
            owners.setdefault(entry.label, place)
        return [entry for _, entry in entries]


def _listed(options: Sequence[Any]) -> str:
    return ", ".join(shown(option) for option in options) or "no such"


def _sound(settings: type[S], mapping: Mapping[str, Any]) -> S | None:
    """Return an entry without its faulty keys, so that the others can be checked as well."""
    pruned = deepcopy(dict(mapping))
    while True:
        try:
            return settings.model_validate_json(as_json(pruned), strict=True)
        except ValidationError as error:
            places = {_key_place(problem.at) for problem in problems(error, pruned, settings)}
        if () in places:
            return None
        for *outer, key in places:
            holder = reduce(lambda inner, part: inner.get(part, {}), outer, pruned)
            holder.pop(key, None)


def _key_place(place: Place) -> tuple[str, ...]:
    """Return the place of the innermost mapping key: list items stay together, or their lines would be wrong."""
    return tuple(str(part) for part in itertools.takewhile(lambda part: isinstance(part, str), place))


def _metric_label(metric: Metric, given: Mapping[str, Any]) -> str:
    """Return the name and, for each given parameter that differs from its default, its value: ``rmse_truth``."""
    values = plain(metric)
    label = metric.name
    for name in given:
        default = type(metric).model_fields[name].get_default(call_default_factory=True)
        if getattr(metric, name) != default:
            text = values[name] if isinstance(values[name], str) else shown(values[name])
            label += "_" + re.sub(r"[^\w.+-]+", "-", text)
    return label
