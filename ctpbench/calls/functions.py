"""A plain function as a denoiser: called with numpy arrays, in the process that called for it."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from pydantic import ConfigDict

from ctpbench.contract.components import Context, FrameDenoiser
from ctpbench.errors import InputError
from ctpbench.running.faults import InvalidOutput
from ctpbench.text import cut, did_you_mean, shown

Call = Callable[..., Any]

OFFERED = ("times_s", "spacing_mm", "brain", "vessels", "aif", "vof", "rng", "device", "threads")
"""What a function is given beside the frames where it names it among its parameters."""


class Function(FrameDenoiser):
    """A plain function of frames. Its parameters are kept for people to read; it is called with them as they are."""

    name, version = "function", "1"
    model_config = ConfigDict(extra="allow")

    function: ClassVar[Call]
    label: ClassVar[str]

    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        """Return what the function returns, as float32 frames."""
        kind = type(self)
        offered = {
            "times_s": frames["time"].values,
            "spacing_mm": tuple(frames.attrs["spacing_mm"]),
            **{name: frames[name].values if name in frames.coords else None for name in OFFERED[2:6]},
            "rng": context.rng,
            "device": context.device,
            "threads": context.threads,
        }
        wanted = {name: offered[name] for name in _taken(kind.function) or () if name in offered}
        returned = kind.function(np.array(frames.values), **wanted)
        return frames.copy(data=_frames(returned, frames.shape))


def function_denoiser(function: Call, parameters: Mapping[str, Any]) -> Function:
    """Return a function with its parameters as a denoiser.

    Parameters
    ----------
    function : callable
        Takes frames, (time, z, y, x), float32, HU, and returns as many. Of `OFFERED` it is given what it names.
    parameters : mapping
        Its other parameters.

    Raises
    ------
    InputError
        Where it takes no frames, or does not take these parameters.
    """
    label = called(function)
    _check(function, parameters, label)
    bound = functools.partial(function, **parameters) if parameters else function
    kind = type("Function", (Function,), {"__module__": __name__, "function": staticmethod(bound), "label": label})
    made: Function = kind(**{name: _plain(value) for name, value in parameters.items()})
    return made


def called(function: Call) -> str:
    """Return what people call a function.

    >>> called(np.median), called(functools.partial(np.clip, a_min=0)), called(lambda frames: frames)
    ('median', 'clip', 'lambda')
    """
    while isinstance(function, functools.partial):
        function = function.func
    name = str(getattr(function, "__name__", "") or type(function).__name__)
    return cut(name.strip("<>"), 60) or "function"


def _taken(function: Call) -> Mapping[str, inspect.Parameter] | None:
    """Return the parameters that a function names; None where nobody knows them, as of some that are written in C."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return None


def _check(function: Call, parameters: Mapping[str, Any], label: str) -> None:
    """Raise InputError where a function cannot be called with frames and these parameters."""
    taken = _taken(function)
    if taken is None:
        return
    first = next(iter(taken.values()), None)
    if first is None or first.kind in (first.KEYWORD_ONLY, first.VAR_KEYWORD):
        raise InputError(f"{label}: takes no frames; allowed: a function whose first parameter they are")
    others = list(taken.values())[1:]
    named = [each.name for each in others if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    own = [name for name in named if name not in OFFERED]
    if not any(each.kind == each.VAR_KEYWORD for each in others):
        for name in parameters:
            if name not in named:
                takes = f"it takes {', '.join(own)}" if own else "it takes none"
                raise InputError(f"{label!r} has no parameter {name!r}; {takes}{did_you_mean(name, own)}")
    for name in own:
        if taken[name].default is inspect.Parameter.empty and name not in parameters:
            raise InputError(f"{label!r} needs {name!r}; give it as a keyword, as in {name}=...")


def _plain(value: Any) -> Any:
    """Return a parameter's value as results can hold it: as text where JSON does not know it."""
    if isinstance(value, np.generic):
        value = value.item()
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return shown(cut(str(value), 60))


def _frames(returned: object, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return what a function returned as float32 values of the shape that it was given."""
    allowed = f"allowed: numbers of the shape that it was given, {shape}"
    if returned is None:
        raise InvalidOutput(f"returned None; {allowed}")
    values = np.asarray(returned)
    if values.dtype.kind not in "fiu":
        raise InvalidOutput(f"returned {values.dtype} of shape {values.shape}; {allowed}")
    if values.shape != shape:
        raise InvalidOutput(f"returned shape {values.shape}; {allowed}")
    with np.errstate(over="ignore"):  # what becomes infinite is named as such
        return values.astype(np.float32)
