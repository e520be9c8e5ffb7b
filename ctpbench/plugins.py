"""Find plugins by the entry-point group ``ctpbench``, load each in its own guard, list what they offer."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from types import MappingProxyType
from typing import Any, Literal, overload

import pluggy

from ctpbench.code import GROUP, read_anew
from ctpbench.contract import hookspecs
from ctpbench.contract.components import (
    Component,
    ConcentrationDenoiser,
    Dataset,
    Deconvolver,
    Denoiser,
    FrameDenoiser,
    Metric,
    Trainable,
)
from ctpbench.errors import PluginError
from ctpbench.text import did_you_mean

Kind = Literal["dataset", "denoiser", "metric"]
KINDS: dict[Kind, type[Component]] = {"dataset": Dataset, "denoiser": Denoiser, "metric": Metric}
_DENOISERS = (FrameDenoiser, ConcentrationDenoiser, Deconvolver, Trainable)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Loaded:
    """A plugin that loaded, with the names of its components."""

    entry_point: str
    distribution: str
    version: str
    components: tuple[str, ...]


@dataclass(frozen=True)
class Failure:
    """A plugin that did not load, or whose component clashes with another's, and why."""

    entry_point: str
    distribution: str
    version: str
    reason: str

    def __str__(self) -> str:
        owner = _distribution_text(self.distribution, self.version)
        return f"{owner}, entry point {self.entry_point!r}: {self.reason}"


@dataclass(frozen=True)
class Catalogue:
    """What the installed plugins offer. A name that two of them claim is in `clashes` and nowhere else."""

    datasets: Mapping[str, type[Dataset]]
    denoisers: Mapping[str, type[Denoiser]]
    metrics: Mapping[str, type[Metric]]
    loaded: tuple[Loaded, ...]
    failures: tuple[Failure, ...]
    manager: pluggy.PluginManager
    clashes: Mapping[tuple[Kind, str], str] = field(default_factory=dict)

    @overload
    def find(self, kind: Literal["dataset"], name: str) -> type[Dataset]: ...
    @overload
    def find(self, kind: Literal["denoiser"], name: str) -> type[Denoiser]: ...
    @overload
    def find(self, kind: Literal["metric"], name: str) -> type[Metric]: ...

    def find(self, kind: Kind, name: str) -> type[Component]:
        """Return the component of that kind and name.

        Raises
        ------
        PluginError
            Where no plugin offers it, or two do. Names the nearest, all that exist, and what failed to load.
        """
        tables: dict[Kind, Mapping[str, type[Component]]]
        tables = {"dataset": self.datasets, "denoiser": self.denoisers, "metric": self.metrics}
        if name in tables[kind]:
            return tables[kind][name]
        if (kind, name) in self.clashes:
            raise PluginError(self.clashes[kind, name])
        known = ", ".join(sorted(tables[kind])) or "none; install a plugin that offers one"
        text = f"no {kind} {name!r}{did_you_mean(name, tables[kind])}; installed: {known}"
        if self.failures:
            text += "; plugins that failed to load: " + "; ".join(str(failure) for failure in self.failures)
        raise PluginError(text)


