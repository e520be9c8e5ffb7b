"""The items of a suite's sections that name a component: a bare name, or a mapping with its parameters."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field, ValidationError

from ctpbench.contract.component_check import Kind
from ctpbench.errors import PluginError
from ctpbench.plugins import Catalogue
from ctpbench.settings import Settings
from ctpbench.text import shown
from ctpbench.written.document import Place
from ctpbench.written.faults import Faults, as_json, problems

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Item(Generic[S]):
    """One item whose component exists.

    Attributes
    ----------
    place : where it stands in the suite.
    name : what the suite calls the component: its name, or its qualified name.
    written : what is sound of it.
    cls : the component's class.
    whole : whether `written` is all of it, or it has faults.
    default_label : its label where it is given none; the component's name, qualified where two of one name are there.
    """

    place: Place
    name: str
    written: S
    cls: type[Any]
    whole: bool
    default_label: str


def read_items(section: str, settings: type[S], kind: Kind, catalogue: Catalogue, faults: Faults) -> Iterator[Item[S]]:
    """Yield the items of a section whose component exists, after noting what is wrong with them."""
    if section not in faults.document.data:
        faults.add((), f"{section!r} is missing; allowed: a list of one {kind} or more")
    found: list[Any] = faults.section(section, Annotated[list[Any], Field(min_length=1)], [])
    shared = _shared_names([_name(item) for item in found], kind, catalogue)
    for index, item in enumerate(found):
        place: Place = (section, index)
        if not isinstance(item, str | dict):
            keys = ", ".join(settings.model_fields)
            faults.add(place, f"got {shown(item)}; allowed: a name, or a mapping with {keys}")
            continue
        mapping = {"name": item} if isinstance(item, str) else item
        before = len(faults.found)
        faults.take(settings, mapping, place, None)
        whole = len(faults.found) == before
        written, name = _sound(settings, mapping), _name(item)
        if written is None or name is None:
            continue
        try:
            cls = catalogue.find(kind, name)
        except PluginError as error:
            faults.add(place if isinstance(item, str) else (*place, "name"), str(error))
            continue
        yield Item(place, name, written, cls, whole, name if cls.name in shared else cls.name)


def _name(item: Any) -> str | None:
    """Return the name that an item gives, None where it gives none."""
    name = item.get("name") if isinstance(item, dict) else item
    return name if isinstance(name, str) else None


def _shared_names(names: Sequence[str | None], kind: Kind, catalogue: Catalogue) -> set[str]:
    """Return the names, not qualified, that belong to several of the components that a section names."""
    classes = set()
    for name in names:
        with suppress(PluginError):  # noted where the item itself is read
            classes.add(catalogue.find(kind, name or ""))
    count = Counter(cls.name for cls in classes)
    return {name for name, times in count.items() if times > 1}


def _sound(settings: type[S], mapping: Mapping[str, Any]) -> S | None:
    """Return an item without its faulty keys, so that the others can be checked as well."""
    pruned = deepcopy(dict(mapping))
    while True:
        try:
            return settings.model_validate_json(as_json(pruned), strict=True)
        except ValidationError as error:
            places = {_key_place(problem.at) for problem in problems(error, pruned, settings)}
        if () in places:
            return None
        for *outer, key in places:
            holder = reduce(lambda inner, part: inner.get(part, {}), outer, pruned)
            holder.pop(key, None)


def _key_place(place: Place) -> tuple[str, ...]:
    """Return the place of the innermost mapping key: list items stay together, or their lines would be wrong."""
    return tuple(str(part) for part in itertools.takewhile(lambda part: isinstance(part, str), place))
