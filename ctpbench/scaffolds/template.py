"""A template of `templates/`, filled in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def filled(template: str, values: Mapping[str, Any]) -> str:
    """Return a template with its values; one that is missing is an error."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
    )
    return environment.get_template(template).render(values)
