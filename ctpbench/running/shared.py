"""The cache that all runs of a user have in common: what one run made, another takes, whoever asked first.

A folder on any file system with locks: no server. An entry lies in ``STAGE/NAME/entry`` as it does in a run's folder,
beside it ``about.json``. Whoever reads, writes or removes one holds the lock of its name; a writer that is killed
leaves a folder that the next one removes.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ctpbench.errors import InputError, ResultError
from ctpbench.running.links import place_tree
from ctpbench.running.locks import Lock, take
from ctpbench.running.record import Plain
from ctpbench.running.seals import Entry, checksum, difference
from ctpbench.running.work import STAGES, Stage

VARIABLE, LIMIT_VARIABLE, NONE = "CTPBENCH_CACHE", "CTPBENCH_CACHE_GIB", "none"
LIMIT_GIB = 20.0
"""What it may hold where nobody says otherwise."""
GIB = 2**30
_TAG = "CACHEDIR.TAG"
_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n"  # of https://bford.info/cachedir: backups leave it out
_OURS = f"{_SIGNATURE}# The cache that runs of ctpbench share; see `ctpbench cache --help`.\n"
_HALF = (".new", ".old")  # of an entry that is being written or removed


@dataclass(frozen=True)
class Location:
    """Where the shared cache lies, None where there shall be none, and who said so."""

    folder: Path | None
    said_by: str


def location(given: str | os.PathLike[str] | None = None) -> Location:
    """Return where the shared cache lies: as given, else as the environment says; the word ``none`` means nowhere."""
    home = os.environ.get("XDG_CACHE_HOME")
    said = {"--cache": os.fspath(given) if given is not None else None, VARIABLE: os.environ.get(VARIABLE)}
    for by, word in said.items():
        if word:
            return Location(None if word == NONE else Path(word), by)
    folder = Path(home) if home else Path.home() / ".cache"
    return Location(folder / "ctpbench" / "cache", "XDG_CACHE_HOME" if home else "the default")


def limit_bytes() -> int:
    """Return how many bytes it may hold.

    Raises
    ------
    InputError
        Where the environment says something that is no size.
    """
    word = os.environ.get(LIMIT_VARIABLE) or str(LIMIT_GIB)
    try:
        limit = float(word)
    except ValueError:
        limit = -1.0
    if not 0 <= limit < 2**30:
        raise InputError(f"{LIMIT_VARIABLE}: got {word!r}; allowed: a number of GiB, 0 or more")
    return int(limit * GIB)


class About(Plain):
    """What is known of an entry beside what it holds.

    Attributes
    ----------
    seal : str
        The checksum of its ``outcome.json``.
    size : int
        Bytes of its files.
    seconds : float
        What it took to make.
    made, used : float
        When it came here and when it was last taken, in seconds since 1970.
    uses : int
        How often it was taken.
    """

    seal: str
    size: int
    seconds: float
    made: float
    used: float
    uses: int = 0


@dataclass(frozen=True)
class Kept:
    """An entry as it is listed; `about` is None where that cannot be read."""

    stage: Stage
    name: str
    about: About | None

    @property
    def size(self) -> int:
        return self.about.size if self.about else 0

    @property
    def used(self) -> float:
        return self.about.used if self.about else 0.0


class SharedCache:
    """The folder of entries that runs have in common."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Make the folder, or look whether it is one of ours that can be written to and locked.

        Raises
        ------
        ResultError
            Where it is not.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check_ours()
            (self.folder / "locks").mkdir(exist_ok=True)
            for stage in STAGES:
                (self.folder / stage).mkdir(exist_ok=True)
            if lock := take(self.folder / "locks" / f"look-{os.getpid()}"):
                lock.release()
        except OSError as error:
            raise ResultError(f"{self.folder}: cannot be written to ({error.strerror})") from None

    def is_there(self) -> bool:
        """Whether there is one, which the tag says."""
        with suppress(OSError):
            return (self.folder / _TAG).read_text() == _OURS
        return False

    def _check_ours(self) -> None:
        held = sorted(path.name for path in self.folder.iterdir() if not path.name.startswith(f".{_TAG}."))
        if self.is_there():  # looked at last: the tag comes before all else, and another runner may be at it just now
            return
        if held:
            raise ResultError(f"{self.folder}: holds other things, such as {held[0]}, and is no cache of ctpbench")
        temporary = self.folder / f".{_TAG}.{os.getpid()}"
        temporary.write_text(_OURS)
        temporary.replace(self.folder / _TAG)

    # -- entries, each under its lock ---------------------------------------------------------------------------

    def lock(self, stage: Stage, name: str) -> Lock | None:
        """Take the lock of an entry, whether there is one or not; None where another runner holds it."""
        return take(self.folder / "locks" / f"{stage}-{name}")

    def holds(self, stage: Stage, name: str) -> bool:
        """Whether there is an entry, sound or not."""
        return self._place(stage, name).exists()

    def names(self, stage: Stage) -> frozenset[str]:
        """Return the names of the entries of a stage, sound or not."""
        return frozenset(name for name in self._names(stage) if not name.endswith(_HALF))

    def seal(self, stage: Stage, name: str) -> str | None:
        """Return the seal of an entry, None where there is none."""
        about = self._about(stage, name)
        return about.seal if about else None

    def look(self, stage: Stage, name: str) -> Entry | None:
        """Return what an entry says of itself, None where that is not what was written."""
        try:
            text = (self._place(stage, name) / "entry" / "outcome.json").read_bytes()
            return Entry.model_validate_json(text) if checksum(text) == self.seal(stage, name) else None
        except (FileNotFoundError, ValidationError):
            return None

    def wrong(self, stage: Stage, name: str) -> str:
        """Return what is wrong with an entry, nothing where nothing is."""
        entry = self.look(stage, name)
        return difference(self._place(stage, name) / "entry", entry.files) if entry else "outcome.json was altered"

    def put(self, stage: Stage, name: str, made: Path, seconds: float) -> int:
        """Take in a run's entry, in place of one of this name, and return its bytes."""
        new = self.folder / stage / f"{name}.new"
        shutil.rmtree(new, ignore_errors=True)
        try:
            new.mkdir()
            size, now = place_tree(made, new / "entry"), time.time()
            seal = checksum((new / "entry" / "outcome.json").read_bytes())
            about = About(seal=seal, size=size, seconds=seconds, made=now, used=now)
            (new / "about.json").write_text(about.model_dump_json())
            self.discard(stage, name)
            new.rename(self._place(stage, name))
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return size

    def place(self, stage: Stage, name: str, into: Path) -> str:
        """Put the files of an entry into an empty folder as well; return what is wrong with them."""
        entry = self.look(stage, name)
        if entry is None:
            return "outcome.json was altered"
        place_tree(self._place(stage, name) / "entry", into)
        return difference(into, entry.files)

    def note_use(self, stage: Stage, name: str) -> About | None:
        """Note that an entry was taken, and return what is known of it."""
        if (about := self._about(stage, name)) is None:
            return None
        used = about.model_copy(update={"used": time.time(), "uses": about.uses + 1})
        temporary = self._place(stage, name) / "about.new"
        temporary.write_text(used.model_dump_json())
        temporary.replace(temporary.with_suffix(".json"))
        return used

    def discard(self, stage: Stage, name: str) -> None:
        """Remove an entry: renamed away first, so that no half of one is ever found."""
        old = self.folder / stage / f"{name}.old"
        shutil.rmtree(old, ignore_errors=True)
        with suppress(FileNotFoundError):
            self._place(stage, name).rename(old)
            shutil.rmtree(old, ignore_errors=True)

    # -- all of them --------------------------------------------------------------------------------------------

    def kept(self) -> Iterator[Kept]:
        """Yield the entries that there are."""
        for stage in STAGES:
            for name in sorted(self.names(stage)):
                yield Kept(stage, name, self._about(stage, name))

    def bytes_here_alone(self) -> int:
        """Return the bytes of files of which no run's folder has a link: those that are free once they are removed."""
        entries = (self._place(stage, name) / "entry" for stage in STAGES for name in self.names(stage))
        folders = (found for entry in entries for found in os.walk(entry))
        files = (os.lstat(os.path.join(folder, name)) for folder, _, names in folders for name in names)
        return sum(about.st_size for about in files if about.st_nlink == 1)

    def prune(self, to: int | None, older_s: float | None = None, stages: Collection[Stage] = STAGES) -> list[Kept]:
        """Remove entries, those first that were not used for longest, and return them.

        Parameters
        ----------
        to : int or None
            Until all together are no more bytes than this; None: whatever their size.
        older_s : float or None
            Only those not used for so many seconds; None: whenever they were used.
        stages : collection of str
            Only those of these stages.
        """
        self._sweep()
        found = sorted(self.kept(), key=lambda kept: kept.used)
        total, now, gone = sum(kept.size for kept in found), time.time(), []
        for each in found:
            if to is not None and total <= to:
                break
            if each.stage not in stages or (older_s is not None and now - each.used < older_s):
                continue
            if lock := self.lock(each.stage, each.name):  # whose lock another holds is in use
                self.discard(each.stage, each.name)
                lock.release()
                total -= each.size
                gone.append(each)
        return gone

    def _sweep(self) -> None:
        """Remove what killed runners left half-written or half-removed, and their locks."""
        for stage in STAGES:
            for half in (name for name in self._names(stage) if name.endswith(_HALF)):
                if lock := self.lock(stage, half[: -len(_HALF[0])]):
                    shutil.rmtree(self.folder / stage / half, ignore_errors=True)
                    lock.release()
        for name in self._names("locks"):
            if lock := take(self.folder / "locks" / name):
                lock.release()

    def _names(self, folder: str) -> list[str]:
        with suppress(FileNotFoundError):
            return os.listdir(self.folder / folder)
        return []

    def _place(self, stage: Stage, name: str) -> Path:
        return self.folder / stage / name

    def _about(self, stage: Stage, name: str) -> About | None:
        try:
            return About.model_validate(json.loads((self._place(stage, name) / "about.json").read_bytes()))
        except (OSError, ValueError):
            return None
