"""Rows of one level held against each other, for the page on which a reader chooses two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ctpbench.outcome.comparison import Comparison, comparisons
from ctpbench.report.site.board import level_key
from ctpbench.report.site.sources import Source


def matches(source: Source) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the key of each level that is ranked, and every pair of its rows by the score that ranks.

    The difference of a pair is how much better the first row is; `p` is that of the two alone, `p_holm` is adjusted
    over all pairs of the level.
    """
    for (dataset, noise), compared in comparisons(source.tree).items():
        yield level_key(source.name, dataset, np.nan if noise is None else noise), _level(compared)


def _level(compared: Comparison) -> dict[str, Any]:
    pairs = [
        [
            pair.first,
            pair.second,
            pair.difference.value,
            *((ends.low, ends.high) if (ends := pair.difference.interval) else (None, None)),
            pair.p,
            pair.p_holm,
            pair.difference.patients,
            pair.difference.reason,
        ]
        for pair in compared.pairs
        if pair.difference.patients
    ]
    return {"score": compared.score.column, "rows": [row.label for row in compared.rows], "pairs": pairs}
