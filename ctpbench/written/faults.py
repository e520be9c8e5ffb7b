"""All faults of what a person wrote, gathered before any is raised: one line each, with its line, in that order.

A suite, claims and the parameters of a command line (``--param``) are read alike, and their faults raise the same
`ctpbench.errors.InputError`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from ctpbench.errors import InputError
from ctpbench.text import did_you_mean, shown, whole
from ctpbench.written.document import Document, Place

T = TypeVar("T")

_ALLOWED: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "literal_error": lambda c: str(c["expected"]),
    "enum": lambda c: str(c["expected"]),
    "greater_than": lambda c: f"above {shown(c['gt'])}",
    "greater_than_equal": lambda c: f"{shown(c['ge'])} or more",
    "less_than": lambda c: f"below {shown(c['lt'])}",
    "less_than_equal": lambda c: f"{shown(c['le'])} or less",
    "multiple_of": lambda c: f"a multiple of {shown(c['multiple_of'])}",
    "finite_number": lambda c: "a finite number",
    "string_pattern_mismatch": lambda c: f"text that matches {c['pattern']}",
    "string_too_short": lambda c: f"text of at least {_count(c['min_length'], 'character')}",
    "string_too_long": lambda c: f"text of at most {_count(c['max_length'], 'character')}",
    "too_short": lambda c: f"at least {_count(c['min_length'], 'entry', 'entries')}",
    "too_long": lambda c: f"at most {_count(c['max_length'], 'entry', 'entries')}",
    "none_required": lambda c: "null",
}
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "a mapping",
    "model": "a mapping",
}
_TYPE_ENDINGS = ("_type", "_parsing", "_from_float", "_attributes_type")


class Faults:
    """Gathers faults of one document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.found: list[tuple[int, str]] = list(document.faults)

    def add(self, place: Place, text: str, at: Place = ()) -> None:
        """Note a fault of a place of the document; its line is that of `at` where it is given."""
        where = spelled(place)
        self.found.append((self.document.line(at or place), f"{where}: {text}" if where else text))

    def raise_if_any(self) -> None:
        """Raise InputError with one line for each fault, in the order of their lines."""
        if self.found:
            name = self.document.name
            lines = dict.fromkeys(
                f"{name}:{line}: {text}" if line else f"{name}: {text}"
                for line, text in sorted(self.found, key=lambda f: f[0])
            )
            raise InputError("\n".join(lines))

    def take(self, kind: type[T] | Any, value: Any, place: Place, default: T) -> T:
        """Return a value as the given type, or the default after noting what is wrong with it."""
        try:
            taken: T = TypeAdapter(kind).validate_json(as_json(value), strict=True)
        except ValidationError as error:
            self.add_all(problems(error, value, kind), place)
            return default
        return taken

    def section(self, key: str, kind: type[T] | Any, default: T) -> T:
        """Return what stands at the document's top under a key as the given type, the default where it is absent."""
        data = self.document.data
        return self.take(kind, data[key], (key,), default) if key in data else default

    def add_all(self, found: Iterable[Problem], place: Place) -> None:
        """Note problems of the value at a place."""
        for problem in found:
            self.add((*place, *problem.place), problem.text, at=(*place, *problem.at))


class Problem(NamedTuple):
    """What is wrong within a value: where, as messages name it, and the place whose line is shown."""

    place: Place
    text: str
    at: Place


def problems(error: ValidationError, value: Any, kind: Any) -> list[Problem]:
    """Say what pydantic found wrong with a value of some type: where, what was got, what is allowed."""
    found: list[Problem] = []
    grouped: dict[Place, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        place = _place(detail, value)
        if detail["type"] == "extra_forbidden":
            key, allowed = str(place[-1]), _keys(kind, detail["loc"][:-1])
            text = f"unknown key {key!r}{did_you_mean(key, allowed)}; allowed: {', '.join(allowed)}"
            found.append(Problem(place[:-1], text, place))
        else:
            grouped.setdefault(place, []).append(detail)
    return found + [Problem(place, _text(details), place) for place, details in grouped.items()]


def _place(detail: ErrorDetails, value: Any) -> Place:
    """Return where in the value an error is: pydantic's location without the names of a union's branches."""
    place: Place = ()
    for part in detail["loc"]:
        inside = isinstance(value, dict) and part in value
        inside = inside or (isinstance(value, list) and isinstance(part, int) and part < len(value))
        if inside:
            value, place = value[part], (*place, part)
    return place


def _text(details: Sequence[ErrorDetails]) -> str:
    first = details[0]
    if first["type"] == "missing":
        parts = [d["loc"][-1] for d in details]
        return f"{', '.join(repr(p) if isinstance(p, str) else f'entry {p + 1}' for p in parts)} is missing"
    got = f"got {shown(first['input'])}; "
    messages = [d["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ") for d in details]
    allowed = [_allowed(d) for d in details]
    if None in allowed:
        of_all = isinstance(first["input"], dict) and not first["loc"]  # of all parameters, not of one
        return ("" if of_all else got) + "; ".join(dict.fromkeys(messages))
    nearest = did_you_mean(str(first["input"]), _choices(details)) if isinstance(first["input"], str) else ""
    return f"{got}allowed: {' or '.join(dict.fromkeys(filter(None, allowed)))}{nearest}"


def _allowed(detail: ErrorDetails) -> str | None:
    kind = detail["type"]
    if kind in _ALLOWED:
        return _ALLOWED[kind](detail.get("ctx", {}))
    for ending in _TYPE_ENDINGS:
        if kind.endswith(ending) and kind.removesuffix(ending) in _TYPES:
            return _TYPES[kind.removesuffix(ending)]
    return None


def _choices(details: Sequence[ErrorDetails]) -> list[str]:
    texts = [str(d["ctx"]["expected"]) for d in details if d["type"] in ("literal_error", "enum")]
    return [part for text in texts for part in text.split("'")[1::2]]


def _keys(kind: Any, loc: Sequence[str | int]) -> list[str]:
    """Return the keys that the model at a location takes."""
    model = _model_in(kind)
    for part in loc:
        if model is not None and part in model.model_fields:
            model = _model_in(model.model_fields[str(part)].annotation) or model
    return list(model.model_fields) if model is not None else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for inner in get_args(annotation) if (model := _model_in(inner))), None)


def as_json(value: Any) -> str:
    """Return plain data as JSON in which ``128.0`` and ``1e5`` are whole numbers, fit for a count or a measure."""
    return json.dumps(whole(value))


def spelled(place: Place) -> str:
    """Return a place as a person reads it: ``denoisers[1].params.sigma_px``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return "".join(parts).removeprefix(".")


def listed(options: Iterable[Any]) -> str:
    """Return what there is to choose from, as a fault names it."""
    return ", ".join(shown(option) for option in options) or "no such"


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n} {one if n == 1 else many or one + 's'}"
