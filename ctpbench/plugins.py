"""Find plugins by the entry-point group ``ctpbench``, load each in its own guard, list what they offer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, overload

import pluggy

from ctpbench.code import read_anew
from ctpbench.contract import hookspecs
from ctpbench.contract.component_check import KINDS, Kind, check_component
from ctpbench.contract.components import Component, Dataset, Denoiser, Metric
from ctpbench.contract.executors import Executor
from ctpbench.contract.series import Series, Stated
from ctpbench.distributions import GROUP
from ctpbench.errors import PluginError
from ctpbench.probe import harmful
from ctpbench.text import did_you_mean, one_line

CONTROL = metadata.EntryPoint("control", "ctpbench.contract.control", GROUP)
EXECUTORS = metadata.EntryPoint("executors", "ctpbench.running.executors.offered", GROUP)
"""What the harness itself offers, whatever is installed: the control of a board, and where work is done."""


@dataclass(frozen=True)
class Offer:
    """A component, and the distribution that offers it (for a loose module the module's name, without version)."""

    kind: Kind
    cls: type[Component]
    distribution: str
    version: str = ""

    @property
    def name(self) -> str:
        """What the component calls itself, which another's may do as well."""
        return self.cls.name

    @property
    def qualified(self) -> str:
        """The name that no other distribution's component has: ``distribution:name``."""
        return f"{self.distribution}:{self.name}"


@dataclass(frozen=True)
class Loaded:
    """A plugin that loaded, with the names of its components."""

    entry_point: str
    distribution: str
    version: str
    components: tuple[str, ...]


@dataclass(frozen=True)
class Failure:
    """A plugin that did not load, and why, in one line."""

    entry_point: str
    distribution: str
    version: str
    reason: str

    def __str__(self) -> str:
        owner = f"{self.distribution} {self.version}" if self.distribution else "a loose module"
        return f"{owner}, entry point {self.entry_point!r}: {self.reason}"


@dataclass(frozen=True)
class Catalogue:
    """What the installed plugins offer.

    A component goes by its name or by its qualified name, ``distribution:name``. Where two distributions offer one
    name, only their qualified names are left, and the tables `datasets`, `denoisers` and `metrics` hold those.
    """

    offers: tuple[Offer, ...]
    loaded: tuple[Loaded, ...]
    failures: tuple[Failure, ...]
    manager: pluggy.PluginManager

    @property
    def datasets(self) -> Mapping[str, type[Dataset]]:
        """Datasets by the shortest name that is theirs alone, in order."""
        return self._classes("dataset")

    @property
    def denoisers(self) -> Mapping[str, type[Denoiser]]:
        """Denoisers by the shortest name that is theirs alone, in order."""
        return self._classes("denoiser")

    @property
    def metrics(self) -> Mapping[str, type[Metric]]:
        """Metrics by the shortest name that is theirs alone, in order."""
        return self._classes("metric")

    def named(self, kind: Kind) -> dict[str, Offer]:
        """Return all of a kind by the shortest name that is theirs alone, in order of these names."""
        offers = [offer for offer in self.offers if offer.kind == kind]
        count = Counter(offer.name for offer in offers)
        named = {offer.name if count[offer.name] == 1 else offer.qualified: offer for offer in offers}
        return dict(sorted(named.items()))

    def called(self, name: str) -> list[Offer]:
        """Return all that go by a name, qualified or not, of any kind; none where nothing does."""
        return [offer for kind in KINDS for offer in self.named(kind).values() if name in (offer.name, offer.qualified)]

    def clashes(self, kind: Kind) -> dict[str, str]:
        """Return the names that several distributions' components of a kind share, each with a line that says so."""
        named = self.named(kind).values()
        count = Counter(offer.name for offer in named)
        return {
            name: f"{kind} {name!r} is offered by {times} distributions; "
            f"allowed: {' or '.join(offer.qualified for offer in named if offer.name == name)}"
            for name, times in count.items()
            if times > 1
        }

    @overload
    def find(self, kind: Literal["dataset"], name: str) -> type[Dataset]: ...
    @overload
    def find(self, kind: Literal["denoiser"], name: str) -> type[Denoiser]: ...
    @overload
    def find(self, kind: Literal["metric"], name: str) -> type[Metric]: ...
    @overload
    def find(self, kind: Literal["executor"], name: str) -> type[Executor]: ...

    def find(self, kind: Kind, name: str) -> type[Component]:
        """Return the component of that kind and name, qualified or not.

        Raises
        ------
        PluginError
            Where no plugin offers it: names the nearest, all that exist, and what failed to load. Where two
            distributions do: names both, qualified.
        """
        found = [offer for offer in self.called(name) if offer.kind == kind]
        if len(found) == 1:
            return found[0].cls
        if found:
            raise PluginError(self.clashes(kind)[name])
        named = self.named(kind)
        options = [offer.qualified if ":" in name else offer.name for offer in named.values()]
        known = ", ".join(named) or "none; install a plugin that offers one (the README lists some)"
        text = f"no {kind} {name!r}{did_you_mean(name, options)}; installed: {known}"
        if self.failures:
            text += "; plugins that failed to load: " + "; ".join(str(failure) for failure in self.failures)
        raise PluginError(text)

    def open_series(self, path: Path, stated: Stated) -> Series | None:
        """Return the scan at a path, opened by the plugin that reads its format; None where no plugin does.

        See `ctpbench.contract.hookspecs.ctpbench_open_series`, which says what is raised.
        """
        series: Series | None = self.manager.hook.ctpbench_open_series(path=path, stated=stated)
        return series

    def cell_finished(self, record: Mapping[str, Any]) -> None:
        """Let every plugin that listens hear of a finished cell; what one of them raises is raised."""
        self.manager.hook.ctpbench_cell_finished(record=record)

    def _classes(self, kind: Kind) -> dict[str, Any]:
        return {name: offer.cls for name, offer in self.named(kind).items()}


def load_catalogue(entry_points: Iterable[metadata.EntryPoint] | None = None) -> Catalogue:
    """Load every plugin of the group ``ctpbench``, each in its own guard.

    One that raises, misspells a hook, offers a faulty component, or one that its distribution offers by another entry
    point too, becomes a `Failure` and offers nothing. So does, of those that are installed, one whose import would end
    or hold this process: see `ctpbench.probe`.
    """
    read_anew()
    installed = metadata.entry_points(group=GROUP) if entry_points is None else ()
    found = [CONTROL, EXECUTORS, *installed] if entry_points is None else entry_points
    harm = harmful(entry_point.module for entry_point in installed)
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    plugins: dict[Loaded, list[Offer]] = {}
    failures: list[Failure] = []
    for entry_point in sorted(found, key=lambda e: (_distribution(e), e.name)):
        origin = (entry_point.name, *_distribution(entry_point))
        if entry_point.module in harm:
            failures.append(Failure(*origin, harm[entry_point.module]))
            continue
        try:
            offers = _register(manager, entry_point)
        except (Exception, SystemExit) as error:  # whatever a stranger's module does, the others must load
            failures.append(Failure(*origin, _reason(error)))
            continue
        plugins[Loaded(*origin, tuple(offer.name for offer in offers))] = offers
    for plugin, reason in _offered_twice(plugins).items():
        owner = plugins.pop(plugin)[0].distribution
        manager.unregister(name=_plugin_name(owner, plugin.entry_point))
        failures.append(Failure(plugin.entry_point, plugin.distribution, plugin.version, reason))
    return Catalogue(
        offers=tuple(offer for offers in plugins.values() for offer in offers),
        loaded=tuple(plugins),
        failures=tuple(failures),
        manager=manager,
    )


def _register(manager: pluggy.PluginManager, entry_point: metadata.EntryPoint) -> list[Offer]:
    """Load and register one plugin and return what it offers; where that raises, it is not registered."""
    plugin = entry_point.load()
    owner, version = _owner(entry_point)
    manager.register(plugin, name=_plugin_name(owner, entry_point.name))
    try:
        _check_hooks(manager, plugin)
        others = [p for p in manager.get_plugins() if p is not plugin]
        offers: list[Offer] = []
        for kind in KINDS:
            for classes in manager.subset_hook_caller(f"ctpbench_{kind}s", others)():
                for cls in classes:
                    check_component(kind, cls)
                    if (kind, cls.name) in {(offer.kind, offer.name) for offer in offers}:
                        raise PluginError(f"{kind} {cls.name!r} is offered twice; allowed: one class a name")
                    offers.append(Offer(kind, cls, owner, version))
    except BaseException:
        manager.unregister(plugin)
        raise
    return offers


def _offered_twice(plugins: Mapping[Loaded, Iterable[Offer]]) -> dict[Loaded, str]:
    """Return the plugins that offer what another of their own distribution offers as well, each with what to say."""
    owners: dict[tuple[Kind, str], list[Loaded]] = {}
    for plugin, offers in plugins.items():
        for offer in offers:
            owners.setdefault((offer.kind, offer.qualified), []).append(plugin)
    return {
        plugin: f"{kind} {qualified.rpartition(':')[2]!r} is offered by this distribution's entry points "
        f"{' and '.join(repr(each.entry_point) for each in sharing)}; allowed: one class a name"
        for (kind, qualified), sharing in owners.items()
        if len(sharing) > 1
        for plugin in sharing
    }


def _check_hooks(manager: pluggy.PluginManager, plugin: object) -> None:
    """Refuse a plugin with an unknown hook, which pluggy alone would never call, or with none."""
    callers = manager.get_hookcallers(plugin) or []
    specs = [name for name in vars(hookspecs) if name.startswith("ctpbench_")]
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        unknown = [f"{c.name!r}{did_you_mean(c.name, specs)}" for c in callers if not c.has_spec()]
        raise PluginError(f"unknown hook {', '.join(unknown)}; allowed: {', '.join(specs)}") from error
    if not callers:
        raise PluginError(f"implements no hook; mark one of {', '.join(specs)} with @ctpbench.hookimpl")


def _plugin_name(owner: str, entry_point: str) -> str:
    return f"{owner}:{entry_point}"


def _owner(entry_point: metadata.EntryPoint) -> tuple[str, str]:
    """Return name and version of the distribution; of a loose module its top package, without version."""
    name, version = _distribution(entry_point)
    return name or entry_point.module.partition(".")[0], version


def _distribution(entry_point: metadata.EntryPoint) -> tuple[str, str]:
    dist = entry_point.dist
    return (dist.name, dist.version) if dist else ("", "")


def _reason(error: BaseException) -> str:
    text = one_line(error)
    return text if isinstance(error, PluginError) else f"{type(error).__name__}: {text}".removesuffix(": ")
