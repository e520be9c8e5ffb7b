"""What can be freed of runs, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ctpbench.running.clearing import Clearing
from ctpbench.text import size_text


def print_clearings(found: Sequence[Clearing], console: Console) -> None:
    """Print how much each kind holds in each run, and what stays."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Run", overflow="fold")
    table.add_column("Kind")
    table.add_column("Entries", justify="right")
    table.add_column("Size", justify="right")
    for each in found:
        name = escape(str(each.store.folder))
        for kind, share in each.shares.items():
            if share.entries:
                table.add_row(name, kind, str(share.entries), size_text(share.size))
                name = ""
        table.add_row(name, "[dim]stays[/]", "", f"[dim]{size_text(each.stays)}[/]", end_section=True)
    console.print(table)
    free = sum(each.size for each in found)
    several = f" of {len(found)} runs" if len(found) > 1 else ""
    console.print(f"{size_text(free)} can be freed{several}." if free else f"Nothing is to be freed{several}.")
    if linked := sum(each.linked for each in found):
        more = f"{size_text(linked)} stay on the disk, for the cache that runs share or another run holds them too"
        console.print(f"{more}; see `ctpbench cache`.", soft_wrap=True, highlight=False)
