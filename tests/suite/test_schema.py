from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pluggy
import pytest
from pydantic import BaseModel, Field

from ctpbench.contract.components import Dataset, FrameDenoiser, Metric
from ctpbench.errors import InputError
from ctpbench.plugins import Catalogue, Offer
from ctpbench.suite.load import load_suite
from ctpbench.suite.resolved import resolved
from ctpbench.suite.schema import suite_schema
from ctpbench.written.document import dump


class Phantom(Dataset):
    """A simulated head,
    with a scanner.

    More of it.
    """

    name, version = "phantom", "1"
    size_px: Annotated[int, Field(ge=16, description="Side of a slice.")] = 256
    spacing_mm: tuple[float, float] = (1.0, 1.0)

    def cases(self, split):
        return []

    def load(self, case_id, noise):
        raise NotImplementedError


class Scans(Phantom):
    name = "scans"
    root: Path


class Plain(FrameDenoiser):
    name, version = "none", "1"

    def denoise(self, frames, context):
        return frames


class Window(BaseModel, extra="forbid"):
    shape: Literal["hann", "ramp"] = "hann"


class Tips(Plain):
    name = "tips"
    sigma_t_hu: Annotated[float, Field(gt=0)]
    window: Window = Window()


class Other(Plain):
    """Has another model that is called Window as well, and a type that JSON Schema cannot say."""

    name = "other"

    class Window(BaseModel):
        width: int = 3

    window: Window = Window()


class Odd(Plain):
    name = "odd"
    kind: type = int


class Rmse(Metric):
    name, version, better, units = "rmse", "1", "lower", "map"
    against: Literal["noiseless", "truth"] = "noiseless"

    def score(self, case):
        raise NotImplementedError


OFFERS = (
    *(Offer("dataset", cls, "acme") for cls in (Phantom, Scans)),
    *(Offer("denoiser", cls, "acme") for cls in (Plain, Odd, Other, Tips)),
    Offer("metric", Rmse, "acme"),
)
CATALOGUE = Catalogue(OFFERS, loaded=(), failures=(), manager=pluggy.PluginManager("test"))
SCHEMA = suite_schema(CATALOGUE)

EXAMPLE = {
    "name": "quick",
    "datasets": [
        "phantom",
        {"name": "phantom", "label": "head", "params": {"size_px": 128}, "noise": [1e5, None]},
        {"name": "scans", "params": {"root": "/data"}},
    ],
    "denoisers": [
        "none",
        {"name": "tips", "params": {"window": {"shape": "ramp"}}, "grid": {"sigma_t_hu": [5, 10]}},
        {"name": "tips", "label": "t", "tune": {"parameters": {"sigma_t_hu": [1, 3]}, "metric": "rmse_truth"}},
        {
            "name": "tips",
            "tune": {
                "parameters": {"sigma_t_hu": {"low": 1, "high": 9, "log": True}},
                "search": "tpe",
                "trials": 3,
            },
        },
        {"name": "other", "params": {"window": {"width": 5}}},
    ],
    "metrics": ["rmse", {"name": "rmse", "params": {"against": "truth"}}],
    "maps": {"deconvolution": "tsvd", "threshold_rel": 0.1},
    "seeds": [0, 1],
    "exclude": [{"denoiser": "none", "noise": 1e5}, {"denoiser": ["none"], "seed": [0]}],
    "resources": {"threads": 2, "timeout_s": 60.5},
}
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "number": (int, float),
    "integer": int,
}


