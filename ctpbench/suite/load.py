"""A suite: YAML in, everything checked and resolved."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field

from ctpbench.contract.components import Dataset, Metric, Trainable
from ctpbench.plugins import Catalogue
from ctpbench.settings import Resources
from ctpbench.suite.entries import DatasetEntry, DenoiserEntry, MetricEntry, Suite
from ctpbench.suite.exclusions import check_exclusions, read_exclusions
from ctpbench.suite.items import Item, read_items
from ctpbench.suite.maps import Ways, read_maps, with_maps
from ctpbench.suite.rows import build, plain, rows
from ctpbench.suite.sections import DatasetSettings, DenoiserSettings, MetricSettings, Name, Replicates, Seed
from ctpbench.text import did_you_mean, noise_column, shown, value_text
from ctpbench.written.document import Document, Place, read
from ctpbench.written.faults import Faults, listed, spelled

T = TypeVar("T")
Entry = TypeVar("Entry", DatasetEntry, DenoiserEntry, MetricEntry)
SECTIONS = (
    "name",
    "description",
    "datasets",
    "denoisers",
    "metrics",
    "maps",
    "seeds",
    "replicates",
    "exclude",
    "resources",
)


def load_suite(path: Path, catalogue: Catalogue) -> Suite:
    """Read a suite and resolve it against the installed plugins.

    Raises
    ------
    InputError
        With every fault found, one line each, as in ``suite.yaml:14: denoisers[1]: 'tips' has no parameter ...``.
    """
    folder = path.resolve().parent.name
    return suite_of(read(path), folder if path.stem == "suite" and folder else path.stem, catalogue)


def suite_of(document: Document, default_name: str, catalogue: Catalogue) -> Suite:
    """Resolve a suite that is read already; its name where it gives none is `default_name`. See `load_suite`."""
    return _Loading(document, catalogue).suite(default_name)


def load_scoring(path: Path, catalogue: Catalogue) -> tuple[tuple[MetricEntry, ...], Resources]:
    """Read the metrics and the resources of a suite and nothing else: its other components need not be installed.

    Raises
    ------
    InputError
        With every fault found in them, as of `load_suite`.
    """
    loading = _Loading(read(path), catalogue)
    metrics = loading.metrics()
    resources = loading.faults.section("resources", Resources, Resources())
    loading.faults.raise_if_any()
    return tuple(metrics), resources


@dataclass(frozen=True)
class _Part(Generic[T]):
    """A section's entries, and whether all of it was without fault."""

    entries: list[T]
    sound: bool


