"""The suites that ship with ctpbench, and how a name or a path on the command line becomes a suite's file."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ctpbench.errors import InputError
from ctpbench.text import did_you_mean

_FOLDER = Path(__file__).parents[1] / "suites"
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def shipped_suites() -> dict[str, Path]:
    """Return the file of each suite that ships with ctpbench, by name and in its order.

    A ``claims.yaml`` may lie beside it.
    """
    return {path.parent.name: path for path in sorted(_FOLDER.glob("*/suite.yaml"))}


def find_suite(name_or_path: str | os.PathLike[str]) -> Path:
    """Return the file of a suite.

    A bare word, without folder and suffix, is the shipped suite of that name, whatever lies in the working folder:
    ``quick`` is always the same suite, and ``./quick`` a file beside you. All else is a path, and so is a bare word
    that is no shipped suite's name but a file's. A path is returned as it is, there or not: who reads it says so.

    Raises
    ------
    InputError
        Where a bare word is neither: names the nearest suite and all that ship.

    Examples
    --------
    >>> find_suite("quick").parent.name, find_suite("mine.yaml").name
    ('quick', 'mine.yaml')
    """
    text = os.fspath(name_or_path)
    path, shipped = Path(text), shipped_suites()
    if path.name != text or path.suffix:
        return path
    if text in shipped:
        return shipped[text]
    if path.exists():
        return path
    known = ", ".join(shipped)
    raise InputError(
        f"no suite {text!r}{did_you_mean(text, shipped)}; allowed: a suite that ships with ctpbench ({known}), "
        "or the path of a file, as in my-suite.yaml"
    )


def summary(description: str) -> str:
    """Return the first sentence of a suite's description as plain text.

    >>> summary("Patients of [stroke](../stroke), for a first\\nlook. All of it takes minutes.")
    'Patients of stroke, for a first look.'
    """
    return re.split(r"(?<=[.!?])\s", " ".join(_LINK.sub(r"\1", description).split()), maxsplit=1)[0]
