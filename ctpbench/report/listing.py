"""What is installed, as `ctpbench list` shows it: plain data, so that it can be kept, and shown without its plugins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from ctpbench.plugins import Catalogue


@dataclass(frozen=True)
class Listing:
    """What there is.

    Attributes
    ----------
    suites : sequence of (name, what it is)
    components : mapping
        Of each kind, in order: name, what it is, and the distribution that it comes from.
    failures : sequence of str
        The plugins that did not load, and why.
    """

    suites: Sequence[Sequence[str]]
    components: Mapping[str, Sequence[Sequence[str]]]
    failures: Sequence[str] = ()


def listing_of(catalogue: Catalogue) -> Listing:
    """Return what is installed and which suites ship, each with the first sentence of its description."""
    import inspect

    from ctpbench.contract.component_check import KINDS
    from ctpbench.suite.shipped import shipped_suites, summary
    from ctpbench.written.document import read

    suites = [(name, summary(str(read(path).data.get("description", "")))) for name, path in shipped_suites().items()]
    components: dict[str, list[tuple[str, str, str]]] = {
        kind: [
            (name, (inspect.getdoc(offer.cls) or "").split("\n")[0], offer.distribution)
            for name, offer in catalogue.named(kind).items()
        ]
        for kind in KINDS
    }
    return Listing(suites, components, [str(failure) for failure in catalogue.failures])


def print_listing(listing: Listing, console: Console) -> None:
    """Print suites, components by kind, and what did not load."""
    from rich.markup import escape

    _print_table(("Suites", "What it is"), listing.suites, console)
    for kind, rows in listing.components.items():
        _print_table((f"{kind.capitalize()}s", "What it is", "From"), rows, console)
    for failure in listing.failures:
        console.print(f"[red]did not load:[/] {escape(failure)}", soft_wrap=True, highlight=False)


def _print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], console: Console) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for name, *others in rows:
        table.add_row(f"[bold]{escape(name)}[/]", *map(escape, others))
    console.print(table)
