"""The leaderboard as people read it: Markdown, and tables on a terminal.

Every metric that the suite asks for is shown, in as many tables as it takes: the ranking column is the first, the
columns of a metric stay together. Scores at maps other than CBF, CBV and MTT are in a fold of the page, and not on
the terminal.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

from ctpbench.outcome.scores import title_of
from ctpbench.outcome.variables import axis_of
from ctpbench.report.board import FAILED, Board, Column, Family, boards, units_note
from ctpbench.report.columns import in_lines, total, width_of
from ctpbench.report.markdown import escaped, folded, table_lines
from ctpbench.text import cut, level_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_MOST_COLUMNS = 6  # of scores in a table of the page
_LONGEST, _SUMMARY = 300, 120  # characters of a failure's message that are shown, and of those that it is folded under
_LABEL_WIDTH = 28  # characters that a row's label and tuned values get at least where they are as long


def to_markdown(frame: pd.DataFrame, description: str = "") -> str:
    """Return the leaderboard of each dataset and noise level as Markdown tables.

    `description`, which may itself be Markdown, comes before them.
    """
    lines = ["# Leaderboard", "", *([description.strip(), ""] if description.strip() else [])]
    lines += [] if len(frame) else ["No cell has finished.", ""]
    for board in boards(frame, spread=True):
        lines += [f"## {escaped(board.title)}", ""]
        groups = list(_groups(board.families, _few)) or [[]]
        for i, columns in enumerate(groups):
            lines += [*_table_lines(board, columns, main=i == 0), ""]
        lines += [" ".join(escaped(note) for note in board.notes), ""]
        lines += [line for failure in board.failures for line in _failure_lines(failure)]
        lines += [""] if board.failures else []
        if board.further:
            maps = dict.fromkeys(title_of(column.score.map) for family in board.further for column in family)
            inner: list[str] = []
            for columns in _groups(board.further, _few):
                inner += [*_table_lines(board, columns, main=False), ""]
            lines += folded(f"Scores at {escaped(' and '.join(maps))}", inner)
    return "\n".join(lines)


def _failure_lines(failure: str) -> list[str]:
    """Return what failed as an item of a list; a long message shows whole when its beginning is clicked."""
    if len(failure) <= _LONGEST:
        return [f"- {escaped(failure)}"]
    inside = folded(html.escape(cut(failure, _SUMMARY)), [escaped(failure), ""])
    return [f"- {inside[0]}", *(f"  {line}".rstrip() for line in inside[1:])]


def print_table(frame: pd.DataFrame, console: Console, *, failures: bool = True) -> None:
    """Print the leaderboard on a terminal: means only, tuned values below the label, tables as wide as it is.

    Where seconds and status leave the labels no room, they stand in a table of their own. `failures` says whether what
    failed is told below: each cut to a few lines, with where the whole is.
    """
    from rich.text import Text

    if frame.empty:
        console.print("No cell has finished.")
    for board in boards(frame, spread=False):
        ranking = [family[0] for family in board.families[:1]]
        costs = _fits(board, console.width, True, ranking, True)
        groups = list(_groups(board.families, partial(_fits, board, console.width, costs)))
        for i, columns in enumerate(groups or [[]]):
            console.print(_terminal_table(board, columns, main=i == 0, costs=costs and i == 0))
        if not costs:
            console.print(_terminal_table(board, [], main=False, costs=True))
        console.print(Text(" ".join(note for note in (*board.notes, units_note(board.families)) if note), "dim"))
        for failure in board.failures if failures else ():
            console.print(Text(cut(failure, _LONGEST), "red"))
        if failures and any(len(failure) > _LONGEST for failure in board.failures):
            console.print(Text("What is cut is whole in leaderboard.md, and by `ctpbench status`.", "dim"))
        console.print()


def scans_markdown(tree: xr.DataTree) -> str:
    """Return a section that says of which recorded scans the inspection warns; nothing where none was inspected."""
    lines: list[str] = []
    for label, node in tree.children.items():
        if "inspections" not in node.children:
            continue
        scans = node.children["inspections"].to_dataset(inherit=False)
        if "warnings" not in scans:
            continue
        axis = axis_of(node.to_dataset(inherit=False))
        rows = zip(*(scans[name].values for name in ("inspected_case", "inspected_noise", "warnings")), strict=True)
        warned = [
            f"- {escaped(level_text(f'{label}, {case}', float(n), axis))}: {escaped(w)}" for case, n, w in rows if w
        ]
        lines += [f"{label}: of {scans.sizes['scan']} inspected scans {len(warned)} have warnings.", "", *warned]
    return "\n".join(["## Recorded scans", "", *lines, ""]) if lines else ""


def _groups(families: Iterable[Family], fits: Callable[[Sequence[Column], bool], bool]) -> Iterator[list[Column]]:
    """Yield the columns of one table after the other, the families in order and whole where one fits into a table.

    `fits(columns, first)` says whether columns are not too many for a table, which is or is not the first.
    """
    group: list[Column] = []
    first = True
    for family in families:
        parts = [family] if fits(family, first and not group) else [[column] for column in family]
        for part in parts:
            if group and not fits([*group, *part], first):
                yield group
                group, first = [], False
            group += part
    if group:
        yield group


def _few(columns: Sequence[Column], first: bool) -> bool:
    return len(columns) <= _MOST_COLUMNS


def _rows(board: Board, columns: Sequence[Column], main: bool) -> list[int]:
    """Return the rows of a table: all in the first, those that have something in a later one."""
    return [i for i in range(len(board.labels)) if main or any(column.texts[i] for column in columns)]


def _table_lines(board: Board, columns: Sequence[Column], main: bool) -> list[str]:
    """Return a Markdown table; the main one has what was tuned, the seconds and the status too."""
    scores = [f"{c.score.title} ({c.score.units})" if c.score.units else c.score.title for c in columns]
    scaled = main and any(board.relative)
    head, tail = scores[: int(scaled)], scores[int(scaled) :]
    header = ["Rank", "Method", *(["Tuned"] if main else []), *head, *(["0-1"] if scaled else []), *tail]
    header += ["s/case", "Status"] if main else []
    rows = []
    for i in _rows(board, columns, main):
        before = [board.ranks[i], board.labels[i], *([board.tuned[i]] if main else [])]
        after = [board.seconds[i], board.statuses[i]] if main else []
        cells = [f"**{column.texts[i]}**" if i in column.best else column.texts[i] for column in columns]
        cells[int(scaled) : int(scaled)] = [board.relative[i]] if scaled else []
        rows.append([*map(escaped, before), *cells, *map(escaped, after)])
    return table_lines([escaped(title) for title in header], rows, words=("Method", "Tuned", "Status"))


def _terminal_table(board: Board, columns: Sequence[Column], main: bool, costs: bool) -> Table:
    """Return a table of scores, of costs, or of both; the main one has title, tuned values and the scale of 0-1."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = Text(board.title, "bold") if main else None
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    table.add_column("#", justify="right")
    table.add_column("Method", overflow="fold")
    scaled = int(main and any(board.relative))
    headings = [*map(_heading, columns), *(["s/case"] if costs else [])]
    headings[scaled:scaled] = ["0-1"] if scaled else []
    for text in headings:
        table.add_column(Text(text), justify="right", no_wrap=True, vertical="top")
    if costs:
        table.add_column("Status", overflow="fold")
    for i in _rows(board, columns, main or costs):
        label = Text(board.labels[i])
        if main and board.tuned[i]:
            label.append(f"\n{board.tuned[i]}", "dim")
        cells = [Text(column.texts[i], _style(column, i)) for column in columns]
        cells[scaled:scaled] = [Text(board.relative[i])] if scaled else []
        status = board.statuses[i]
        after = [Text(board.seconds[i]), Text(status, "" if status == "ok" else "red")] if costs else []
        table.add_row(board.ranks[i], label, *cells, *after)
    return table


def _style(column: Column, row: int) -> str:
    if column.texts[row] == FAILED:
        return "red"
    return "bold" if row in column.best else ""


def _heading(column: Column) -> str:
    return in_lines(column.score.title, column.texts)


def _fits(board: Board, width: int, costs: bool, columns: Sequence[Column], first: bool) -> bool:
    """Whether a terminal has room for columns beside the label, and in the first table beside what else stands there.

    `costs` says whether seconds and status do.
    """
    texts = [*board.labels, *(board.tuned if first else [])]
    words = [len(word) for text in texts for word in text.split()]
    label = min(width_of(texts), max(_LABEL_WIDTH, *words))
    widths = [
        max(map(len, board.ranks)),
        label,
        *(width_of([*column.texts, _heading(column)]) for column in columns),
    ]
    if first and costs:
        widths += [width_of([*board.seconds, "s/case"]), width_of([*board.statuses, "Status"])]
    if first and any(board.relative):
        widths.append(width_of([*board.relative, "0-1"]))
    return total(widths) <= width
