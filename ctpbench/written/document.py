"""YAML read strictly, with the line of every value: what a person wrote is what the program gets, or a fault.

Suites, claims and the values of ``--param`` are read so.

Scalars follow YAML 1.2 and less: ``1e5`` and ``1e-3`` are numbers; only ``true`` and ``false`` are booleans,
so that ``no`` stays text; ``10:30``, ``0x1f``, ``007`` and dates stay text. Duplicate keys are faults.
``${NAME}`` and ``${NAME:-default}`` in a value stand for environment variables, ``$${`` for a plain ``${``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ctpbench.errors import InputError

Place = tuple[str | int, ...]
"""Where a value stands in a document: ``("denoisers", 1, "params", "sigma_px")``."""

LONGEST_BYTES = 2**20
DEEPEST = 50
"""Lists and mappings within each other."""
MOST_VALUES = 100_000
"""Values in all, those counted each time that an alias stands for."""

_TAG = "tag:yaml.org,2002:"
_LARGEST = 2**63
_RESOLVERS = (
    ("null", re.compile(r"~|null|Null|NULL|"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE"), list("tTfF")),
    ("int", re.compile(r"[-+]?(?:0|[1-9][0-9]*)"), list("-+0123456789")),
    (
        "float",
        re.compile(
            r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
        ),
        list("-+.0123456789"),
    ),
    ("merge", re.compile("<<"), ["<"]),
)
_SCALARS: dict[str, Callable[[str], Any]] = {
    "null": lambda text: None,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
    "int": lambda text: _integer(text),
    "float": lambda text: float(text.replace(".inf", "inf").replace(".nan", "nan")),
    "str": str,
}
_VARIABLE = re.compile(r"\$?\$\{([^}]*)(\}?)")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


def _integer(text: str) -> int:
    value = int(text)
    if not -_LARGEST <= value < _LARGEST:
        raise ValueError("no 64 bits hold it")
    return value


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


class _Dumper(yaml.SafeDumper):
    """Quotes text that either this loader or a YAML 1.1 loader would take for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _name, _pattern, _first in _RESOLVERS:
    _whole = re.compile(rf"(?:{_pattern.pattern})\Z")
    _Loader.add_implicit_resolver(_TAG + _name, _whole, _first)
    _Dumper.add_implicit_resolver(_TAG + _name, _whole, _first)


