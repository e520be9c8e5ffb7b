"""From a denoiser as written, with `params`, `grid` and `tune`, to the leaderboard's rows."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from ctpbench.contract.components import Component, Denoiser
from ctpbench.errors import CtpbenchError
from ctpbench.suite.entries import DenoiserEntry, Tune
from ctpbench.suite.items import Item
from ctpbench.suite.sections import DenoiserSettings, Range, TuneSettings
from ctpbench.text import did_you_mean, parameters_text, shown
from ctpbench.written.document import Place
from ctpbench.written.faults import Faults, Problem, as_json, problems

C = TypeVar("C", bound=Component)
Values = Mapping[str, Any]
_PROBES = 200  # of a whole-number range so many values are tried before any is run


def rows(item: Item[DenoiserSettings], faults: Faults) -> list[DenoiserEntry]:
    """Return the rows of one item of the suite, none where it has faults, which are noted.

    Where not the whole item is known, for faults in the rest of it, only its values are checked.
    """
    before = len(faults.found)
    entry = _Entry(item, faults)
    entry.check_names()
    if item.whole:
        entry.check_complete()
    entry.check_values()
    if item.whole and len(faults.found) == before:
        entry.check_combinations()
    return entry.rows() if item.whole and len(faults.found) == before else []


def build(cls: type[C], values: Values, place: Place, faults: Faults) -> C | None:
    """Return a dataset or metric with the given parameters, None after noting what is wrong with them."""
    before = len(faults.found)
    check_parameters(cls, values, place, faults)
    known = {name: value for name, value in values.items() if name in cls.model_fields}
    component, found = _attempt(cls, known)
    faults.add_all(found, place)
    return component if len(faults.found) == before else None


def check_parameters(cls: type[Component], names: Values, place: Place, faults: Faults) -> None:
    """Note parameters, written at a place within the component's entry, that the component does not have."""
    for name in names:
        if name not in cls.model_fields:
            takes = f"it takes {', '.join(cls.model_fields)}" if cls.model_fields else "it takes none"
            near = did_you_mean(name, cls.model_fields)
            faults.add(place[:2], f"{cls.name!r} has no parameter {name!r}; {takes}{near}", at=(*place, name))


def plain(component: Component) -> dict[str, Any]:
    """Return a component's parameters as YAML can hold them, defaults included."""
    dumped = component.model_dump(mode="json")
    return {name: dumped[name] for name in type(component).model_fields}


def _attempt(cls: type[C], values: Values) -> tuple[C | None, list[Problem]]:
    """Return the component, or what is wrong; an empty place stands for all parameters together."""
    try:
        return cls.model_validate_json(as_json(dict(values)), strict=True), []
    except ValidationError as error:
        return None, problems(error, dict(values), cls)
    except CtpbenchError as error:
        return None, [Problem((), str(error), ())]


