"""The folder that a run is to be written to: new, empty, or the same suite's, unless the user says otherwise."""

from __future__ import annotations

import json
from pathlib import Path

from ctpbench.atomic import make_folder
from ctpbench.errors import InputError
from ctpbench.running.store import INDEX
from ctpbench.suite.entries import Suite

_OWN = {"run.lock", "tmp"}
"""What a run that was killed before its plan was written leaves."""


def usable_folder(folder: Path, suite: Suite, *, into: bool) -> Path:
    """Return the folder, made where it is missing.

    Parameters
    ----------
    folder : Path
    suite : Suite
    into : bool
        Whether the user says that it is right to write beside other things, or over another suite's run.

    Raises
    ------
    InputError
        Where it is no folder, cannot be made or written to, or holds other things and `into` is not given.
    """
    make_folder(folder, "--out")
    held = sorted(path.name for path in folder.iterdir() if path.name not in _OWN)
    if into or not held:
        return folder
    if INDEX not in held:
        raise InputError(
            f"--out {folder}: holds other things, such as {held[0]}; give a new folder, or --into to write beside them"
        )
    other = _suite_of(folder)
    if other != suite.name:
        whose = "a run whose cells.json is unreadable" if other is None else f"the run of another suite, {other!r}"
        raise InputError(f"--out {folder}: holds {whose}; give a new folder, or --into to take its place")
    return folder


def _suite_of(folder: Path) -> str | None:
    """Return which suite's run a folder holds, whichever version of ctpbench wrote it; None where it does not say."""
    try:
        index = json.loads((folder / INDEX).read_text())
    except (OSError, ValueError):
        return None
    return index.get("suite") if isinstance(index, dict) else None