def load_catalogue(entry_points: Iterable[metadata.EntryPoint] | None = None) -> Catalogue:
    """Load every plugin of the group ``ctpbench``, each in its own guard.

    One that raises, misspells a hook or offers a faulty component becomes a `Failure` and offers nothing.
    """
    read_anew()
    found = metadata.entry_points(group=GROUP) if entry_points is None else entry_points
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    offers: dict[Kind, dict[str, type[Component]]] = {kind: {} for kind in KINDS}
    owners: dict[tuple[Kind, str], list[str]] = {}
    loaded: list[Loaded] = []
    failures: list[Failure] = []
    clashes: dict[tuple[Kind, str], str] = {}
    for entry_point in sorted(found, key=lambda e: (_distribution(e), e.name)):
        origin = (entry_point.name, *_distribution(entry_point))
        try:
            components = _register(manager, entry_point)
        except (Exception, SystemExit) as error:  # whatever a stranger's module does, the others must load
            failures.append(Failure(*origin, _one_line(error)))
            continue
        loaded.append(Loaded(*origin, tuple(cls.name for _, cls in components)))
        for kind, cls in components:
            offers[kind][cls.name] = cls
            claims = owners.setdefault((kind, cls.name), [])
            claims.append(_distribution_text(*origin[1:]))
            if len(claims) > 1:
                text = f"{kind} {cls.name!r} is offered by {' and '.join(claims)}; uninstall all but one"
                clashes[kind, cls.name] = text
                failures.append(Failure(*origin, text))
    for kind, name in clashes:
        del offers[kind][name]

    def table(kind: Kind) -> Mapping[str, Any]:
        return MappingProxyType(dict(sorted(offers[kind].items())))

    return Catalogue(
        datasets=table("dataset"),
        denoisers=table("denoiser"),
        metrics=table("metric"),
        loaded=tuple(loaded),
        failures=tuple(failures),
        manager=manager,
        clashes=MappingProxyType(clashes),
    )


def _register(manager: pluggy.PluginManager, entry_point: metadata.EntryPoint) -> list[tuple[Kind, type[Component]]]:
    """Load and register one plugin and return its components; where that raises, it is not registered."""
    plugin = entry_point.load()
    manager.register(plugin, name=f"{_distribution(entry_point)[0]}:{entry_point.name}")
    try:
        _check_hooks(manager, plugin)
        others = [p for p in manager.get_plugins() if p is not plugin]
        components: list[tuple[Kind, type[Component]]] = []
        for kind in KINDS:
            for classes in manager.subset_hook_caller(f"ctpbench_{kind}s", others)():
                for cls in classes:
                    check_component(kind, cls)
                    if (kind, cls.name) in {(k, c.name) for k, c in components}:
                        raise PluginError(f"{kind} {cls.name!r} is offered twice; allowed: one class a name")
                    components.append((kind, cls))
    except BaseException:
        manager.unregister(plugin)
        raise
    return components


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


def check_component(kind: Kind, cls: object) -> None:
    """Raise PluginError where a plugin's component breaks the contract of `ctpbench.contract.components`."""
    base = KINDS[kind]
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise PluginError(f"ctpbench_{kind}s: got {cls!r}; allowed: subclasses of {base.__name__}")
    where = f"{kind} {cls.__qualname__}"
    if inspect.isabstract(cls):
        raise PluginError(f"{where}: does not implement {', '.join(sorted(cls.__abstractmethods__))}")
    if kind == "denoiser" and not issubclass(cls, _DENOISERS):
        raise PluginError(f"{where}: allowed: a subclass of {', '.join(c.__name__ for c in _DENOISERS)}")
    name, version = (getattr(cls, attribute, None) for attribute in ("name", "version"))
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise PluginError(
            f"{where}: got name {name!r}; allowed: a class attribute, a letter, then letters, digits, _ or -"
        )
    if not (isinstance(version, str) and version):
        raise PluginError(f"{where}: got version {version!r}; allowed: a class attribute, text that is not empty")
    choices: dict[str, tuple[str, ...]] = {"learns_from": ("noisy", "clean")} if issubclass(cls, Trainable) else {}
    if kind == "metric":
        choices = {"better": ("lower", "higher", "zero")}
        if not isinstance(getattr(cls, "units", None), str):
            raise PluginError(f"{where}: units missing; allowed: a class attribute, text")
    for attribute, allowed in choices.items():
        if getattr(cls, attribute, None) not in allowed:
            raise PluginError(
                f"{where}: got {attribute} {getattr(cls, attribute, None)!r}; allowed: {' or '.join(allowed)}"
            )
    cls.model_rebuild()  # raises where a parameter's type does not exist


def _distribution(entry_point: metadata.EntryPoint) -> tuple[str, str]:
    dist = entry_point.dist
    return (dist.name, dist.version) if dist else ("", "")


def _distribution_text(name: str, version: str) -> str:
    return f"{name} {version}" if name else "a loose module"


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, PluginError) else f"{type(error).__name__}: {text}".removesuffix(": ")
