"""The cells of a suite, after a look at whether results can hold what they come to."""

from __future__ import annotations

from ctpbench.errors import InputError
from ctpbench.outcome.variables import TAKEN
from ctpbench.running.cell import Cell
from ctpbench.running.plan import plan
from ctpbench.suite.entries import Suite


def planned(suite: Suite) -> list[Cell]:
    """Return all cells of a suite, after a look at what their results would be called.

    Raises
    ------
    InputError, DataError
        Where a metric's label is taken, a dataset lacks what a row needs, or nothing is left to run.
    """
    for metric in suite.metrics:
        if metric.label in TAKEN:
            raise InputError(f"metrics: the results call something else {metric.label!r}; choose another label")
    return plan(suite)
