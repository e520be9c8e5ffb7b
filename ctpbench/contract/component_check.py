"""Whether a class that a plugin offers keeps to the contract of `ctpbench.contract.components`."""

from __future__ import annotations

import inspect
import math
import re
from typing import Literal, get_args

from ctpbench.contract.components import (
    Better,
    Component,
    ConcentrationDenoiser,
    Dataset,
    Deconvolver,
    Denoiser,
    FrameDenoiser,
    Metric,
    Quantity,
    Trainable,
)
from ctpbench.contract.executors import Executor
from ctpbench.errors import PluginError
from ctpbench.text import plain_text

Kind = Literal["dataset", "denoiser", "metric", "executor"]
KINDS: dict[Kind, type[Component]] = {
    "dataset": Dataset,
    "denoiser": Denoiser,
    "metric": Metric,
    "executor": Executor,
}
_DENOISERS = (FrameDenoiser, ConcentrationDenoiser, Deconvolver, Trainable)
_LONGEST_UNITS = 40
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def check_component(kind: Kind, cls: object) -> None:
    """Raise PluginError where a class is no component of the kind: one line that says what is allowed."""
    base = KINDS[kind]
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise PluginError(f"ctpbench_{kind}s: got {cls!r}; allowed: subclasses of {base.__name__}")
    where = f"{kind} {cls.__qualname__}"
    if inspect.isabstract(cls):
        raise PluginError(f"{where}: does not implement {', '.join(sorted(cls.__abstractmethods__))}")
    if kind == "denoiser" and not issubclass(cls, _DENOISERS):
        raise PluginError(f"{where}: allowed: a subclass of {', '.join(c.__name__ for c in _DENOISERS)}")
    name, version = (getattr(cls, attribute, None) for attribute in ("name", "version"))
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise PluginError(
            f"{where}: got name {name!r}; allowed: a class attribute, a letter, then letters, digits, _ or -"
        )
    if not (isinstance(version, str) and version):
        raise PluginError(f"{where}: got version {version!r}; allowed: a class attribute, text that is not empty")
    if kind == "metric" and not isinstance(getattr(cls, "units", None), str):
        raise PluginError(f"{where}: units missing; allowed: a class attribute, text")
    if not isinstance(pretrained_on := getattr(cls, "pretrained_on", ""), str):
        raise PluginError(f"{where}: got pretrained_on {pretrained_on!r}; allowed: a class attribute, text")
    for attribute in ("noise_symbol", "noise_units") if kind == "dataset" else ():
        text = getattr(cls, attribute)
        if not (isinstance(text, str) and plain_text(text, _LONGEST_UNITS) == text):
            kind_of = f"a class attribute, text of up to {_LONGEST_UNITS} characters"
            raise PluginError(f"{where}: got {attribute} {text!r}; allowed: {kind_of}")
    reference = getattr(cls, "agrees_with", "")
    if not (isinstance(reference, str) and (not reference or (_NAME.fullmatch(reference) and reference != name))):
        raise PluginError(f"{where}: got agrees_with {reference!r}; allowed: another metric's name, or none")
    for attribute, allowed in _choices(cls).items():
        got = getattr(cls, attribute, None)
        if got not in allowed:
            raise PluginError(f"{where}: got {attribute} {got!r}; allowed: {' or '.join(allowed)}")
    if issubclass(cls, Metric) and (fault := _fault_of_best(cls)):
        raise PluginError(f"{where}: got best {cls.best!r}; allowed: {fault}")
    cls.model_rebuild()  # raises where a parameter's type does not exist


def _fault_of_best(cls: type[Metric]) -> str:
    """Return what is allowed of a metric's best score, where it is something else."""
    best: object = cls.best
    if best is None:
        return ""
    if cls.better not in ("lower", "higher"):
        return f"none, for its better is {cls.better}"
    sound = isinstance(best, int | float) and not isinstance(best, bool) and math.isfinite(best)
    return "" if sound else "a class attribute, a finite number, or none"


def _choices(cls: type[Component]) -> dict[str, tuple[str, ...]]:
    """Return the class attributes that must hold one of a few words."""
    if issubclass(cls, Metric):
        return {"better": get_args(Better), "quantity": get_args(Quantity)}
    return {"learns_from": ("noisy", "clean")} if issubclass(cls, Trainable) else {}