class _Entry:
    """One item of `denoisers` while it is checked. A candidate is a value with the place it is written at."""

    def __init__(self, item: Item[DenoiserSettings], faults: Faults) -> None:
        self.item, self.faults = item, faults
        self.written, self.place = item.written, item.place
        self.cls: type[Denoiser] = item.cls
        self.tune: TuneSettings | None = item.written.tune
        tuned = self.tune.parameters if self.tune else {}
        self.sections: dict[Place, Mapping[str, Any]] = {
            ("params",): item.written.params,
            ("grid",): item.written.grid,
            ("tune", "parameters"): tuned,
        }
        self.candidates: dict[str, list[tuple[Place, Any]]] = {}
        for section, values in self.sections.items():
            for name, value in values.items():
                if name in self.cls.model_fields:
                    spread = section != ("params",)
                    self.candidates.setdefault(name, _candidates(value, spread, (*self.place, *section, name)))
        self.base = {name: choices[0][1] for name, choices in self.candidates.items()}
        self.canonical: dict[str, list[Any]] = {}

    def check_names(self) -> None:
        """Note unknown parameters, those given twice, and what does not suit the search."""
        seen: dict[str, Place] = {}
        for section, values in self.sections.items():
            check_parameters(self.cls, values, (*self.place, *section), self.faults)
            for name in values:
                if name in seen:
                    also = ".".join(str(part) for part in seen[name])
                    text = f"{name!r} is given in {also} too; allowed: one of params, grid and tune"
                    self.faults.add((*self.place, *section, name), text)
                seen.setdefault(name, section)
        if self.tune and self.tune.search == "exhaustive":
            for name, value in self.tune.parameters.items():
                if isinstance(value, Range):
                    text = "got a range; allowed: a list of values, or search: tpe"
                    self.faults.add((*self.place, "tune", "parameters", name), text)
            if self.tune.trials is not None:
                self.faults.add((*self.place, "tune", "trials"), "only search: tpe takes trials; leave it out")

    def check_complete(self) -> None:
        """Note parameters that have no default and no value, and trials that are missing."""
        if self.tune and self.tune.search == "tpe" and self.tune.trials is None:
            self.faults.add((*self.place, "tune", "search"), "tpe needs trials, as in 'trials: 30'")
        for name, field in self.cls.model_fields.items():
            if field.is_required() and name not in self.candidates:
                self.faults.add(self.place, f"{self.cls.name!r} needs {name!r}, in params, grid or tune")

    def check_values(self) -> None:
        """Note each value that its parameter does not take, whatever the others are, and values given twice."""
        for name, choices in self.candidates.items():
            known: list[Any] = []
            seen: set[str] = set()
            before = len(self.faults.found)
            for place, value in choices:
                if len(self.faults.found) > before and place[-1] == name:
                    break  # of a range one fault tells enough
                component, found = _attempt(self.cls, {**self.base, name: value})
                for problem in found:
                    if problem.at[:1] == (name,):
                        inner, at = problem.place[1:], problem.at[1:]
                        self.faults.add((*place, *inner), problem.text, at=(*place, *at))
                known.append(plain(component)[name] if component else value)
                if (text := json.dumps(known[-1])) in seen:
                    self.faults.add(place, f"{shown(value)} is in the list already")
                seen.add(text)
            self.canonical[name] = known

    def check_combinations(self) -> None:
        """Note each row of which some combination of parameters is refused."""
        where = (*self.place, "params") if self.written.params else self.place
        for grid in self.grid_combinations():
            for tuned in self.tuned_combinations():
                _, found = _attempt(self.cls, {**self.base, **grid, **tuned})
                if found:
                    combination = parameters_text({**grid, **tuned})
                    reasons = "; ".join(problem.text for problem in found)
                    self.faults.add(where, f"{reasons} (with {combination})" if combination else reasons)
                    break

    def grid_combinations(self) -> Iterator[dict[str, Any]]:
        for values in itertools.product(*self.written.grid.values()):
            yield dict(zip(self.written.grid, values, strict=True))

    def tuned_combinations(self) -> Iterator[dict[str, Any]]:
        """Yield every combination that is tried, for tpe every candidate with the first of the others."""
        if self.tune is None:
            yield {}
            return
        choices = {name: [value for _, value in self.candidates[name]] for name in self.tune.parameters}
        if self.tune.search == "exhaustive":
            for values in itertools.product(*choices.values()):
                yield dict(zip(choices, values, strict=True))
        else:
            for name, candidates in choices.items():
                yield from ({**{n: c[0] for n, c in choices.items()}, name: value} for value in candidates)

    def rows(self) -> list[DenoiserEntry]:
        tuned = self.tune.parameters if self.tune else {}
        combinations = list(self.grid_combinations())
        entries = []
        for grid in combinations:
            component, _ = _attempt(self.cls, {**self.base, **grid})
            assert component is not None  # check_combinations built it
            params = plain(component)
            given = {name: params[name] for name in (*self.written.params, *grid)}
            label = self.written.label or self.item.default_label
            appended = given if self.written.label is None else grid if len(combinations) > 1 else {}
            if appended:
                label += f"({parameters_text({name: given[name] for name in appended})})"
            fixed = {name: value for name, value in params.items() if name not in tuned}
            entries.append(DenoiserEntry(self.item.name, label, self.cls, fixed, self.tuning(), self.written.train))
        return entries

    def tuning(self) -> Tune | None:
        if self.tune is None:
            return None
        parameters: dict[str, tuple[Any, ...] | Range] = {}
        for name, value in self.tune.parameters.items():
            known = self.canonical[name]
            if isinstance(value, Range):
                parameters[name] = Range(low=known[0], high=known[1], log=value.log)
            else:
                parameters[name] = tuple(known)
        metric = self.tune.metric or ""  # nothing only where the suite has none, which is a fault of its own
        return Tune(
            parameters,
            self.tune.search,
            self.tune.trials,
            metric,
            self.tune.map,
            self.tune.seed,
            self.tune.stop_early,
        )


def _candidates(value: Any, spread: bool, place: Place) -> list[tuple[Place, Any]]:
    """Return the values to try, each with its place: of a range its ends and some of what lies between."""
    if not spread:
        return [(place, value)]
    if not isinstance(value, Range):
        return [((*place, index), item) for index, item in enumerate(value)]
    low, high = value.low, value.high
    inner: Sequence[int | float] = [low + (high - low) / 2]
    if isinstance(low, int) and isinstance(high, int):
        inner = range(low + 1, min(high, low + _PROBES))
    return [((*place, "low"), low), ((*place, "high"), high), *((place, probe) for probe in inner)]
