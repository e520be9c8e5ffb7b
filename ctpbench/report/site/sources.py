"""What a site is made from: runs, each with its results, its leaderboard and, where it has a folder, its cache."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import xarray as xr

from ctpbench.errors import InputError
from ctpbench.outcome.leaderboard import leaderboard
from ctpbench.outcome.verification import Verification, load_verification
from ctpbench.report.folder import results_of
from ctpbench.running.index import PlannedCell
from ctpbench.running.store import INDEX, Store
from ctpbench.text import NoiseAxis


@dataclass(frozen=True, eq=False)
class Source:
    """One run of a site.

    Attributes
    ----------
    name : str
        What it is called here; no other run of the site is called so.
    path : Path
        As it was given.
    tree : DataTree
    frame : DataFrame
        Its leaderboard.
    cells : sequence of PlannedCell
        The cells that it plans; none of a results.nc.
    store : Store or None
        None of a results.nc, and of one of leaderboards/.
    verification : Verification or None
    """

    name: str
    path: Path
    tree: xr.DataTree
    frame: pd.DataFrame
    cells: Sequence[PlannedCell]
    store: Store | None
    verification: Verification | None

    @property
    def folder(self) -> Path:
        """The folder that its results lie in."""
        return self.path if self.path.is_dir() else self.path.parent

    @property
    def axes(self) -> Mapping[str, NoiseAxis]:
        """What the noise levels of each data set are."""
        axes: Mapping[str, NoiseAxis] = self.frame.attrs["axes"]
        return axes

    @property
    def progress(self) -> str:
        """How far the run is; nothing where all of it is finished, or nobody knows."""
        if self.store is None:
            return ""
        known = self.store.summaries([cell.key for cell in self.cells])
        finished = sum(summary is not None for summary in known)
        return "" if finished == len(self.cells) else f"{finished} of {len(self.cells)} cells are finished"


def sources_of(runs: Sequence[Path], frames: Mapping[Path, pd.DataFrame] | None = None) -> list[Source]:
    """Read runs; those of one suite's name get names that tell them apart.

    Parameters
    ----------
    runs : sequence of Path
        Each a run's folder, one of leaderboards/, or a results.nc.
    frames : mapping or None
        Leaderboards that are known already.

    Raises
    ------
    InputError, ResultError
        Where one is named twice, or holds no results.
    """
    twice = [path for path, count in Counter(path.resolve() for path in runs).items() if count > 1]
    if twice:
        raise InputError(f"{twice[0]}: named twice; name each run once")
    read = [(path, *results_of(path)) for path in runs]
    names = _distinct([str(tree.attrs.get("suite", path.stem)) for path, tree, _ in read], runs)
    return [
        Source(
            name=name,
            path=path,
            tree=tree,
            frame=leaderboard(tree) if frame is None else frame,
            cells=cells,
            store=Store(path) if (path / INDEX).exists() else None,
            verification=load_verification(path if path.is_dir() else path.parent),
        )
        for name, (path, tree, cells) in zip(names, read, strict=True)
        for frame in [(frames or {}).get(path)]
    ]


def _distinct(names: Sequence[str], paths: Sequence[Path]) -> list[str]:
    """Return names that tell runs apart: by their folder where one is taken, by a number where that is, too."""
    counts, found = Counter(names), list[str]()
    for name, path in zip(names, paths, strict=True):
        folder = (path if path.suffix != ".nc" else path.parent).resolve().name
        own = f"{name} ({folder})" if counts[name] > 1 else name
        numbered = (own, *(f"{own} {number}" for number in range(2, len(names) + 2)))
        found.append(next(each for each in numbered if each not in found))
    return found
