"""What a person names as a method, as a denoiser: a name, a component, or a plain function."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ctpbench.calls.functions import Function, function_denoiser
from ctpbench.code import own_files
from ctpbench.contract.component_check import check_component
from ctpbench.contract.components import Denoiser
from ctpbench.errors import InputError, PluginError
from ctpbench.plugins import Catalogue
from ctpbench.suite.method import checked
from ctpbench.text import parameters_text, plain_text

Method: TypeAlias = str | Denoiser | type[Denoiser] | Callable[..., Any]


def denoiser_of(method: Method, parameters: Mapping[str, Any], catalogue: Catalogue) -> Denoiser:
    """Return a method with its parameters as a denoiser.

    Raises
    ------
    InputError, PluginError
        Where there is none of that name, it is none, or its parameters are wrong.
    """
    if isinstance(method, str):
        return checked(catalogue.find("denoiser", method), parameters)
    if isinstance(method, Denoiser):
        if parameters:
            raise InputError(
                f"{type(method).__name__}: got {', '.join(parameters)} beside a component that is made; "
                "give parameters where it is made"
            )
        check_component("denoiser", type(method))
        return method
    if isinstance(method, type) and issubclass(method, Denoiser):
        check_component("denoiser", method)
        return checked(method, parameters)
    if callable(method) and not isinstance(method, type):
        return function_denoiser(method, parameters)
    raise InputError(
        f"method: got {plain_text(repr(method), 60)}; allowed: the name of a denoiser, a component, or a function of "
        "frames"
    )


def label_of(denoiser: Denoiser) -> str:
    """Return what a board calls a method: its name, with the parameters that were given."""
    name = denoiser.label if isinstance(denoiser, Function) else denoiser.name
    values = denoiser.model_dump(mode="json")
    given = {key: values[key] for key in values if key in denoiser.model_fields_set}
    return f"{name}({parameters_text(given)})" if given else name


def importable(kind: type[Denoiser]) -> bool:
    """Whether another process can import a component's class, and a change of it would be noticed."""
    if issubclass(kind, Function) or kind.__module__ == "__main__" or "<locals>" in kind.__qualname__:
        return False
    try:
        return bool(own_files(kind.__module__))
    except PluginError:
        return False


def of_this_call(kind: type[Denoiser]) -> type[Denoiser]:
    """Return a class as one that only this process knows, whose results no other call takes for its own."""
    call = secrets.token_hex(8)
    own = {"__module__": __name__, "name": kind.name, "version": f"{kind.version} of call {call}"}
    made: type[Denoiser] = type(f"{kind.__name__}_{call}", (kind,), own)
    return made
