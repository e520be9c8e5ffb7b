"""The folder that a run is to be written to: new, empty, or the same suite's, unless the user says otherwise."""

from __future__ import annotations

from pathlib import Path

from ctpbench.atomic import make_folder
from ctpbench.errors import InputError, ResultError
from ctpbench.running.store import INDEX, Store
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
    try:
        other = Store(folder).index().suite
    except ResultError:
        return folder  # another version's: finished cells that still hold are found, the index is written anew
    if other != suite.name:
        raise InputError(
            f"--out {folder}: holds the run of another suite, {other!r}; give a new folder, or --into to take its place"
        )
    return folder
