"""Data as classic scripts: a page that is opened from disk may load those, and nothing else."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
_NAME = re.compile(r"[a-z0-9]+([/-][a-z0-9]+)*")
DIGITS = 7
"""Of a number that a page is given."""


def script(name: str, data: Any) -> str:
    r"""Return a script that hands data to the page under a name.

    Nothing in the data can end the script or begin another: `<`, `>`, `&` and all that is not ASCII are escaped.

    >>> script("rows/a1", {"label": "</script>", "score": float("nan")})
    'ctpbench.put("rows/a1",{"label":"\\u003c/script\\u003e","score":null});\n'

    Raises
    ------
    ValueError
        Where the name is not made of lower-case letters and digits, in parts joined by ``/`` or ``-``.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"name {name!r}; allowed: lower-case letters and digits, in parts joined by / or -")
    return f'ctpbench.put("{name}",{as_json(data)});\n'


def as_json(data: Any) -> str:
    """Return data as JSON that is safe inside a page's script; NaN and infinity become null."""
    text = json.dumps(_plain(data), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&]", lambda found: _ESCAPES[found.group()], text)


def _plain(value: Any) -> Any:
    """Return data as JSON can hold it, numbers with seven digits."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value
