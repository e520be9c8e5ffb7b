"""What lies in the cache that runs share, as a table."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ctpbench.running.shared import GIB, LIMIT_VARIABLE, SharedCache
from ctpbench.running.work import STAGES
from ctpbench.text import duration_text, size_text


def print_shared(shared: SharedCache, said_by: str, limit: int, console: Console) -> None:
    """Print where it lies and who said so, what each stage holds and saved, and what of it no run links to."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("Stage", "Entries", "Size", "Taken", "Saved"):
        table.add_column(heading, justify="left" if heading == "Stage" else "right")
    entries, total = list(shared.kept()), 0
    for stage in STAGES:
        known = [each.about for each in entries if each.stage == stage and each.about]
        size, uses = sum(about.size for about in known), sum(about.uses for about in known)
        saved = sum(about.seconds * about.uses for about in known)
        total += size
        if known:
            spared = duration_text(saved) if uses else ""
            table.add_row(stage, str(len(known)), size_text(size), str(uses) if uses else "", spared)
    console.print(f"{escape(str(shared.folder))} (as {said_by} says)", soft_wrap=True, highlight=False)
    if not entries:
        console.print("It is empty.")
        return
    console.print(table)
    alone = f"To prune it all would free {size_text(shared.bytes_here_alone())}; the rest is linked from runs' folders."
    most = f"It may grow to {size_text(limit)} ({LIMIT_VARIABLE} = {limit / GIB:g})."
    console.print(f"{len(entries)} entries, {size_text(total)}. {alone} {most}", soft_wrap=True, highlight=False)
