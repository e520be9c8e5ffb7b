"""A check: a named callable that raises where a component breaks its contract."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr


@dataclass(frozen=True)
class Check:
    """One demand of a contract; calling it with a component raises where the component does not meet it.

    Attributes
    ----------
    name : str
        Says what is demanded, as an identifier: ``same_seed_same_output``.
    demand : callable(component)
    basis : str, tuple of str, or None
        Name of the check, or of all the checks, that must hold for this one to mean anything: `run_all` leaves it out
        otherwise.
    """

    name: str
    demand: Callable[[Any], object]
    basis: str | tuple[str, ...] | None = None

    def __call__(self, component: Any) -> None:
        self.demand(component)


@dataclass(frozen=True)
class CheckResult:
    """How one check of one component ended; `message` is empty where it passed.

    `skipped` is no fault of the component: what the check needs is not on this machine.
    """

    component: str
    name: str
    passed: bool
    message: str = ""
    skipped: bool = False


class NotHere(Exception):
    """What a check needs is not on this machine, such as data that may not be passed on."""


def run_all(checks: Iterable[Check], component: Any, label: str) -> Iterator[CheckResult]:
    """Run checks in order, leaving out those whose basis failed or was left out: they'd only repeat it."""
    passed: set[str] = set()
    for check in checks:
        needed = (check.basis,) if isinstance(check.basis, str) else check.basis or ()
        if not passed.issuperset(needed):
            continue
        try:
            check(component)
        except NotHere as missing:
            yield CheckResult(label, check.name, False, str(missing), skipped=True)
        except Exception as error:  # whatever one component does, the others must be checked
            yield CheckResult(label, check.name, False, reason(error))
        else:
            passed.add(check.name)
            yield CheckResult(label, check.name, True)


def require(holds: bool, text: str) -> None:
    """Raise AssertionError with a text that says what was got and what is allowed, unless something holds."""
    if not holds:
        raise AssertionError(text)


def require_same(name: str, got: xr.DataArray, expected: xr.DataArray, allowed: str) -> None:
    """Raise AssertionError unless two arrays are equal to the bit, with coordinates, names and attributes."""
    if got.shape != expected.shape or got.dtype != expected.dtype:
        pair = f"{expected.dtype} {expected.shape} and then {got.dtype} {got.shape}"
        raise AssertionError(f"{name}: got {pair}; allowed: {allowed}")
    differ = ~((got.values == expected.values) | ((got.values != got.values) & (expected.values != expected.values)))
    if differ.any():
        sizes = np.abs(got.values[differ].astype(np.float64) - expected.values[differ])
        counts = f"{int(differ.sum())} of {differ.size} values that differ, by up to {np.nanmax(sizes):.3g}"
        raise AssertionError(f"{name}: got {counts}; allowed: {allowed}")
    text = f"{name}: got coordinates, name or attributes that differ; allowed: {allowed}"
    require(got.identical(expected), text)


def reason(error: BaseException) -> str:
    """Return one line: an assertion's text, of any other error its type and where it was raised as well."""
    text = " ".join(str(error).split())
    if isinstance(error, AssertionError):
        return text or "assertion failed"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {text} ({frame.filename}:{frame.lineno})"
