"""The JSON Schema of a suite with the installed plugins' parameters, for editors that complete and check YAML."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import models_json_schema

from ctpbench.contract.component_check import Kind
from ctpbench.contract.components import Component
from ctpbench.plugins import Catalogue, Offer
from ctpbench.settings import MapsSettings, Resources, Settings
from ctpbench.suite.sections import (
    DatasetSettings,
    DenoiserSettings,
    ExclusionSettings,
    MetricSettings,
    Name,
    Range,
    Replicates,
    Seed,
    TuneSettings,
)

Schema = dict[str, Any]
_REF = "#/$defs/"
_ENTRIES: dict[Kind, type[Settings]] = {
    "dataset": DatasetSettings,
    "denoiser": DenoiserSettings,
    "metric": MetricSettings,
}
_SECTIONS = {
    "datasets": "What is denoised. A bare name stands for its defaults.",
    "denoisers": "The leaderboard's rows. A bare name stands for its defaults.",
    "metrics": "What is measured; every installed metric where left out.",
}


def suite_schema(catalogue: Catalogue) -> Schema:
    """Return the JSON Schema (draft 2020-12) of a suite, with the parameters of every installed component."""
    models: list[type[BaseModel]]
    models = [*_ENTRIES.values(), TuneSettings, Range, MapsSettings, Resources, ExclusionSettings]
    _, core = models_json_schema([(model, "validation") for model in models], ref_template=_REF + "{model}")
    settings: dict[str, Schema] = core["$defs"]
    definitions = {name: settings[name] for name in ("MapsSettings", "Resources", "Range", "TrainSettings")}
    definitions["Exclusion"] = {**settings["ExclusionSettings"], "minProperties": 1}
    properties: Schema = {"name": _schema_of(Name, "What runs are called; the file's or folder's name by default.")}
    properties["description"] = _schema_of(str, "What is shown above the leaderboards, in Markdown.")
    for kind in _ENTRIES:
        named = catalogue.named(kind)
        options = [_entry(name, offer, settings, definitions) for name, offer in named.items()]
        ready = {name: offer for name, offer in named.items() if not _required(offer.cls)}
        if ready:  # short names first: an editor offers them in this order
            options.insert(0, {"enum": list(dict.fromkeys([*ready, *(o.qualified for o in ready.values())]))})
        properties[f"{kind}s"] = {
            "description": _SECTIONS[f"{kind}s"],
            "type": "array",
            "minItems": 1,
            "items": {"anyOf": options} if options else False,
        }
    one = {"$ref": _REF + "MapsSettings"}
    several = {"type": "array", "minItems": 1, "items": one, "description": "Each row is run with each of them."}
    properties["maps"] = {"anyOf": [one, several]}
    properties["seeds"] = {**_schema_of(list[Seed], "Each is a run of its own."), "minItems": 1, "uniqueItems": True}
    properties["replicates"] = _schema_of(Replicates, "How often the noise of each test case is drawn; 1 by default.")
    properties["exclude"] = {"type": "array", "items": {"$ref": _REF + "Exclusion"}}
    properties["resources"] = {"$ref": _REF + "Resources"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ctpbench suite",
        "description": "Datasets, noise levels, denoisers with their parameters, and seeds to run as one benchmark.",
        "type": "object",
        "properties": properties,
        "required": ["datasets", "denoisers"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _entry(name: str, offer: Offer, settings: Schema, definitions: Schema) -> Schema:
    """Return the schema of an entry that names one component, and define its parameters.

    `name` is the shortest that is the component's alone.
    """
    kind, cls, home = offer.kind, offer.cls, f"{offer.kind}.{name}"
    parameters = _parameters(cls, home, definitions)
    required = ["name", "params"] if kind != "denoiser" and _required(cls) else ["name"]
    if kind == "denoiser":  # grid and tune give parameters, too
        parameters.pop("required", None)
    definitions[home] = parameters
    properties = dict(settings[_ENTRIES[kind].__name__]["properties"])
    names = list(dict.fromkeys([name, offer.qualified]))
    properties |= {"name": {"enum": names}, "params": {"$ref": _REF + home}}
    if kind == "denoiser":
        lists = {field: _list_of(f"{_REF}{home}/properties/{field}") for field in cls.model_fields}
        properties["grid"] = {**properties["grid"], "properties": lists, "additionalProperties": False}
        properties["tune"] = _tune(settings["TuneSettings"], lists)
    return {
        "title": name,
        "description": " ".join(inspect.cleandoc(cls.__doc__ or "").partition("\n\n")[0].split()),
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _tune(tune: Schema, lists: Mapping[str, Schema]) -> Schema:
    candidates = {name: {"anyOf": [values, {"$ref": _REF + "Range"}]} for name, values in lists.items()}
    parameters = {**tune["properties"]["parameters"], "properties": candidates, "additionalProperties": False}
    chosen = {"required": ["parameters"], "properties": {"parameters": {"minProperties": 1}}}
    or_maps = {"required": ["maps"], "properties": {"maps": {"const": True}}}
    return {**tune, "properties": {**tune["properties"], "parameters": parameters}, "anyOf": [chosen, or_maps]}


def _list_of(reference: str) -> Schema:
    return {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"$ref": reference}}


def _parameters(cls: type[Component], home: str, definitions: Schema) -> Schema:
    """Return the schema of a component's parameters, and define what it refers to under names of its own."""
    try:
        schema = cls.model_json_schema(ref_template=f"{_REF}{home}.{{model}}")
    except PydanticInvalidForJsonSchema:  # a type that JSON Schema cannot say: the names at least
        schema = {"type": "object", "properties": {name: {} for name in cls.model_fields}}
    definitions |= {f"{home}.{model}": inner for model, inner in schema.pop("$defs", {}).items()}
    return {**schema, "additionalProperties": False}


def _required(cls: type[Component]) -> bool:
    return any(field.is_required() for field in cls.model_fields.values())


def _schema_of(kind: Any, description: str) -> Schema:
    return {**TypeAdapter(kind).json_schema(), "description": description}
