"""What decides answers on a machine: the code of the core and of components, and the versions of numeric libraries."""

from __future__ import annotations

from collections.abc import Mapping

from ctpbench.code import component_libraries, core_hash, digest, module_hash
from ctpbench.contract.components import Component
from ctpbench.distributions import distribution_of_module, versions
from ctpbench.errors import PluginError
from ctpbench.running.keys import LIBRARIES
from ctpbench.running.record import Plain
from ctpbench.running.work import STAGES
from ctpbench.suite.entries import Suite

_SHORT = 8
_NONE = "none"


class Wanted(Plain):
    """What a run's answers depend on: modules of components, and distributions whose versions count."""

    modules: tuple[str, ...]
    libraries: tuple[str, ...]

    @classmethod
    def of(cls, suite: Suite) -> Wanted:
        """Return what the answers of a suite depend on."""
        classes: list[type[Component]] = [row.cls for row in suite.denoisers]
        classes += [type(dataset.component) for dataset in suite.datasets]
        classes += [type(metric.component) for metric in suite.metrics]
        libraries = {name for names in LIBRARIES.values() for name in names}
        libraries |= {name for each in classes for name in component_libraries(each)}
        return cls(modules=tuple(sorted({each.__module__ for each in classes})), libraries=tuple(sorted(libraries)))


def identity(wanted: Wanted) -> dict[str, str]:
    """Return what this machine has of it, by name: a version, a hash of code, or that it is missing."""
    core = digest([core_hash(f"ctpbench.running.stages.{stage}") for stage in STAGES])
    found = versions(wanted.libraries)
    return {
        "ctpbench": _worded("ctpbench", core),
        **{module: _code(module) for module in wanted.modules},
        **{name: found.get(name, _NONE) for name in wanted.libraries},
    }


def differences(theirs: Mapping[str, str], ours: Mapping[str, str]) -> list[str]:
    """Return in words what another machine has otherwise.

    >>> differences({"numpy": "2.1.0", "scipy": "1.17.0"}, {"numpy": "2.4.0", "scipy": "1.17.0"})
    ['numpy 2.1.0, here 2.4.0']
    """
    pairs = [(name, theirs.get(name, _NONE), known) for name, known in ours.items()]
    return [f"{name} {other}, here {known}" for name, other, known in pairs if other != known]


def _code(module: str) -> str:
    try:
        return _worded(module, module_hash(module))
    except PluginError:
        return _NONE


def _worded(module: str, code: str) -> str:
    version = distribution_of_module(module)[1]
    return f"{version} (code {code[:_SHORT]})" if version else f"(code {code[:_SHORT]})"
