"""The reference that is made from what is installed: nothing is left out, and plain text stays plain."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from docutils import nodes
from docutils.core import publish_doctree

from ctpbench.plugins import load_catalogue
from ctpbench.public import HOME
from ctpbench.suite.schema import suite_schema

FOLDER = Path(__file__).parents[1] / "docs/_ext"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The extension of the documentation."""
    monkeypatch.syspath_prepend(str(FOLDER))
    import installed

    yield installed
    del sys.modules["installed"]


def cells(text: str) -> list[list[str]]:
    """Return the cells of the table that reStructuredText holds, row by row."""
    tree = publish_doctree(text, settings_overrides={"report_level": 2, "halt_level": 2})
    return [[entry.astext() for entry in row] for row in tree.findall(nodes.row)]


@pytest.mark.parametrize("kind", ["dataset", "denoiser", "metric", "executor"])
def test_every_parameter_has_a_line_with_what_the_model_says_of_it(installed, kind: str) -> None:
    for offer in load_catalogue().named(kind).values():
        fields = offer.cls.model_fields
        table = cells("\n".join(installed.keys(installed.parameters(offer.cls), "Parameter")))[1:]
        assert [name for name, *_ in table] == list(fields)
        for name, usual, allowed, *_ in table:
            field = fields[name]
            assert (usual == "required") == field.is_required()
            assert allowed
            if isinstance(field.default, int | float | str) and not isinstance(field.default, bool) and field.default:
                assert usual == str(field.default)


def test_text_of_a_model_stays_plain_but_for_names_in_backticks(installed) -> None:
    hostile = "paper_...: a*b, data_range_* of |x| and ``maps``\\"
    shown = publish_doctree(installed.plain(hostile), settings_overrides={"report_level": 2, "halt_level": 2})
    assert shown.astext() == "paper_...: a*b, data_range_* of |x| and maps\\"


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 50}, "number above 0 to 50"),
        ({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}, "integer from 1 | null"),
        ({"enum": ["auto", "cpu"]}, "auto | cpu"),
        ({"type": "array", "items": {"type": "string"}}, "list of text"),
        ({"type": "array", "prefixItems": [{"type": "number"}, {"type": "number"}]}, "[number, number]"),
        ({"type": "object"}, "mapping"),
        ({}, "any"),
    ],
)
def test_what_is_allowed_is_said_in_words(installed, facts: dict, words: str) -> None:
    assert installed.allowed(facts) == words


def test_all_keys_of_a_suite_are_there(installed) -> None:
    text = "\n".join(installed.SuiteKeys.text(None))
    schema = suite_schema(load_catalogue())
    parts = [schema, *(schema["$defs"][name] for name in ("MapsSettings", "Resources", "Range", "TrainSettings"))]
    keys = [key for part in parts for key in part["properties"]]
    assert [key for key in keys if f"``{key}``" not in text] == []


def test_all_public_names_are_there(installed) -> None:
    text = "\n".join(installed.PublicNames.text(None))
    assert [name for name in HOME if f":: ctpbench.{name}\n" not in text] == []


def test_a_sentence_with_a_colon_is_no_type(installed) -> None:
    parted = ["a line for each step.", "", ":type: What training logged"]
    installed.rejoin(None, "property", "name", None, None, parted)
    assert parted[0] == "What training logged: a line for each step."
    assert ":type:" not in "".join(parted)
