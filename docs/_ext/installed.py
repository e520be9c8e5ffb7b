"""Directives whose text comes from what is installed: public names, components, and the keys of a suite."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

import ctpbench
from ctpbench import ConcentrationDenoiser, Deconvolver, FrameDenoiser, Metric, Trainable, public
from ctpbench.contract.components import Component
from ctpbench.outcome.claims.checks import CHECKS
from ctpbench.outcome.claims.claim import Claim
from ctpbench.plugins import Offer, load_catalogue
from ctpbench.suite.schema import suite_schema

Facts = Mapping[str, Any]

_ROOMS = {
    "contract": "Contracts and what they are given",
    "scans": "Recorded scans",
    "errors": "Errors",
}
"""Titles of the rooms that public names come from; all other rooms offer calls."""
_CALLS = "Calls"
_HOMES: Mapping[str, str] = {**public.CALLS, **public.HOME}
_WIDTHS = {3: "25 20 55", 4: "22 14 24 40"}
"""Of a table's columns, by their number."""
_TYPE = ":type: "
_SIGNS = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}


class Generated(SphinxDirective):
    """Base: `text` returns reStructuredText, which stands in the directive's place."""

    def text(self) -> Iterator[str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes("\n".join(self.text()), allow_section_headings=True)


class PublicNames(Generated):
    """All names of `ctpbench`, by the room that they come from."""

    def text(self) -> Iterator[str]:
        rooms: dict[str, list[str]] = {_CALLS: [], **{title: [] for title in _ROOMS.values()}}
        for name, home in _HOMES.items():
            rooms[_ROOMS.get(home.partition(".")[0], _CALLS)].append(name)
        for title, names in rooms.items():
            if names:
                yield from heading(title, "=")
            for name in names:
                value = getattr(ctpbench, name)
                if callable(value):
                    kind = "class" if inspect.isclass(value) else "function"
                    yield from [f".. auto{kind}:: ctpbench.{name}", ""]
                else:
                    yield from constant(name, value)


class Components(Generated):
    """All components of one kind that are installed, with their parameters."""

    required_arguments = 1

    def text(self) -> Iterator[str]:
        kind = self.arguments[0]
        catalogue = load_catalogue()
        if catalogue.failures:
            raise self.error(f"plugins did not load: {'; '.join(map(str, catalogue.failures))}")
        for name, offer in catalogue.named(kind).items():
            yield from [f".. _{kind}-{name}:", "", *heading(name, "=")]
            yield from [" | ".join(facts(offer)), ""]
            yield from [inspect.getdoc(offer.cls) or "", ""]
            yield from keys(parameters(offer.cls), "Parameter")


class SuiteKeys(Generated):
    """The keys of a suite, from the schema that `ctpbench schema` prints, without the components' own parameters."""

    def text(self) -> Iterator[str]:
        schema = suite_schema(load_catalogue())
        defined, top = schema["$defs"], schema["properties"]
        dataset, denoiser, metric = (top[kind]["items"]["anyOf"][-1] for kind in ("datasets", "denoisers", "metrics"))
        sections = {
            "Top level": schema,
            "An entry of ``datasets``": dataset,
            "An entry of ``denoisers``": denoiser,
            "``tune``": denoiser["properties"]["tune"],
            "A range, within ``tune: {parameters: ...}``": defined["Range"],
            "``train``": defined["TrainSettings"],
            "An entry of ``metrics``": metric,
            "``maps``": defined["MapsSettings"],
            "An entry of ``exclude``": defined["Exclusion"],
            "``resources``": defined["Resources"],
        }
        for title, section in sections.items():
            yield from heading(title, "=")
            yield from keys(rows(section), "Key")


class ClaimKeys(Generated):
    """The kinds of claim that a file of claims may hold, with the keys of each."""

    def text(self) -> Iterator[str]:
        common = list(Claim.model_json_schema()["properties"])
        yield from [*heading("Every claim", "="), *keys(rows(Claim.model_json_schema()), "Key")]
        for name, kind in CHECKS.items():
            described = rows(kind.model_json_schema())
            yield from [*heading(f"``check: {name}``", "="), inspect.cleandoc(kind.__doc__ or ""), ""]
            yield from keys([row for row in described if row[0] not in (*common, "check")], "Key")


def constant(name: str, value: Any) -> Iterator[str]:
    """Yield the description of a public name that is plain data: the text below it in its module."""
    said = ModuleAnalyzer.for_module(f"ctpbench.{_HOMES[name]}").find_attr_docs().get(("", name), [])
    yield from [f".. py:data:: ctpbench.{name}", f"   :value: {value!r}", "", *(f"   {line}" for line in said), ""]


def heading(title: str, mark: str) -> list[str]:
    """Return a section's title."""
    return [title, mark * len(title), ""]


def facts(offer: Offer) -> Iterator[str]:
    """Yield what there is to say of a component besides its description."""
    cls: type[Component] = offer.cls
    yield f"**{offer.distribution}** {offer.version}"
    yield f"version {cls.version}"
    if issubclass(cls, Metric):
        yield f"better: {cls.better}"
        yield f"units: {'those of each map' if cls.units == 'map' else cls.units}"
        if cls.agrees_with:
            yield f"a {cls.quantity}, held against ``{cls.agrees_with}``"
    if issubclass(cls, Trainable):
        yield f"learns from {cls.learns_from} series"
    answers = {FrameDenoiser: "frames", ConcentrationDenoiser: "concentration", Deconvolver: "residues"}
    yield from (f"answers with {answer}" for kind, answer in answers.items() if issubclass(cls, kind))


def parameters(cls: type[Component]) -> list[tuple[str, str, str, str]]:
    """Return a component's parameters: name, default, what is allowed, meaning."""
    return rows(cls.model_json_schema())


def rows(schema: Facts) -> list[tuple[str, str, str, str]]:
    """Return the properties of a schema: name, default, what is allowed, meaning."""
    required = schema.get("required", ())
    return [
        (name, default(facts, required=name in required), allowed(facts), plain(str(facts.get("description", ""))))
        for name, facts in schema["properties"].items()
    ]


def plain(text: str) -> str:
    """Return text in which nothing but a name in backticks is markup."""
    return re.sub(r"([*_|\\])", r"\\\1", text)


def default(facts: Facts, *, required: bool) -> str:
    """Return a property's default as YAML has it."""
    if required:
        return "*required*"
    value = facts.get("default")
    if value is None:
        return "``null``" if "default" in facts else "\\-"
    return f"``{str(value).lower() if isinstance(value, bool) else value if value != '' else '(none)'}``"


def allowed(facts: Facts) -> str:
    """Return in words what values a property may have."""
    if "enum" in facts:
        return " | ".join(map(str, facts["enum"])) if len(facts["enum"]) < 12 else "one of those installed"
    if "anyOf" in facts:
        return " | ".join(dict.fromkeys(allowed(option) for option in facts["anyOf"]))
    if "$ref" in facts:
        return "see below"
    if "prefixItems" in facts:
        return f"[{', '.join(allowed(item) for item in facts['prefixItems'])}]"
    if facts.get("type") == "array" and isinstance(facts.get("items"), Mapping):
        return f"list of {allowed(facts['items'])}"
    bounds = [f"{sign} {facts[word]:g}" for word, sign in _SIGNS.items() if word in facts]
    kind = {"object": "mapping", "string": "text"}.get(facts.get("type", ""), facts.get("type", "any"))
    return " ".join([str(facts.get("const", kind)), *bounds])


def keys(found: Sequence[tuple[str, str, str, str]], title: str) -> Iterator[str]:
    """Yield a table of parameters or keys."""
    if not found:
        yield from ["It has no parameters.", ""]
        return
    width = 4 if any(meaning for *_, meaning in found) else 3
    yield from [".. list-table::", "   :header-rows: 1", f"   :widths: {_WIDTHS[width]}", ""]
    for name, *others in [(title, "Default", "Allowed", "Meaning"), *found]:
        yield f"   * - {name if name == title else f'``{name}``'}"
        yield from (f"     - {cell}" for cell in others[: width - 1])
    yield ""


def rejoin(_app: Sphinx, what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """Put together again what napoleon parted at the colon of a property's sentence, as if a type stood before it."""
    types = [line for line in lines if line.startswith(_TYPE)]
    if what in ("attribute", "data", "property") and types:
        lines[:] = [line for line in lines if line not in types]
        lines[0] = f"{types[0].removeprefix(_TYPE)}: {lines[0]}"


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", rejoin, priority=600)  # after napoleon, whose is 500
    app.add_directive("public-names", PublicNames)
    app.add_directive("components", Components)
    app.add_directive("suite-keys", SuiteKeys)
    app.add_directive("claim-keys", ClaimKeys)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
