"""Columns of a table on a terminal: numbers and words of headings stay whole, labels break where there is no room."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

_BETWEEN, _EDGES = 3, 2  # characters between two columns, and at both edges


def table_of(labels: Sequence[str], numbers: Sequence[str]) -> Table:
    """Return a table without rows: headings of columns whose words may break, and of columns of numbers."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in labels:
        table.add_column(Text(heading), overflow="fold")
    for heading in numbers:
        table.add_column(Text(heading), justify="right", no_wrap=True, vertical="top")
    return table


def in_lines(title: str, texts: Sequence[str], most: int | None = None) -> str:
    """Return a column's title in lines no wider than its texts, or than its longest word.

    Words longer than `most` characters are broken.

    >>> in_lines("RMSE truth CBF", ["9.31"]).split("\\n")
    ['RMSE', 'truth', 'CBF']
    >>> in_lines("supervised", ["9.31"], 6).split("\\n")
    ['superv', 'ised']
    """
    widest = width_of([*texts, *title.split()])
    broken = most is not None and widest > most
    width = most if most is not None and broken else widest
    return "\n".join(textwrap.wrap(title, width, break_long_words=broken, break_on_hyphens=False))


def width_of(texts: Sequence[str]) -> int:
    """Return the characters of the longest line of texts."""
    return max((len(line) for text in texts for line in text.split("\n")), default=0)


def total(widths: Sequence[int]) -> int:
    """Return how wide a table is whose columns are so wide."""
    return sum(widths) + _BETWEEN * (len(widths) - 1) + _EDGES


def room(width: int, others: Sequence[int], columns: int) -> int:
    """Return the characters that each of some columns has beside others, in a table of a width; at least 1."""
    left = width - _EDGES - sum(others) - _BETWEEN * (len(others) + columns - 1)
    return max(left // columns, 1)
