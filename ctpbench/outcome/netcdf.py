"""What a NetCDF file can hold: labels and text as arrays of objects, attributes as numbers and text."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from ctpbench.arrays import Array


def label_array(values: Sequence[Hashable]) -> Array:
    """Return labels as an array, (n): numbers as they are, anything else as text objects."""
    if values and all(isinstance(value, int | float) for value in values):
        return np.array(values)
    return np.array([legible(str(value)) for value in values], dtype=object)


def as_text(value: Any) -> str:
    """Return text as it is and anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def attribute(value: Any) -> str | int | float:
    """Return what an attribute can hold: numbers as they are, text, and the rest as JSON."""
    value = plain(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else legible(as_text(value))


def plain(value: Any) -> Any:
    """Return what an attribute holds as plain data: a file's numbers are numpy's."""
    return value.item() if isinstance(value, np.generic) else value


def legible(text: str) -> str:
    """Return text that HDF5 can hold: a crashed process may leave NULs and broken UTF-8 in a message."""
    found = text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return text if found == text else found  # of very many texts, no second one is kept
