"""Text and tables of the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is, inside a table too; underscores within words stay."""
    return re.sub(r"[\\|*<`\[]|(?<![a-zA-Z0-9])_|_(?![a-zA-Z0-9])", r"\\\g<0>", " ".join(text.split()))


def table_lines(header: Sequence[str], rows: Iterable[Sequence[str]], words: Sequence[str] = ()) -> list[str]:
    """Return the lines of a table of Markdown; the columns named in `words` are set to the left."""
    align = [":---" if title in words else "---:" for title in header]
    return [f"| {' | '.join(cells)} |" for cells in (header, align, *rows)]


def folded(summary: str, lines: Iterable[str]) -> list[str]:
    """Return lines that show when their summary is clicked."""
    return ["<details>", f"<summary>{summary}</summary>", "", *lines, "</details>", ""]