def valid(schema: Any, value: Any) -> bool:
    """Validate by the part of JSON Schema 2020-12 that is used here; an unknown keyword is an error."""
    if isinstance(schema, bool):
        return schema
    checks = {
        "$ref": lambda ref: valid(at(ref), value),
        "anyOf": lambda options: any(valid(option, value) for option in options),
        "oneOf": lambda options: sum(valid(option, value) for option in options) == 1,
        "const": lambda const: value == const,
        "enum": lambda options: value in options,
        "type": lambda name: isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool)),
        "properties": lambda inner: all(valid(inner[key], item) for key, item in value.items() if key in inner),
        "required": lambda keys: all(key in value for key in keys),
        "additionalProperties": lambda inner: all(
            valid(inner, item) for key, item in value.items() if key not in schema.get("properties", {})
        ),
        "minProperties": lambda n: len(value) >= n,
        "items": lambda inner: all(valid(inner, item) for item in value[len(schema.get("prefixItems", [])) :]),
        "prefixItems": lambda inners: all(valid(inner, item) for inner, item in zip(inners, value, strict=False)),
        "minItems": lambda n: len(value) >= n,
        "maxItems": lambda n: len(value) <= n,
        "uniqueItems": lambda on: not on or len({json.dumps(item) for item in value}) == len(value),
        "minimum": lambda bound: value >= bound,
        "maximum": lambda bound: value <= bound,
        "exclusiveMinimum": lambda bound: value > bound,
    }
    notes = {"$schema", "$defs", "title", "description", "default", "format"}
    if "type" in schema and not checks["type"](schema["type"]):
        return False
    return all(checks[keyword](content) for keyword, content in schema.items() if keyword not in notes)


def at(reference: str) -> Any:
    node: Any = SCHEMA
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def with_change(**sections: Any) -> dict[str, Any]:
    return {**EXAMPLE, **sections}


def test_the_example_is_valid_and_loads(tmp_path):
    assert valid(SCHEMA, EXAMPLE)
    path = tmp_path / "quick.yaml"
    path.write_text(dump(EXAMPLE))
    suite = load_suite(path, CATALOGUE)
    assert valid(SCHEMA, resolved(suite))


@pytest.mark.parametrize(
    "sections",
    [
        {"nme": "x"},
        {"datasets": []},
        {"datasets": ["scans"]},
        {"datasets": [{"name": "scans"}]},
        {"datasets": [{"name": "scans", "params": {}}]},
        {"datasets": [{"name": "phantom", "params": {"size_px": 3}}]},
        {"datasets": [{"name": "phantom", "params": {"size": 64}}]},
        {"datasets": [{"name": "phantom", "noise": [-1]}]},
        {"datasets": [{"name": "phantom", "grid": {"size_px": [64]}}]},
        {"datasets": [{"name": "phantm"}]},
        {"denoisers": ["tips"]},
        {"denoisers": [{"name": "tips", "params": {"sigma": 1}}]},
        {"denoisers": [{"name": "tips", "params": {"sigma_t_hu": "wide"}}]},
        {"denoisers": [{"name": "tips", "grid": {"sigma_t_hu": []}}]},
        {"denoisers": [{"name": "tips", "grid": {"sigma_t_hu": [0]}}]},
        {"denoisers": [{"name": "tips", "grid": {"sigma_t_hu": [1, 1]}}]},
        {"denoisers": [{"name": "tips", "params": {"sigma_t_hu": 1, "window": {"width": 3}}}]},
        {"denoisers": [{"name": "tips", "tune": {"parameters": {}}}]},
        {"denoisers": [{"name": "tips", "tune": {"parameters": {"sigma_t_hu": [1]}, "search": "grid"}}]},
        {"denoisers": [{"name": "none", "tune": {"parameters": {"sigma": [1]}}}]},
        {"metrics": []},
        {"metrics": [{"name": "rmse", "params": {"against": "nobody"}}]},
        {"maps": {"lambda": 1}},
        {"seeds": []},
        {"seeds": [-1]},
        {"exclude": [{}]},
        {"exclude": [{"seed": []}]},
        {"exclude": [{"seed": [-1]}]},
        {"resources": {"threads": 0}},
    ],
)
def test_what_does_not_load_is_not_valid(sections, tmp_path):
    assert not valid(SCHEMA, with_change(**sections))
    path = tmp_path / "quick.yaml"
    path.write_text(dump(with_change(**sections)))
    with pytest.raises(InputError):
        load_suite(path, CATALOGUE)


