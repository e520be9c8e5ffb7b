"""What the cases are like, as a section of the page: numbers of each, those far from the others marked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ctpbench.arrays import Float64, Mask
from ctpbench.outcome.quality import CaseTable
from ctpbench.outcome.scores import decimals, title_of
from ctpbench.outcome.statistics import outlying
from ctpbench.report.markdown import escaped, folded, table_lines
from ctpbench.text import level_text

_WORDS = ("Case", "Patient")
_MARKED = (
    "Bold: further from the median of the cases than 3 robust standard deviations (1.4826 median absolute deviations)."
)


def cases_markdown(tables: Sequence[CaseTable]) -> str:
    """Return a section with a fold for each dataset and noise level; nothing where there is none."""
    lines = [line for table in tables for line in _fold(table)]
    return "\n".join(["## Cases", "", *lines]) if lines else ""


def _fold(table: CaseTable) -> list[str]:
    titled = {f"{_title(name)} ({units})": values for (name, units), values in table.numbers.items()}
    here: Mask = np.isfinite(np.array([*titled.values()])).any(axis=0)
    notes = []
    if table.share:
        title = table.share.score.title
        titled[f"Share of {title} (%)"] = 100 * table.share.values
        notes.append(f"Share: what a case carries of the mean {title} of {table.share.config}, the row in the middle.")
    marks = np.array([outlying(values[here]) for values in titled.values()])
    columns = [_texts(values[here], marked) for values, marked in zip(titled.values(), marks, strict=True)]
    named = [[escaped(case) for case, known in zip(table.cases, here, strict=True) if known]]
    if table.patients and table.patients != table.cases:
        named.append([escaped(whose) for whose, known in zip(table.patients, here, strict=True) if known])
    header = [*_WORDS[: len(named)], *map(escaped, titled)]
    rows = [list(row) for row in zip(*named, *columns, strict=True)]
    notes += [_MARKED] if marks.any() else []
    below = [" ".join(map(escaped, notes)), ""] if notes else []
    odd = int(marks.any(axis=0).sum())
    level = level_text(table.dataset, table.noise, table.axis)
    summary = f"{level}: {len(rows)} cases{f', {odd} of them marked' if odd else ''}"
    return folded(escaped(summary), [*table_lines(header, rows, _WORDS), "", *below])


def _title(name: str) -> str:
    """Return a number's name without its unit as people read it."""
    title = title_of(name.rpartition("_")[0])
    return title[:1].upper() + title[1:]


def _texts(values: Float64, marked: Mask) -> list[str]:
    """Return a column with as many decimals as its largest number takes, those far from the others in bold."""
    digits = decimals(float(np.max(np.abs(values), initial=0.0, where=np.isfinite(values))), 3)
    texts = ["" if np.isnan(value) else f"{value:.{digits}f}" for value in values]
    return [f"**{text}**" if mark else text for text, mark in zip(texts, marked, strict=True)]
