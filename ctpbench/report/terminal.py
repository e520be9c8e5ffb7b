"""What the smaller commands print."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ctpbench.contract.component_check import KINDS
from ctpbench.contract.components import Component, Metric
from ctpbench.errors import PluginError
from ctpbench.plugins import Catalogue, Offer
from ctpbench.testing import CheckResult
from ctpbench.text import did_you_mean


def print_component(catalogue: Catalogue, name: str, console: Console) -> None:
    """Print the description and parameters of each component that goes by a name.

    Raises
    ------
    PluginError
        Where nothing installed has that name.
    """
    found = catalogue.called(name)
    if not found:
        named = [catalogue.named(kind) for kind in KINDS]
        known = sorted({known for offers in named for known in offers})
        options = {offer.qualified if ":" in name else offer.name for offers in named for offer in offers.values()}
        near = did_you_mean(name, sorted(options))
        raise PluginError(f"nothing is called {name!r}{near}; installed: {', '.join(known) or 'nothing'}")
    clashes = {kind: catalogue.clashes(kind) for kind in KINDS}
    for kind in KINDS:
        if name in clashes[kind]:
            console.print(escape(clashes[kind][name]) + "\n", soft_wrap=True, highlight=False)
    for offer in found:
        _print_offer(offer, offer.qualified if name in clashes[offer.kind] else name, console)


def _print_offer(offer: Offer, name: str, console: Console) -> None:
    cls, origin = offer.cls, f"{offer.distribution} {offer.version}".rstrip()
    console.print(f"[bold]{escape(name)}[/], version {cls.version}, {offer.kind} of {origin}")
    for paragraph in (inspect.getdoc(cls) or "").split("\n\n"):
        console.print("\n" + escape(" ".join(paragraph.split())))
    console.print()
    if issubclass(cls, Metric):
        agrees = f" A {cls.quantity}, held against {cls.agrees_with}." if cls.agrees_with else ""
        console.print(f"Better: {cls.better}. Units: {cls.units}.{agrees}\n", soft_wrap=True)
    if cls.model_fields:
        console.print(_parameters(cls))
    else:
        console.print("It has no parameters.")


def _parameters(cls: type[Component]) -> Table:
    table = _table("Parameter", "Default", "Allowed", "Meaning")
    described = cls.model_json_schema()
    for name, facts in described["properties"].items():
        default = "[red]required[/]" if name in described.get("required", ()) else escape(str(facts.get("default")))
        table.add_row(f"[bold]{name}[/]", default, escape(_allowed(facts)), escape(str(facts.get("description", ""))))
    return table


def _allowed(facts: Mapping[str, Any]) -> str:
    if "enum" in facts:
        return " | ".join(str(value) for value in facts["enum"])
    if "anyOf" in facts:
        return " | ".join(_allowed(option) for option in facts["anyOf"])
    signs = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    bounds = [f"{sign} {facts[word]:g}" for word, sign in signs.items() if word in facts]
    return " ".join([str(facts.get("const", facts.get("type", "mapping" if "$ref" in facts else ""))), *bounds])


def print_plugins(catalogue: Catalogue, console: Console) -> None:
    """Print which plugins loaded and which did not, and which names two of them share."""
    table = _table("Plugin", "Version", "Offers")
    for plugin in catalogue.loaded:
        table.add_row(escape(plugin.distribution), escape(plugin.version), ", ".join(plugin.components))
    console.print(table)
    for kind in KINDS:
        for text in catalogue.clashes(kind).values():
            console.print(f"[yellow]one name:[/] {escape(text)}", soft_wrap=True, highlight=False)
    _print_failures(catalogue, console)


def _print_failures(catalogue: Catalogue, console: Console) -> None:
    for failure in catalogue.failures:
        console.print(f"[red]did not load:[/] {escape(str(failure))}", soft_wrap=True, highlight=False)


def print_check(result: CheckResult, console: Console) -> None:
    """Print how one check of the conformance kit ended."""
    mark = "[green]passed[/]" if result.passed else "[yellow]skipped[/]" if result.skipped else "[red]failed[/]"
    text = f": {escape(result.message)}" if result.message else ""
    console.print(f"{mark} {escape(result.component)}: {escape(result.name)}{text}", soft_wrap=True, highlight=False)


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
