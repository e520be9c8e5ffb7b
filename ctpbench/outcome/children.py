"""The groups below a dataset's: what tuning tried, what training logged, what recorded scans and the cases are like.

A child of a DataTree inherits its parent's coordinates, which is why the labels of a cell have names of their own
here, and why the groups are read by ``to_dataset(inherit=False)``. That of the cases has the parent's own case and
noise, and is read by ``to_dataset()``.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from ctpbench.arrays import Array
from ctpbench.outcome.cells import unique
from ctpbench.outcome.netcdf import as_text, label_array
from ctpbench.running.quality import QUANTITIES
from ctpbench.running.record import Record


class Children:
    """These groups of one dataset, made from its records one by one."""

    def __init__(self) -> None:
        self._trials, self._learning, self._inspections, self._cases = _Trials(), _Learning(), _Inspections(), _Cases()

    def take(self, record: Record) -> None:
        """Take in what a record has for any of them."""
        self._trials.take(record)
        self._learning.take(record)
        self._inspections.take(record)
        self._cases.take(record)

    def datasets(self) -> dict[str, xr.Dataset]:
        """Return the groups by name, of those for which any record has something."""
        named: dict[str, _Trials | _Learning | _Inspections | _Cases] = {
            "trials": self._trials,
            "learning": self._learning,
            "inspections": self._inspections,
            "cases": self._cases,
        }
        return {name: group.dataset() for name, group in named.items() if group.any}


class _Trials:
    """What tuning tried, and the metric and map it went by; empty text and NaN where the record does not say."""

    def __init__(self) -> None:
        texts = ("trial_config", "parameters", "status", "message")
        self._by = ("tuned_by_metric", "tuned_by_map", "tuned_by_better")
        self._texts: dict[str, list[str]] = {name: [] for name in (*texts, *self._by)}
        self._numbers = {name: array("d") for name in ("trial_noise", "value", "so_far", "scored_on", "cases")}
        self._seeds: list[int] = []
        self._words: dict[str, str] = {}

    @property
    def any(self) -> bool:
        return bool(self._seeds)

    def take(self, record: Record) -> None:
        by = record.tuned_by
        went_by = (by.metric, by.map, by.better) if by else ("", "", "")
        for trial in record.trials:
            parameters = as_text(dict(trial.parameters))
            texts = (record.config, parameters, trial.status, trial.message, *went_by)
            for column, text in zip(self._texts.values(), texts, strict=True):
                column.append(self._words.setdefault(text, text))
            numbers = (record.noise, trial.value, trial.so_far, trial.scored_on, trial.cases)
            for numeric, number in zip(self._numbers.values(), numbers, strict=True):
                numeric.append(np.nan if number is None else number)
            self._seeds.append(record.seed)

    def dataset(self) -> xr.Dataset:
        texts = {name: label_array(column) for name, column in self._texts.items()}
        numbers = {name: np.array(column) for name, column in self._numbers.items()}
        columns = {
            "trial_config": texts["trial_config"],
            "trial_noise": numbers["trial_noise"],
            "trial_seed": np.array(self._seeds),
            **{name: texts[name] if name in texts else numbers[name] for name in ("parameters", "value")},
            **{name: texts[name] for name in ("status", "message")},
            **{name: numbers[name] for name in ("so_far", "scored_on", "cases")},
            **{name: texts[name] for name in self._by},
        }
        return xr.Dataset({name: ("trial", column) for name, column in columns.items()})


class _Learning:
    """What training logged, a row for each number: what was not logged at a step, or not finite, is left out."""

    def __init__(self) -> None:
        self._configs: list[str] = []
        self._quantities: list[str] = []
        self._noise, self._seeds = array("d"), array("q")
        self._steps: list[float] = []
        self._values: list[float] = []
        self.any = False

    def take(self, record: Record) -> None:
        curve = record.learning or {}
        self.any = self.any or bool(curve)
        for quantity, values in curve.items():
            for step, value in zip(curve["step"], values, strict=True):
                if quantity != "step" and value is not None and step is not None:
                    self._configs.append(record.config)
                    self._quantities.append(quantity)
                    self._noise.append(np.nan if record.noise is None else record.noise)
                    self._seeds.append(record.seed)
                    self._steps.append(step)
                    self._values.append(value)

    def dataset(self) -> xr.Dataset:
        columns = {
            "learning_config": (label_array(self._configs), {}),
            "learning_noise": (np.array(self._noise), {}),
            "learning_seed": (np.array(self._seeds), {}),
            "quantity": (label_array(self._quantities), {"long_name": "what training logged"}),
            "step": (np.array(self._steps), {"long_name": "step of training"}),
            "value": (np.array(self._values), {"long_name": "its value at that step"}),
        }
        return xr.Dataset({name: ("point", column, attrs) for name, (column, attrs) in columns.items()})


class _Inspections:
    """What was found out about recorded scans: a row for each scan and noise level, a variable for each fact."""

    def __init__(self) -> None:
        self._scans: dict[tuple[str, float | None], Mapping[str, Any]] = {}

    @property
    def any(self) -> bool:
        return bool(self._scans)

    def take(self, record: Record) -> None:
        for case, facts in record.inspections.items():
            self._scans[case, record.noise] = facts

    def dataset(self) -> xr.Dataset:
        columns: dict[str, Array] = {
            "inspected_case": label_array([case for case, _ in self._scans]),
            "inspected_noise": np.array([noise for _, noise in self._scans], dtype=np.float64),
        }
        for name in map(str, unique(name for facts in self._scans.values() for name in facts)):
            values = [facts.get(name) for facts in self._scans.values()]
            texts = label_array([value or "" for value in values])
            is_text = any(isinstance(value, str) for value in values)
            columns[name] = texts if is_text else np.array(values, dtype=np.float64)
        return xr.Dataset({name: ("scan", column) for name, column in columns.items()})


class _Cases:
    """Numbers of each case at each noise level, (case, noise): the first record's that knows them, for all agree."""

    def __init__(self) -> None:
        self._cases: dict[str, int] = {}
        self._levels: dict[Hashable, int] = {}
        self._known: dict[str, dict[tuple[int, int], float]] = {}
        self._seen: set[tuple[Hashable, ...]] = set()

    @property
    def any(self) -> bool:
        return bool(self._known)

    def take(self, record: Record) -> None:
        level = self._levels.setdefault(record.noise, len(self._levels))
        places = [self._cases.setdefault(case, len(self._cases)) for case in record.cases]
        if (said := (level, tuple(places), tuple(record.quality))) in self._seen:
            return
        self._seen.add(said)
        for name, values in record.quality.items():
            known = self._known.setdefault(name, {})
            for case, value in zip(places, values, strict=True):
                known.setdefault((case, level), np.nan if value is None else value)

    def dataset(self) -> xr.Dataset:
        variables = {}
        for name in [name for name in QUANTITIES if name in self._known]:
            long_name, units = QUANTITIES[name]
            grid = np.full((len(self._cases), len(self._levels)), np.nan)
            for place, value in self._known[name].items():
                grid[place] = value
            variables[name] = (("case", "noise"), grid, {"long_name": long_name, "units": units})
        return xr.Dataset(variables)
