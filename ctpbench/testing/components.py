"""What every component must be: documented, frozen, and a plain record of its parameters."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

import yaml

from ctpbench.contract.component_check import KINDS, check_component
from ctpbench.contract.components import Component
from ctpbench.errors import PluginError
from ctpbench.testing.check import Check, require

C = TypeVar("C", bound=Component)


def component_checks() -> list[Check]:
    """Return the checks that hold for components of all kinds alike."""
    return [
        Check("declares_its_contract", _declares_its_contract),
        Check("has_a_docstring", _has_a_docstring),
        Check("is_frozen", _is_frozen),
        Check("parameters_survive_yaml", _parameters_survive_yaml),
    ]


def fresh(component: C) -> C:
    """Return another instance with the same parameters, made as the harness makes one."""
    return type(component)(**_parameters(component))


def _declares_its_contract(component: Component) -> None:
    """Class attributes (name, version, and better, units or learns_from) as `ctpbench.contract.components` asks."""
    try:
        for kind, base in KINDS.items():
            if isinstance(component, base):
                check_component(kind, type(component))
    except PluginError as error:
        raise AssertionError(str(error)) from None


def _has_a_docstring(component: Component) -> None:
    kind = type(component)
    text = inspect.cleandoc(kind.__doc__ or "")
    require(
        bool(text),
        f"{kind.__qualname__}: got no docstring; allowed: one that says what it is, with its source",
    )


def _is_frozen(component: Component) -> None:
    text = "got a model that is not frozen; allowed: frozen=True, as Component's model_config has it"
    require(type(component).model_config.get("frozen") is True, text)


def _parameters_survive_yaml(component: Component) -> None:
    """Parameters written to YAML and read again are the same: results name their parameters so."""
    text = yaml.safe_dump(component.model_dump(mode="json"))
    again = type(component).model_validate(yaml.safe_load(text))
    _require_same_parameters("after YAML", again, component)


def _require_same_parameters(when: str, again: Component, component: Component) -> None:
    got, given = _parameters(again), _parameters(component)
    changed = [f"{name}={got[name]!r} from {given[name]!r}" for name in given if got[name] != given[name]]
    require(not changed, f"{when}: got {', '.join(changed)}; allowed: the same parameters")


def _parameters(component: Component) -> dict[str, Any]:
    return {name: getattr(component, name) for name in type(component).model_fields}
