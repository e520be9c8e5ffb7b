"""What the smaller commands print."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ctpbench.contract.component_check import KINDS
from ctpbench.contract.components import Component, Metric
from ctpbench.errors import PluginError
from ctpbench.plugins import Catalogue, Offer
from ctpbench.running.store import Store
from ctpbench.suite.shipped import summary
from ctpbench.testing import CheckResult
from ctpbench.text import UNKNOWN_AXIS, did_you_mean, level_text
from ctpbench.written.document import read


def print_status(store: Store, console: Console) -> None:
    """Print how far a run is, and each failure with its log."""
    index = store.index()
    axes = index.axes
    records = store.finished()
    counts = Counter(record.status for record in records)
    holder = store.holder()
    console.print(
        f"{index.suite}: {len(records)} of {len(index.cells)} cells finished"
        + (f"; running now (process {holder})" if holder else "")
    )
    console.print(", ".join(f"{count} {status}" for status, count in counts.most_common()) or "nothing finished yet")
    for record in records:
        where = escape(
            f"{level_text(record.dataset, record.noise, axes.get(record.dataset, UNKNOWN_AXIS))}: {record.config}"
        )
        if record.status != "ok":
            console.print(f"[red]{record.status}[/] {where}: {escape(record.message)}", soft_wrap=True)
        for metric, fault in record.faults.items():
            console.print(f"[red]metric failed[/] {where}: {escape(f'{metric}: {fault}')}", soft_wrap=True)
        if record.status != "ok" or record.faults:
            console.print(f"  log: {store.folder / record.log}", soft_wrap=True, highlight=False)
    scored = [record.entries.prediction for record in records if record.entries]
    if cleaned := sum(not store.cache.holds("prediction", key) for key in scored):
        console.print(f"Maps of {cleaned} of {len(scored)} cells are gone: scores stand, pictures stay as they are.")
    for path, wrong in store.damaged.items():
        text = escape(f"{path}: {wrong}; give the same command to compute it again")
        console.print(f"[red]damaged[/] {text}", soft_wrap=True)
    if any(not record.whole and record.status != "skipped" for record in records):
        console.print("Give the same command with --rerun failed to run them again.")


def print_catalogue(catalogue: Catalogue, console: Console) -> None:
    """Print what is installed, by kind, and what did not load."""
    for kind in KINDS:
        table = _table(f"{kind.capitalize()}s", "What it is", "From")
        for name, offer in catalogue.named(kind).items():
            table.add_row(f"[bold]{escape(name)}[/]", escape(_summary(offer.cls)), escape(offer.distribution))
        console.print(table)
    _print_failures(catalogue, console)


def print_suites(suites: Mapping[str, Path], console: Console) -> None:
    """Print the suites that ship, each with the first sentence of its description."""
    table = _table("Suites", "What it is")
    for name, path in suites.items():
        described = str(read(path).data.get("description", ""))
        table.add_row(f"[bold]{escape(name)}[/]", escape(summary(described)))
    console.print(table)


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
    return " ".join([str(facts.get("const", facts.get("type", ""))), *bounds])


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


def _summary(cls: type[Component]) -> str:
    return (inspect.getdoc(cls) or "").split("\n")[0]


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
