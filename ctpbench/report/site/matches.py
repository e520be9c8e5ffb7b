"""Rows of one level held against each other, for the page on which a reader chooses two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ctpbench.outcome.comparison import Comparison, comparisons
from ctpbench.outcome.scores import patients_of
from ctpbench.outcome.statistics.estimate import LEAST_PATIENTS
from ctpbench.outcome.statistics.variance import Variance
from ctpbench.report.site.board import level_key
from ctpbench.report.site.script import DIGITS
from ctpbench.report.site.sources import Source


def matches(source: Source) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the key of each level that is ranked, and every pair of its rows by the score that ranks.

    The difference of a pair is how much better the first row is; `p` is that of the two alone, `p_holm` is adjusted
    over all pairs of the level.
    """
    for (dataset, noise), compared in comparisons(source.tree).items():
        yield level_key(source.name, dataset, np.nan if noise is None else noise), _level(compared)


def student(sources: Sequence[Source]) -> dict[str, Any]:
    """Return what a page needs for a 95% interval of Student's of the mean of any two rows' differences.

    Resampled intervals of every two rows by every score would take hours; Student's is a mean, its standard error, and
    a quantile: `quantiles` of `least` patients, of one more, and so on. Differences that vary by less than `rounding`
    of the largest score are equal, for numbers have as many digits on a page.
    """
    nodes = [node.to_dataset(inherit=False) for source in sources for node in source.tree.children.values()]
    most = max((len(patients_of(data)[0]) for data in nodes), default=0)
    freedom = np.arange(LEAST_PATIENTS - 1, most, dtype=np.float64)
    quantiles = Variance(np.ones(freedom.size), freedom).margin(0.95)  # of a standard error of 1
    return {"least": LEAST_PATIENTS, "quantiles": quantiles, "rounding": 2 * 10.0 ** (1 - DIGITS)}


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
