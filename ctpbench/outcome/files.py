"""The files of a folder of results that there is something to say of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_FILES: Mapping[str, tuple[str, str]] = {  # name, media type, what it is
    "results.nc": ("application/x-netcdf", "All scores, timings and statuses, NetCDF-4: a group for each data set."),
    "leaderboard.csv": ("text/csv", "The ranked table: a line for each data set, noise level and row."),
    "leaderboard.json": ("application/json", "The same as a list of objects."),
    "leaderboard.md": ("text/markdown", "The same for people, with notes, cases and claims."),
    "README.md": ("text/markdown", "The leaderboards for people, with notes, cases and claims."),
    "agreement.csv": ("text/csv", "Agreement of readings with their references over patients."),
    "suite.yaml": ("application/yaml", "The suite that was run."),
    "suite.lock.yaml": ("application/yaml", "The suite that was run, with every default spelled out."),
    "claims.yaml": ("application/yaml", "A paper's statements, held against the results."),
    "cells.json": ("application/json", "What the run consists of, and where it comes from."),
    "provenance.json": ("application/json", "Code, packages and machine behind the results."),
    "manifest.json": ("application/json", "Checksums of the files and seals of the cells' records."),
    "verification.json": ("application/json", "Which rows were done again, and what came of it."),
}
RESULTS = ("results.nc", "leaderboard.csv", "leaderboard.json", "leaderboard.md", "agreement.csv")
"""Those of them that are made from a run's records."""


def described_files(folder: Path) -> dict[str, tuple[str, str]]:
    """Return the files of a folder that there is something to say of: media type and what it is, by the path in it."""
    cards = {
        f"cards/{path.name}": ("application/yaml", "A card: what a row is.") for path in folder.glob("cards/*.yaml")
    }
    known = {**_FILES, **dict(sorted(cards.items()))}
    return {name: about for name, about in known.items() if (folder / name).is_file()}