@dataclass(frozen=True)
class Document:
    """YAML as read.

    Attributes
    ----------
    name : str
        What messages call it: the file, or the option.
    text : str
    data : dict
    lines : mapping from Place to int
        The line, from 1, of a mapping's key or of a list's item; empty where data was never written as text.
    faults : tuple of (line, text)
        What is wrong with the YAML itself; `data` is then a best guess, so that more faults can be found.
    """

    name: str
    text: str
    data: dict[str, Any]
    lines: Mapping[Place, int]
    faults: tuple[tuple[int, str], ...]

    def line(self, place: Place) -> int:
        """Return the line of a value, or of the nearest that encloses it where it is not in the document."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 0)


def read(path: Path, environ: Mapping[str, str] = os.environ) -> Document:
    """Read a YAML file whose top is a mapping.

    Raises
    ------
    InputError
        Where it cannot be read, is no YAML, is empty or is no mapping: one line, with the line's number.
    """
    name = str(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}") from error
    if len(content) > LONGEST_BYTES:
        raise InputError(f"{name}: got {len(content)} bytes; allowed: {LONGEST_BYTES} or fewer")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(f"{name}:{line}: not UTF-8 text; save the file as UTF-8") from error
    return parse(text, name, environ)


def parse(text: str, name: str, environ: Mapping[str, str] = os.environ) -> Document:
    """Read YAML text whose top is a mapping; `name` is what messages call it. See `read`."""
    try:
        node = yaml.compose(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = " ".join(f"{error.context or ''} {error.problem or ''}".split())
        if "${" in text.split("\n")[line - 1]:
            what += "; ${NAME} within [ ] or { } needs quotes"
        raise InputError(f"{name}:{line}: not YAML: {what}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        code = error.character if isinstance(error.character, int) else ord(error.character)
        raise InputError(f"{name}:{line}: not YAML: the character U+{code:04X} is not allowed") from error
    except RecursionError:
        raise InputError(f"{name}: nested too deeply; allowed: {DEEPEST} levels") from None
    if node is None or node.tag == _TAG + "null":
        raise InputError(f"{name}:1: the file is empty; allowed: a mapping, as in 'name: value'")
    if not isinstance(node, yaml.MappingNode):
        line = node.start_mark.line + 1
        raise InputError(f"{name}:{line}: got {_kind(node)}; allowed: a mapping, as in 'name: value'")
    _check_extent(node, name)
    reader = _Reader(environ)
    data = reader.value(node, ())
    return Document(name, text, data, {(): 1, **reader.lines}, tuple(reader.faults))


def plain(data: Mapping[str, Any], name: str) -> Document:
    """Return data that a program gives as a document: numpy's numbers, tuples and paths as YAML would have them.

    Raises
    ------
    InputError
        Where a value is nothing that YAML can hold.
    """
    values = _plain(data, (), name)
    return Document(name, dump(values), values, {}, ())


def _plain(value: Any, place: Place, name: str) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner, (*place, str(key)), name) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, (*place, index), name) for index, inner in enumerate(value)]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "dtype"):
        return _plain(value.tolist(), place, name)
    if value is None or type(value) in (bool, int, float, str):
        return value
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
    raise InputError(f"{name}: {where}: got {type(value).__name__}; allowed: text, numbers, true, false, null, lists")


def _check_extent(top: yaml.Node, name: str) -> None:
    """Refuse a document that is too deep, or whose aliases stand for too much, before any of it is expanded."""
    extents: dict[int, tuple[int, int]] = {}

    def extent(node: yaml.Node, depth: int) -> tuple[int, int]:
        """Return how many values a node holds and how deep they lie; an alias of what encloses it holds nothing."""
        if depth > DEEPEST:
            line = node.start_mark.line + 1
            raise InputError(f"{name}:{line}: nested too deeply; allowed: {DEEPEST} levels")
        if isinstance(node, yaml.ScalarNode):
            return 1, 0
        if id(node) not in extents:
            extents[id(node)] = 1, 0
            pairs = (
                node.value if isinstance(node, yaml.SequenceNode) else [each for pair in node.value for each in pair]
            )
            inner = [extent(each, depth + 1) for each in pairs]
            extents[id(node)] = 1 + sum(n for n, _ in inner), 1 + max((deep for _, deep in inner), default=0)
        return extents[id(node)]

    values, deep = extent(top, 0)
    if deep > DEEPEST:
        raise InputError(f"{name}: nested too deeply by its aliases; allowed: {DEEPEST} levels")
    if values > MOST_VALUES:
        raise InputError(f"{name}: its aliases stand for {values:.3g} values; allowed: {MOST_VALUES} or fewer")


def dump(data: Mapping[str, Any]) -> str:
    """Return plain data as YAML text that `parse` reads as the same data, keys in their order."""
    escaped = _escaped(data)
    return yaml.dump(escaped, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _escaped(data: Any) -> Any:
    if isinstance(data, str):
        return data.replace("${", "$${")
    if isinstance(data, Mapping):
        return {key: _escaped(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_escaped(value) for value in data]
    return data


def _implied_tag(text: str) -> str:
    names = (name for name, pattern, _ in _RESOLVERS if pattern.fullmatch(text))
    return _TAG + next(names, "str")


def _kind(node: yaml.Node) -> str:
    kinds: dict[type[yaml.Node], str] = {yaml.MappingNode: "a mapping", yaml.SequenceNode: "a list"}
    return kinds.get(type(node), f"{node.value!r}")


class _Reader:
    """Turns nodes into plain data, and notes lines and faults on the way."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.lines: dict[Place, int] = {}
        self.faults: list[tuple[int, str]] = []
        self.open: list[yaml.Node] = []

    def value(self, node: yaml.Node, place: Place) -> Any:
        if any(node is outer for outer in self.open):
            self.fault(node, "an alias of what encloses it; allowed: aliases of what comes before")
            return None
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        if node.tag not in (_TAG + "map", _TAG + "seq"):
            self.tag_fault(node, node.tag)
        self.open.append(node)
        is_mapping = isinstance(node, yaml.MappingNode)
        value = self.mapping(node, place) if is_mapping else self.sequence(node, place)
        self.open.pop()
        return value

    def mapping(self, node: yaml.Node, place: Place) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _TAG + "merge":
                for key, value in self.merge(value_node, place).items():
                    merged.setdefault(key, value)
                continue
            key = key_node.value
            if key_node.tag != _TAG + "str":
                self.fault(
                    key_node,
                    f"got the key {_kind(key_node)}; allowed: text, in quotes where it reads otherwise",
                )
                continue
            if key in own:
                first = self.lines[*place, key]
                self.fault(key_node, f"the key {key!r} is here again; it is on line {first} already")
                continue
            self.lines[*place, key] = key_node.start_mark.line + 1
            own[key] = self.value(value_node, (*place, key))
        return {**merged, **own}

    def merge(self, node: yaml.Node, place: Place) -> dict[str, Any]:
        """Return the keys that ``<<`` brings in: of one mapping or, the first winning, of a list of them."""
        merged: dict[str, Any] = {}
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(source, yaml.MappingNode):
                self.fault(source, f"<<: got {_kind(source)}; allowed: a mapping, as in '<<: *name'")
                continue
            written = dict(self.lines)
            value = self.value(source, place)
            self.lines |= written  # a key written out is where a person looks, not the one merged in
            merged = {**(value or {}), **merged}
        return merged

    def sequence(self, node: yaml.Node, place: Place) -> list[Any]:
        items = []
        for index, item in enumerate(node.value):
            self.lines[*place, index] = item.start_mark.line + 1
            items.append(self.value(item, (*place, index)))
        return items

    def scalar(self, node: yaml.ScalarNode) -> Any:
        text, tag = str(node.value), node.tag
        if "${" in text and tag == _TAG + "str":
            text = _VARIABLE.sub(lambda match: self.variable(match, node), text)
            if node.style is None:  # unquoted, so that threads: ${THREADS} is a number
                tag = _implied_tag(text)
        try:
            return _SCALARS[tag.removeprefix(_TAG)](text)
        except KeyError:
            self.tag_fault(node, tag)
        except ValueError:
            self.fault(node, f"got {text[:40]!r} as {tag.replace(_TAG, '!!')}; allowed: a value of that type")
        return text

    def variable(self, match: re.Match[str], node: yaml.Node) -> str:
        if match[0].startswith("$$"):
            return match[0][1:]
        parsed = _NAME.fullmatch(match[1])
        if not parsed or not match[2]:
            self.fault(node, f"got {match[0]!r}; allowed: ${{NAME}} or ${{NAME:-default}}, $${{ for a plain ${{")
            return match[0]
        name, default = parsed[1], parsed[2]
        if name not in self.environ and default is None:
            text = f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}"
            self.fault(node, text)
            return match[0]
        return self.environ.get(name, default or "")

    def tag_fault(self, node: yaml.Node, tag: str) -> None:
        self.fault(node, f"got the tag {tag.replace(_TAG, '!!')!r}; allowed: plain values")

    def fault(self, node: yaml.Node, text: str) -> None:
        self.faults.append((node.start_mark.line + 1, text))
