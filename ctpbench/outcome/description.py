"""What a folder of results holds, as programs that know nothing of ctpbench may read it: files, columns, origin.

`croissant.json` and `ro-crate-metadata.json` say the same in two vocabularies: see `ctpbench.outcome.croissant` and
`ctpbench.outcome.crate`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from ctpbench.outcome.files import described_files
from ctpbench.outcome.scores import Score
from ctpbench.outcome.variables import MISSING
from ctpbench.running.seals import file_checksum
from ctpbench.text import cut

_COLUMNS: Mapping[str, str] = {
    "dataset": "Label of the data set.",
    "noise": "Noise level: photons per ray, or share of the dose; empty where the suite names none.",
    "rank": "Rank by the score that ranks; empty for controls and failures.",
    "rank_by": "The score column that ranks.",
    "relative": "Where the ranking score lies between the controls: 0 as none, 1 as noiseless.",
    "config": "Label of the row.",
    "method": "Name of the method.",
    "parameters": "Its parameters.",
    "status": "How the row's cells ended.",
    "n_patients": "Patients that the scores are means over.",
    "total_s": "Median seconds a case, for denoising and maps.",
    "fit_s": "Median seconds of training.",
    "hardware": "Processor that the timings were taken on.",
}


@dataclass(frozen=True)
class File:
    """A file of the folder: its path in it, media type, what it is, size and checksum (SHA-256)."""

    path: str
    media_type: str
    about: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Column:
    """A column of ``leaderboard.csv``; `kind` is text, number, whole or truth."""

    name: str
    kind: str
    about: str


@dataclass(frozen=True)
class Description:
    """What there is to say of a folder of results.

    Attributes
    ----------
    name, about : str
    date : str
        When its last cell was finished, ISO 8601; of a folder in which none was, empty.
    ctpbench : str
        The version that wrote it.
    licence : str
        Where the terms are to be read; empty where its owner has not said.
    files : tuple of File
    columns : tuple of Column
        Of ``leaderboard.csv``, where the folder has one.
    """

    name: str
    about: str
    date: str
    ctpbench: str
    licence: str
    files: tuple[File, ...]
    columns: tuple[Column, ...]


def describe(tree: xr.DataTree, frame: pd.DataFrame, folder: Path, licence: str = "") -> Description:
    """Return what a folder holds whose results and leaderboard these are."""
    suite = str(tree.attrs.get("suite", folder.name))
    told = cut(str(tree.attrs.get("description", "")), 1000)
    about = f"Scores of CT-perfusion denoisers by the suite {suite!r}, computed by ctpbench. {told}".strip()
    return Description(
        name=suite,
        about=about,
        date=max(_finished(tree), default=""),
        ctpbench=str(tree.attrs.get("ctpbench", "")),
        licence=licence,
        files=tuple(_files(folder)),
        columns=tuple(_columns(frame)) if (folder / "leaderboard.csv").exists() else (),
    )


def _finished(tree: xr.DataTree) -> Iterator[str]:
    for node in tree.children.values():
        data = node.to_dataset(inherit=False)
        yield from (str(text) for text in data["finished"].values[data["status"].values != MISSING] if text)


def _files(folder: Path) -> Iterator[File]:
    for name, (media_type, about) in described_files(folder).items():
        path = folder / name
        yield File(name, media_type, about, path.stat().st_size, file_checksum(path))


def _columns(frame: pd.DataFrame) -> Iterator[Column]:
    scores: dict[str, Score] = {score.column: score for score in frame.attrs["scores"]}
    for name in map(str, frame.columns):
        kinds = {"b": "truth", "i": "whole", "u": "whole", "f": "number"}
        kind = "number" if name in ("rank", "rank_low", "rank_high") else kinds.get(frame[name].dtype.kind, "text")
        yield Column(name, kind, _COLUMNS.get(name) or _about_score(name, scores) or name.replace("_", " "))


def _about_score(name: str, scores: Mapping[str, Score]) -> str:
    """Return what a score's column holds, and those of its interval's ends; nothing for another column."""
    for ending, what in (("", ""), ("_low", ", lower end of the 95% interval"), ("_high", ", upper end of it")):
        score = scores.get(name.removesuffix(ending)) if name.endswith(ending) else None
        if score is not None:
            units = f" in {score.units}" if score.units else ""
            better = f"; better: {score.better}" if score.better and not ending else ""
            return f"{score.title}{units}, mean over patients{what}{better}."
    return ""


def without_empty(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return a node of JSON-LD without what is not known."""
    return {key: value for key, value in node.items() if value not in ("", [], None)}
