"""What was verified, as a table for people."""

from __future__ import annotations

import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ctpbench.outcome.verification import Verification, rows_of
from ctpbench.report.markdown import escaped, table_lines

_HEADER = ("Level", "Row", "Word", "Claimed", "Done again", "Secret data", "Why it failed")
_COLOURS = {"verified": "green", "failed": "red"}


def verification_markdown(frame: pd.DataFrame, verification: Verification | None) -> str:
    """Return a section that says of each row whether it was verified; nothing where none was."""
    if verification is None:
        return ""
    rows = [[escaped(text) for text in row] for row in rows_of(frame, verification)]
    table = table_lines(_HEADER, rows, words=("Level", "Row", "Word", "Why it failed"))
    return "\n".join(["## Verification", "", _about(verification), "", *table, ""])


def print_verification(frame: pd.DataFrame, verification: Verification, console: Console) -> None:
    """Print what came of the rows that were looked at."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold")
    for title in _HEADER:
        table.add_column(title, overflow="fold", justify="right" if title in _HEADER[3:6] else "left")
    for level, row, word, *others in rows_of(frame, verification):
        if word in _COLOURS:
            table.add_row(escape(level), escape(row), f"[{_COLOURS[word]}]{word}[/]", *map(escape, others))
    console.print(table)
    console.print(_about(verification), soft_wrap=True)


def _about(verification: Verification) -> str:
    where = " and ".join(part for part in (verification.cpu, verification.gpu) if part)
    secret = (
        "not tried on secret data"
        if verification.secret_seed is None
        else f"and tried on data from seeds raised by {verification.secret_seed}, drawn for this"
    )
    parts = [f"The work was done again on {where}, {verification.finished}", secret]
    if verification.inputs:
        parts.append(f"the bytes of {verification.inputs} cases were compared")
    return f"{', '.join(parts)}. Values are of the score that ranks. What was not looked at is self-reported."
