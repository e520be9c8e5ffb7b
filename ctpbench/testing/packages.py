"""Check everything that an installed package offers: what ``ctpbench check PACKAGE`` does."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import metadata
from typing import Any

from pydantic import ValidationError

from ctpbench.contract.component_check import KINDS
from ctpbench.contract.components import Component
from ctpbench.distributions import GROUP
from ctpbench.errors import PluginError
from ctpbench.plugins import load_catalogue
from ctpbench.testing.check import CheckResult, run_all
from ctpbench.testing.datasets import Noise
from ctpbench.testing.kit import checks_for, label_of
from ctpbench.text import did_you_mean


def check_package(
    name: str, *, noise: Noise = (None,), progress: Callable[[CheckResult], None] = lambda result: None
) -> list[CheckResult]:
    """Run all checks on every component that a package registers.

    Each component is made from the first of each field's ``examples`` where it has some, as in
    ``Field(examples=[16])``, and from its defaults elsewhere. So a package can name values for a parameter
    without default, and small ones where the default would take long.

    Parameters
    ----------
    name : str
        Of the distribution (``my-denoiser``) or of the package that is imported (``my_denoiser``).
    noise : sequence of float or None
        Noise levels at which datasets are loaded.
    progress : callable(result)
        Called after each check.

    Returns
    -------
    list of CheckResult
        Component by component. One that cannot be made is one failed check, ``can_be_made``; so is an entry point
        that does not load, ``loads``.

    Raises
    ------
    PluginError
        Where no such plugin is installed.
    """
    results: list[CheckResult] = []

    def note(result: CheckResult) -> None:
        results.append(result)
        progress(result)

    catalogue = load_catalogue(_entry_points(name))
    for failure in catalogue.failures:
        note(CheckResult(f"entry point {failure.entry_point!r}", "loads", False, failure.reason))
    for offer in (offer for kind in KINDS for offer in catalogue.named(kind).values()):
        try:
            component = example_component(offer.cls)
        except ValueError as error:
            note(CheckResult(offer.name, "can_be_made", False, str(error)))
            continue
        for result in run_all(checks_for(component, noise=noise), component, label_of(component)):
            note(result)
    return results


def example_component(cls: type[Component]) -> Component:
    """Make a component from its fields' examples, and from defaults where there are none.

    Raises
    ------
    ValueError
        Where a parameter has neither, or an example is not allowed.
    """
    examples: dict[str, Any] = {n: field.examples[0] for n, field in cls.model_fields.items() if field.examples}
    bare = [n for n, field in cls.model_fields.items() if field.is_required() and n not in examples]
    if bare:
        raise ValueError(f"needs parameters: {', '.join(bare)}; give examples in the Field: Field(examples=[...])")
    try:
        return cls(**examples)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'all'}: {e['msg']}" for e in error.errors())
        raise ValueError(f"got {examples}, which it refuses ({faults}); allowed: valid examples in the Field") from None


def _entry_points(name: str) -> list[metadata.EntryPoint]:
    """Return the entry points of a distribution, or of a package that is imported."""
    installed = list(metadata.entry_points(group=GROUP))
    mine = [e for e in installed if _folded(name) in (_folded(_distribution(e)), _folded(e.module.split(".")[0]))]
    if not mine:
        names = sorted({_distribution(e) for e in installed})
        known = ", ".join(names) or "none"
        raise PluginError(
            f"no plugin {name!r} is installed{did_you_mean(name, names)}; installed: {known}; "
            f"a plugin is a distribution with an entry point in the group {GROUP!r}"
        )
    return mine


def _distribution(entry_point: metadata.EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist else entry_point.module.split(".")[0]


def _folded(name: str) -> str:
    """Spell a name as PyPI compares names, so that the import name is found as well."""
    return re.sub(r"[-_.]+", "-", name).casefold()
