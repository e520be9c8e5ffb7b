"""The groups below a dataset's: what tuning tried, what training logged, what recorded scans and the cases are like.

A child of a DataTree inherits its parent's coordinates, which is why the labels of a cell have names of their own
here, and why the groups are read by ``to_dataset(inherit=False)``. That of the cases has the parent's own case and
noise, and is read by ``to_dataset()``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from ctpbench.arrays import Array
from ctpbench.outcome.cells import unique
from ctpbench.outcome.netcdf import as_text, label_array
from ctpbench.running.quality import QUANTITIES
from ctpbench.running.record import Record


def children_of(records: Sequence[Record]) -> dict[str, xr.Dataset]:
    """Return the groups by name, of those for which any record of a dataset has something."""
    groups: dict[str, xr.Dataset] = {}
    if any(record.trials for record in records):
        groups["trials"] = _trials(records)
    if any(record.learning for record in records):
        groups["learning"] = _learning(records)
    if any(record.inspections for record in records):
        groups["inspections"] = _inspections(records)
    if any(record.quality for record in records):
        groups["cases"] = _cases(records)
    return groups


def _trials(records: Sequence[Record]) -> xr.Dataset:
    """What tuning tried, and the metric and map it went by; empty text and NaN where the record does not say."""
    tried = [(record, trial, record.tuned_by) for record in records for trial in record.trials]
    columns = {
        "trial_config": label_array([record.config for record, *_ in tried]),
        "trial_noise": np.array([record.noise for record, *_ in tried], dtype=np.float64),
        "trial_seed": np.array([record.seed for record, *_ in tried]),
        "parameters": label_array([as_text(dict(trial.parameters)) for _, trial, _ in tried]),
        "value": np.array([trial.value for _, trial, _ in tried], dtype=np.float64),
        "status": label_array([trial.status for _, trial, _ in tried]),
        "message": label_array([trial.message for _, trial, _ in tried]),
        **{
            name: np.array([getattr(trial, name) for _, trial, _ in tried], dtype=np.float64)
            for name in ("so_far", "scored_on", "cases")
        },
        "tuned_by_metric": label_array([by.metric if by else "" for *_, by in tried]),
        "tuned_by_map": label_array([by.map if by else "" for *_, by in tried]),
        "tuned_by_better": label_array([by.better if by else "" for *_, by in tried]),
    }
    return xr.Dataset({name: ("trial", column) for name, column in columns.items()})


def _learning(records: Sequence[Record]) -> xr.Dataset:
    """What training logged, a row for each number: what was not logged at a step, or not finite, is left out."""
    logged = [
        (record, quantity, step, value)
        for record in records
        for curve in [record.learning or {}]
        for quantity, values in curve.items()
        for step, value in zip(curve["step"], values, strict=True)
        if quantity != "step" and value is not None
    ]
    columns = {
        "learning_config": (label_array([record.config for record, *_ in logged]), {}),
        "learning_noise": (np.array([record.noise for record, *_ in logged], dtype=np.float64), {}),
        "learning_seed": (np.array([record.seed for record, *_ in logged], dtype=np.int64), {}),
        "quantity": (label_array([quantity for _, quantity, *_ in logged]), {"long_name": "what training logged"}),
        "step": (np.array([step for *_, step, _ in logged]), {"long_name": "step of training"}),
        "value": (np.array([value for *_, value in logged]), {"long_name": "its value at that step"}),
    }
    return xr.Dataset({name: ("point", column, attrs) for name, (column, attrs) in columns.items()})


def _inspections(records: Sequence[Record]) -> xr.Dataset:
    """What was found out about recorded scans: a row for each scan and noise level, a variable for each fact."""
    scans = {(case, record.noise): facts for record in records for case, facts in record.inspections.items()}
    columns: dict[str, Array] = {
        "inspected_case": label_array([case for case, _ in scans]),
        "inspected_noise": np.array([noise for _, noise in scans], dtype=np.float64),
    }
    for name in map(str, unique(name for facts in scans.values() for name in facts)):
        values = [facts.get(name) for facts in scans.values()]
        texts = label_array([value or "" for value in values])
        is_text = any(isinstance(value, str) for value in values)
        columns[name] = texts if is_text else np.array(values, dtype=np.float64)
    return xr.Dataset({name: ("scan", column) for name, column in columns.items()})


def _cases(records: Sequence[Record]) -> xr.Dataset:
    """Numbers of each case at each noise level, (case, noise): the first record's that knows them, for all agree."""
    cases = unique(case for record in records for case in record.cases)
    levels = unique(record.noise for record in records)
    names = unique(name for record in records for name in record.quality)
    grids = {str(name): np.full((len(cases), len(levels)), np.nan) for name in names}
    for record in reversed(records):
        for name, values in record.quality.items():
            places = [cases.index(case) for case in record.cases]
            grids[name][places, levels.index(record.noise)] = np.array(values, dtype=np.float64)
    variables = {}
    for name in [name for name in QUANTITIES if name in grids]:
        long_name, units = QUANTITIES[name]
        variables[name] = (("case", "noise"), grids[name], {"long_name": long_name, "units": units})
    return xr.Dataset(variables)
