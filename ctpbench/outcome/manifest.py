"""What a folder that was handed in is made of: ``manifest.json``, which tells whether it is as it was packed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import quote

import xarray as xr
from pydantic import ValidationError

from ctpbench.errors import InputError, ResultError
from ctpbench.outcome.card import FOLDER, Card, load_card
from ctpbench.outcome.results import open_results
from ctpbench.outcome.variables import MISSING
from ctpbench.running.record import Plain
from ctpbench.running.seals import file_checksum

FILE_NAME = "manifest.json"
PACKED = ("suite.yaml", "results.nc", "provenance.json", "claims.yaml")
"""What is sealed beside the cards. Page and descriptions follow from it, and a verification comes later."""


class Manifest(Plain):
    """What ``manifest.json`` holds.

    Attributes
    ----------
    suite : str
    rows : list of str
        The labels of the rows that are handed in; the others are there to compare with.
    files : mapping
        The checksum of each file, by its path in the folder.
    seals : mapping
        The seal of each cell's record, by the record's key.
    """

    format: Literal[1] = 1
    suite: str
    rows: list[str]
    files: dict[str, str]
    seals: dict[str, str]


def card_path(row: str) -> str:
    """Return where a row's card lies in the folder, whatever characters its label holds."""
    return f"{FOLDER}/{quote(row, safe=' ')}.yaml"


def manifest_of(folder: Path, suite: str, rows: list[str], tree: xr.DataTree) -> Manifest:
    """Return the manifest of a folder as it is now."""
    names = [*(name for name in PACKED if (folder / name).is_file()), *map(card_path, rows)]
    files = {name: file_checksum(folder / name) for name in names}
    return Manifest(suite=suite, rows=rows, files=files, seals=seals_of(tree))


def seals_of(tree: xr.DataTree) -> dict[str, str]:
    """Return the seal of each cell's record that results hold, by the record's key."""
    found: dict[str, str] = {}
    for node in tree.children.values():
        data = node.to_dataset(inherit=False)
        seals = data["seal"].values.ravel() if "seal" in data else [""] * data["key"].size
        cells = zip(data["status"].values.ravel(), data["key"].values.ravel(), seals, strict=True)
        found |= {str(key): str(seal) for status, key, seal in cells if status != MISSING}
    return found


def load_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a folder, None where it was not handed in.

    Raises
    ------
    ResultError
        Where it cannot be read.
    """
    path = folder / FILE_NAME
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        raise ResultError(f"{path}: unreadable; pack the run again by `ctpbench submit`") from None


def faults_of(folder: Path, manifest: Manifest) -> list[str]:
    """Return what is wrong with a folder that was handed in, a line each; nothing where it is as it was packed."""
    faults = []
    for name, checksum in manifest.files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            faults.append(f"{FILE_NAME}: {name}: lies outside the folder")
        elif not path.is_file():
            faults.append(f"{name}: is missing")
        elif file_checksum(path) != checksum:
            faults.append(f"{name}: was altered since it was packed")
    faults += [
        f"{name}: is in no manifest" for name in PACKED if (folder / name).is_file() and name not in manifest.files
    ]
    known = {folder / name for name in manifest.files}
    faults += [f"{FOLDER}/{path.name}: is in no manifest" for path in folder.glob(f"{FOLDER}/*") if path not in known]
    faults += [f"row {row!r}: has no card" for row in manifest.rows if card_path(row) not in manifest.files]
    return faults or _contradictions(folder, manifest)


def _contradictions(folder: Path, manifest: Manifest) -> list[str]:
    """Return where the files of a folder that are each as they were packed contradict each other."""
    tree, faults = open_results(folder / "results.nc"), []
    if (folder / "suite.yaml").read_text() != tree.attrs.get("suite_text"):
        faults.append("suite.yaml: is not the suite that results.nc comes from")
    if seals_of(tree) != manifest.seals:
        faults.append(f"results.nc: its cells are not those that {FILE_NAME} lists")
    for row in manifest.rows:
        try:
            faults += _card_faults(load_card(folder / card_path(row)), row, tree)
        except InputError as error:
            faults += str(error).splitlines()
    return faults


def _card_faults(card: Card, row: str, tree: xr.DataTree) -> list[str]:
    """Return where a card says something else than the results do."""
    if card.row != row:
        return [f"{card_path(row)}: row: got {card.row!r}; allowed: {row!r}"]
    for node in tree.children.values():
        data = node.to_dataset(inherit=False)
        if row in data["config"].values:
            said = {name: str(data[name].sel(config=row).values) for name in ("method", "version", "distribution")}
            return [
                f"{card_path(row)}: {name}: got {getattr(card, name)!r}; the results have {value!r}"
                for name, value in said.items()
                if (getattr(card, name) or "") != value
            ]
    return [f"{card_path(row)}: row: the results have no {row!r}"]