class _Loading:
    """One suite while it is checked: each part notes its faults and hands on what is sound."""

    def __init__(self, document: Document, catalogue: Catalogue) -> None:
        self.document, self.catalogue = document, catalogue
        self.faults = Faults(document)

    def suite(self, default_name: str) -> Suite:
        """Return the suite, or raise InputError with all that was found."""
        for key in self.document.data:
            if key not in SECTIONS:
                text = f"unknown key {key!r}{did_you_mean(key, SECTIONS)}; allowed: {', '.join(SECTIONS)}"
                self.faults.add((), text, at=(key,))
        section = self.faults.section
        maps = read_maps(self.faults)
        metrics = self.part(self.metrics)
        datasets = self.part(self.datasets)
        denoisers = self.part(lambda: self.denoisers(metrics, datasets, maps))
        exclusions = read_exclusions(self.faults)
        suite = Suite(
            name=section("name", Name, default_name),
            description=section("description", str, ""),
            datasets=tuple(datasets.entries),
            denoisers=tuple(denoisers.entries),
            metrics=tuple(metrics.entries),
            maps=maps,
            seeds=self.distinct(section("seeds", Annotated[list[Seed], Field(min_length=1)], [0]), ("seeds",)),
            replicates=self.replicates(datasets.entries),
            exclude=tuple(exclusions.values()),
            resources=section("resources", Resources, Resources()),
            text=self.document.text,
        )
        if datasets.sound and denoisers.sound:
            check_exclusions(exclusions, suite, self.faults)
        self.faults.raise_if_any()
        return suite

    def part(self, make: Callable[[], list[T]]) -> _Part[T]:
        before = len(self.faults.found)
        entries = make()
        return _Part(entries, len(self.faults.found) == before)

    def datasets(self) -> list[DatasetEntry]:
        entries = []
        for item in read_items("datasets", DatasetSettings, "dataset", self.catalogue, self.faults):
            noise = self.distinguishable(
                self.distinct(item.written.noise, (*item.place, "noise")), (*item.place, "noise")
            )
            component = self.built(item)
            if isinstance(component, Dataset):
                label = item.written.label or item.default_label
                entry = DatasetEntry(item.name, label, component, noise, item.written.train_only)
                entries.append((item.place, entry))
        if entries and all(entry.train_only for _, entry in entries):
            self.faults.add(("datasets",), "all are train_only; allowed: at least one that rows are scored on")
        return self.labelled(entries)

    def replicates(self, datasets: Sequence[DatasetEntry]) -> int:
        """Return how often the noise of each test case is drawn, after noting which datasets cannot do that."""
        count = self.faults.section("replicates", Replicates, 1)
        for entry in datasets if count > 1 else ():
            draws = type(entry.component).load_replicate is not Dataset.load_replicate
            if not (draws or entry.train_only or set(entry.noise) <= {None}):
                text = f"got {count}; allowed: 1, as {entry.label!r} cannot draw its noise anew; or leave it out"
                self.faults.add(("replicates",), text)
        return count

    def denoisers(self, metrics: _Part[MetricEntry], datasets: _Part[DatasetEntry], maps: Ways) -> list[DenoiserEntry]:
        labels = [metric.label for metric in metrics.entries]
        idle = [metric.label for metric in metrics.entries if metric.component.better == "none"]
        ranking = [label for label in labels if label not in idle]
        entries: list[tuple[Place, DenoiserEntry]] = []
        places: dict[Hashable, Place] = {}
        for item in read_items("denoisers", DenoiserSettings, "denoiser", self.catalogue, self.faults):
            tune = item.written.tune
            if metrics.sound and tune and tune.metric is not None and tune.metric not in labels:
                near = did_you_mean(tune.metric, labels)
                text = f"the suite has no metric {tune.metric!r}{near}; it has {listed(labels)}"
                self.faults.add((*item.place, "tune", "metric"), text)
            elif metrics.sound and tune and labels and (tune.metric in idle or not ranking):
                allowed = listed(ranking) if ranking else "a metric that does"
                text = f"{tune.metric or labels[0]!r} ranks nothing; allowed: {allowed}"
                self.faults.add((*item.place, "tune", *(["metric"] if tune.metric else [])), text)
            written = self.trained(item, datasets.entries) if datasets.sound else item.written
            found = rows(replace(item, written=_decided(written, ranking)), self.faults)
            for row in (each for made in found for each in with_maps(made, item, maps, self.faults)):
                if row.content in places:
                    text = f"the row {row.label!r} is in {spelled(places[row.content])} already; leave one out"
                    self.faults.add(item.place, text)
                else:
                    places[row.content] = item.place
                    entries.append((item.place, row))
        return self.labelled(entries)

    def trained(self, item: Item[DenoiserSettings], datasets: Sequence[DatasetEntry]) -> DenoiserSettings:
        """Return what is written with the noise level it learns from, after noting what is wrong with that."""
        written, asked, where = item.written, item.written.train, (*item.place, "train")
        if asked is None:
            return written
        entries = {entry.label: entry for entry in datasets}
        if not issubclass(item.cls, Trainable):
            self.faults.add(where, f"{item.cls.name!r} does not learn; leave it out")
        elif asked.dataset not in entries:
            near = did_you_mean(asked.dataset, entries)
            text = f"the suite has no dataset {asked.dataset!r}{near}; it has {listed(entries)}"
            self.faults.add((*where, "dataset"), text)
        else:
            levels = entries[asked.dataset].noise
            if "noise" not in asked.model_fields_set and len(levels) == 1:
                return written.model_copy(update={"train": asked.model_copy(update={"noise": levels[0]})})
            if asked.noise not in levels:
                got = shown(asked.noise) if "noise" in asked.model_fields_set else "no noise level"
                text = f"got {got}; allowed: one that {asked.dataset!r} has in the suite, {listed(levels)}"
                self.faults.add((*where, "noise"), text, at=where)
        return written

    def metrics(self) -> list[MetricEntry]:
        if "metrics" not in self.document.data:
            return self.default_metrics()
        entries = []
        for item in read_items("metrics", MetricSettings, "metric", self.catalogue, self.faults):
            component = self.built(item)
            if isinstance(component, Metric):
                label = item.written.label or _metric_label(item.default_label, component, item.written.params)
                entries.append((item.place, MetricEntry(item.name, label, component)))
        return self.labelled(entries)

    def default_metrics(self) -> list[MetricEntry]:
        """Return every installed metric that needs no parameter."""
        for text in self.catalogue.clashes("metric").values():
            self.faults.add((), f"'metrics' is left out, which stands for all that are installed, but {text}")
        classes = self.catalogue.metrics.items()
        ready = {name: cls for name, cls in classes if not any(f.is_required() for f in cls.model_fields.values())}
        if not ready:
            text = "'metrics' is left out and none is installed; install a plugin that offers one"
            self.faults.add((), f"{text} (the README lists some)")
        return [MetricEntry(name, cls.name, cls()) for name, cls in ready.items()]

    def built(self, item: Item[DatasetSettings] | Item[MetricSettings]) -> Any:
        """Return the component, None where its parameters are faulty or not known for other faults of the item."""
        if item.whole or "params" in item.written.model_fields_set:
            return build(item.cls, item.written.params, (*item.place, "params"), self.faults)
        return None

    def distinct(self, values: Sequence[T], place: Place) -> tuple[T, ...]:
        """Return the values, after noting those that are listed twice."""
        seen: set[T] = set()
        for index, value in enumerate(values):
            if value in seen:
                self.faults.add((*place, index), f"{shown(value)} is in the list already")
            seen.add(value)
        return tuple(values)

    def distinguishable(self, levels: tuple[float | None, ...], place: Place) -> tuple[float | None, ...]:
        """Return noise levels, after noting those that are written alike, for files and tables are called by them."""
        written: dict[str, set[float | None]] = {}
        for index, level in enumerate(levels):
            text = noise_column(level)
            alike = written.setdefault(text, set())
            if alike and level not in alike:
                self.faults.add((*place, index), f"{shown(level)} is written as {text}, like one before it")
            alike.add(level)
        return levels

    def labelled(self, entries: Sequence[tuple[Place, Entry]]) -> list[Entry]:
        """Return the entries, after noting labels that two of them share."""
        owners: dict[str, Place] = {}
        for place, entry in entries:
            if entry.label in owners:
                owner = spelled(owners[entry.label])
                self.faults.add(place, f"the label {entry.label!r} is taken by {owner}; give one of them another label")
            owners.setdefault(entry.label, place)
        return [entry for _, entry in entries]


def _decided(written: DenoiserSettings, metrics: Sequence[str]) -> DenoiserSettings:
    """Return what is written with the metric that tuning goes by: the suite's first that ranks where it names none."""
    if written.tune is None or written.tune.metric is not None or not metrics:
        return written
    return written.model_copy(update={"tune": written.tune.model_copy(update={"metric": metrics[0]})})


def _metric_label(name: str, metric: Metric, given: Mapping[str, Any]) -> str:
    """Return the name and, for each given parameter that differs from its default, its value: ``rmse_truth``."""
    values, label = plain(metric), name
    for parameter in given:
        default = type(metric).model_fields[parameter].get_default(call_default_factory=True)
        if getattr(metric, parameter) != default:
            label += "_" + re.sub(r"[^\w.+-]+", "-", value_text(values[parameter]))
    return label
