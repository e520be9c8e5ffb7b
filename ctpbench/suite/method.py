"""One component and its parameters as given on a command line or in a call, checked as a suite's are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from ctpbench.contract.components import Component
from ctpbench.errors import InputError
from ctpbench.suite.rows import build
from ctpbench.written.document import parse, plain
from ctpbench.written.faults import Faults

C = TypeVar("C", bound=Component)


def method(cls: type[C], assignments: Sequence[str]) -> C:
    """Return a component with parameters such as ``sigma_px=1.5``, values written as in a suite.

    Raises
    ------
    InputError
        With every fault, one line each, as in ``--param: 'tips' has no parameter 'sigma'; it takes ...``.
    """
    for text in assignments:
        if not text.partition("=")[0] or "=" not in text:
            raise InputError(f"--param: got {text!r}; allowed: NAME=VALUE, such as sigma_px=1.5")
    names = [text.partition("=")[0] for text in assignments]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"--param: got {twice[0]!r} more than once; allowed: one value for each parameter")
    lines = [text.replace("=", ": ", 1) for text in assignments]
    faults = Faults(parse("\n".join(lines or ["{}"]), "--param"))
    return _built(cls, faults, "--param")


def checked(cls: type[C], parameters: Mapping[str, Any]) -> C:
    """Return a component with parameters that are given as values.

    Raises
    ------
    InputError
        With every fault, one line each, as in ``tips: 'tips' has no parameter 'sigma'; it takes ...``.
    """
    return _built(cls, Faults(plain(parameters, cls.name)), cls.name)


def _built(cls: type[C], faults: Faults, where: str) -> C:
    component = build(cls, faults.document.data, (), faults)
    if component is None or faults.found:
        raise InputError("\n".join(f"{where}: {text}" for _, text in faults.found))
    return component