def test_required_sections():
    assert SCHEMA["required"] == ["datasets", "denoisers"]
    assert not valid(SCHEMA, {"datasets": ["phantom"]})


def test_an_editor_finds_descriptions_units_and_defaults():
    entry = next(
        option for option in SCHEMA["properties"]["datasets"]["items"]["anyOf"] if option.get("title") == "phantom"
    )
    assert entry["description"] == "A simulated head, with a scanner."
    size = at("#/$defs/dataset.phantom")["properties"]["size_px"]
    assert (size["description"], size["default"], size["minimum"]) == ("Side of a slice.", 256, 16)
    assert "description" in at("#/$defs/MapsSettings")["properties"]["lambda_rel"]
    for section in ("datasets", "denoisers", "metrics"):
        assert SCHEMA["properties"][section]["description"]


def test_every_reference_leads_somewhere():
    references = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(SCHEMA)))
    assert "#/$defs/denoiser.tips.Window" in references
    assert all(isinstance(at(reference), dict) for reference in references)


def test_models_of_one_name_are_kept_apart():
    assert at("#/$defs/denoiser.tips.Window")["properties"].keys() == {"shape"}
    assert at("#/$defs/denoiser.other.Window")["properties"].keys() == {"width"}


def test_a_parameter_that_json_schema_cannot_say_costs_only_itself():
    assert at("#/$defs/denoiser.odd")["properties"] == {"kind": {}}
    assert valid(SCHEMA, with_change(denoisers=[{"name": "odd", "params": {"kind": "anything"}}]))
    assert not valid(SCHEMA, with_change(denoisers=[{"name": "odd", "params": {"kid": 1}}]))


def test_it_is_plain_json_even_with_no_plugin():
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    empty = suite_schema(Catalogue((), loaded=(), failures=(), manager=pluggy.PluginManager("test")))
    assert empty["properties"]["datasets"]["items"] is False


class OtherRmse(Rmse):
    weight: float = 1.0


CLASH = Catalogue((*OFFERS, Offer("metric", OtherRmse, "zeta")), (), (), pluggy.PluginManager("test"))


def test_a_component_goes_by_its_qualified_name_as_well(tmp_path):
    written = with_change(
        datasets=["acme:phantom", {"name": "acme:scans", "params": {"root": "/data"}}],
        denoisers=["acme:none", {"name": "acme:tips", "params": {"sigma_t_hu": 2}}],
        metrics=["acme:rmse", {"name": "acme:rmse", "params": {"against": "truth"}}],
        exclude=[],
    )
    assert valid(SCHEMA, written)
    (tmp_path / "quick.yaml").write_text(dump(written))
    assert valid(SCHEMA, resolved(load_suite(tmp_path / "quick.yaml", CATALOGUE)))
    for wrong in ("zeta:none", "acme:", ":none", {"name": "acme:none", "params": {"sigma": 1}}):
        assert not valid(SCHEMA, with_change(denoisers=[wrong]))


def test_an_editor_is_offered_short_names_first():
    first, *entries = SCHEMA["properties"]["denoisers"]["items"]["anyOf"]
    assert first["enum"] == ["none", "odd", "other", "acme:none", "acme:odd", "acme:other"]
    assert [entry["title"] for entry in entries] == ["none", "odd", "other", "tips"]


def test_a_name_that_two_distributions_offer_must_be_qualified(tmp_path):
    schema = suite_schema(CLASH)
    metrics = schema["properties"]["metrics"]
    first, *entries = metrics["items"]["anyOf"]
    assert first["enum"] == ["acme:rmse", "zeta:rmse"]
    assert [entry["properties"]["name"]["enum"] for entry in entries] == [["acme:rmse"], ["zeta:rmse"]]
    assert "weight" not in schema["$defs"]["metric.acme:rmse"]["properties"]
    assert "weight" in schema["$defs"]["metric.zeta:rmse"]["properties"]
    references = set(re.findall(r'"\$ref": "#/\$defs/([^"/]+)', json.dumps(metrics)))
    assert references == {"metric.acme:rmse", "metric.zeta:rmse"}
