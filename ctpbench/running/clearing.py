"""What of a run's folder can be freed: all that a run makes again, never what results are made of.

Records, seals, results, pictures, logs and the scores of trials stay. A finished cell is its record, so nothing of it
is computed again when what it was made from is gone.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from ctpbench.errors import ResultError
from ctpbench.running.store import Store
from ctpbench.running.work import Stage

Kind = Literal["data", "references", "models", "predictions", "checkpoints", "leftovers"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_STAGES: dict[Kind, Stage] = {"data": "data", "references": "reference", "models": "model", "predictions": "prediction"}
_TEMPORARY = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}(?P<ending>\.[^.]+)?")
"""What `ctpbench.atomic.replacing` calls a file that is not whole yet."""


@dataclass(frozen=True)
class Share:
    """What one kind holds: how many entries, and how many bytes go with them."""

    entries: int
    size: int


@dataclass(frozen=True)
class Clearing:
    """What can be freed of one run.

    Attributes
    ----------
    store : Store
    places : mapping
        What is freed of each kind that was asked for.
    shares : mapping
        How much that is. A file of several links counts once, and not at all where one of them lies elsewhere.
    linked : int
        Bytes of what goes of which another link lies elsewhere, as in the shared cache: they stay on the disk.
    stays : int
        Bytes of the folder that are not freed.
    """

    store: Store
    places: Mapping[Kind, tuple[Path, ...]]
    shares: Mapping[Kind, Share]
    linked: int
    stays: int

    @property
    def size(self) -> int:
        """Bytes that are freed."""
        return sum(share.size for share in self.shares.values())

    def clear(self) -> None:
        """Free it, what was made from others before those. Killed at any moment, it leaves whole entries or none.

        Raises
        ------
        ResultError
            Where a run is writing there, or something cannot be removed.
        """
        with self.store.locked():
            for place in (place for kind in reversed(KINDS) for place in self.places.get(kind, ())):
                try:
                    self._remove(place)
                except OSError as error:
                    raise ResultError(f"{place}: cannot be removed ({error.strerror}); whose is it?") from None

    def _remove(self, place: Path) -> None:
        """Remove a file or a folder; a folder is renamed away first, so that no half of it is ever found."""
        if place.is_dir() and not place.is_symlink():
            gone = self.store.cache.workspace()
            place.rename(gone / "entry")
            shutil.rmtree(gone, ignore_errors=True)
        else:
            place.unlink(missing_ok=True)  # what lay in tmp went when the folder was taken


def clearing(store: Store, kinds: Collection[Kind]) -> Clearing:
    """Return what can be freed of a run.

    With models go the predictions made from them, and with predictions their scores: made again they may differ in
    the last digit, and then what was made from the old ones would look damaged.

    Raises
    ------
    ResultError
        Where the folder holds no run, or a run is writing there.
    """
    store.index()
    if holder := store.holder():
        raise ResultError(f"{store.folder}: a run (process {holder}) is writing here; wait for it, or interrupt it")
    places = {kind: tuple(_places(store, kind)) for kind in KINDS if kind in kinds}
    predictions = set(places.get("predictions", ()))
    if "models" in kinds:
        predictions |= set(_made_from(store, "prediction", "model", places["models"]))
    if predictions:
        scores = _made_from(store, "scores", "prediction", predictions)
        places["predictions"] = (*sorted(scores), *sorted(predictions))
    return Clearing(store, places, *_shares(store.folder, places))


def _places(store: Store, kind: Kind) -> Iterator[Path]:
    if kind in _STAGES:
        yield from sorted((store.cache.folder / _STAGES[kind]).glob("*"))
    elif kind == "checkpoints":
        yield from sorted((store.folder / "checkpoints").glob("*"))
    else:
        yield from sorted((store.folder / "tmp").glob("*"))
        for folder in (store.folder, *sorted(store.folder.glob("*/"))):
            if folder.name not in ("cache", "checkpoints", "tmp") and not folder.is_symlink():
                yield from (path for path in sorted(folder.glob(".*")) if _is_temporary(path))


def _is_temporary(path: Path) -> bool:
    match = _TEMPORARY.fullmatch(path.name)
    return match is not None and Path(match["name"]).suffix == (match["ending"] or "") and path.is_file()


def _made_from(store: Store, stage: Stage, other: Stage, places: Collection[Path]) -> Iterator[Path]:
    """Yield the entries of a stage that were made from some entries of another."""
    gone = {(other, place.name) for place in places}
    yield from (store.cache.path(stage, key) for key, used in store.cache.made_from(stage).items() if used & gone)


def _shares(folder: Path, places: Mapping[Kind, tuple[Path, ...]]) -> tuple[dict[Kind, Share], int, int]:
    """Return how much each kind holds, the bytes that other links keep, and the bytes of all that is not freed."""
    counted: Counter[Kind] = Counter()
    links: Counter[tuple[int, int]] = Counter()
    owner: dict[tuple[int, int], Kind] = {}
    stats: dict[tuple[int, int], os.stat_result] = {}
    for kind, found in places.items():
        for place in found:
            for stat in _files(place):
                inode = (stat.st_dev, stat.st_ino)
                links[inode] += 1
                owner.setdefault(inode, kind)
                stats[inode] = stat
    for inode, stat in stats.items():
        counted[owner[inode]] += stat.st_size if links[inode] == stat.st_nlink else 0
    every = {(stat.st_dev, stat.st_ino): stat.st_size for stat in _files(folder)}
    shares = {kind: Share(len(found), counted[kind]) for kind, found in places.items()}
    linked = sum(stat.st_size for inode, stat in stats.items() if links[inode] < stat.st_nlink)
    return shares, linked, sum(every.values()) - sum(counted.values())


def _files(place: Path) -> Iterator[os.stat_result]:
    """Yield what the system says of each file at a place, links not followed."""
    stat = place.lstat()
    if not place.is_dir() or place.is_symlink():
        yield stat
        return
    for folder, _, names in os.walk(place):
        yield from (os.lstat(os.path.join(folder, name)) for name in names)
