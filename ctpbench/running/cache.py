"""What the stages of work made, by content: one folder an entry, under its stage and its key.

An entry is written beside its place and renamed into it, so that killing who writes leaves whole entries or none.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from ctpbench.atomic import write_text
from ctpbench.running.looks import Looks
from ctpbench.running.seals import Entry, checksum, checksums, difference
from ctpbench.running.work import STAGES, ItemId, Measured, Outcome, Stage

ADOPTED = "adopted.txt"
"""The entries that other runs made, a line each: ``stage/key``. What was measured there is not of this run."""


class Cache:
    """A folder of entries.

    Parameters
    ----------
    folder : Path
        Made when it is first written to.
    work : Path
        Where work in progress lies: on the same file system.
    note : callable(path, what)
        Hears of what was found cut short or altered, and counts as missing.
    """

    def __init__(self, folder: Path, work: Path, note: Callable[[Path, str], None]) -> None:
        self.folder, self._work, self._note = folder, work, note
        self.looks = Looks(folder)
        self._seals: dict[ItemId, str] = {}  # of the entries that were looked at, empty where one is not sound

    def path(self, stage: Stage, key: str) -> Path:
        """Where the entry of a stage lies, or would lie."""
        return self.folder.joinpath(stage, key)

    def outcome(self, stage: Stage, key: str) -> Outcome | None:
        """Return how the cached entry ended, None where there is none that is sound: see `damaged`."""
        entry = self._entry(stage, key)
        if entry is None or not self._seal(stage, key):
            return None
        info = entry.outcome.info
        if isinstance(info, Measured) and (stage, key) in self._adopted:
            return entry.outcome.model_copy(update={"info": info.model_copy(update={"reused": True})})
        return entry.outcome

    def is_sound(self, stage: Stage, key: str) -> bool:
        """Whether there is an entry that is sound: see `damaged`."""
        return bool(self._seal(stage, key))

    def files(self, stage: Stage) -> dict[str, dict[str, str]]:
        """Return the checksums of the files of a stage's entries, by key, as they were when they were made."""
        return {key: entry.files for key, entry in self._entries(stage)}

    def made_from(self, stage: Stage) -> dict[str, set[ItemId]]:
        """Return the entries that each entry of a stage was made from, by key."""
        return {key: {used for used, _ in _ids(entry.inputs)} for key, entry in self._entries(stage)}

    def holds(self, stage: Stage, key: str) -> bool:
        """Whether there is an entry, sound or not."""
        return (self.path(stage, key) / "outcome.json").exists()

    def keys(self, stage: Stage) -> frozenset[str]:
        """Return the keys of the entries of a stage, sound or not: one look, however many there are."""
        with suppress(FileNotFoundError):
            return frozenset(os.listdir(self.folder / stage))
        return frozenset()

    def workspace(self) -> Path:
        """Return a new empty folder on the same file system, for work in progress."""
        try:
            return Path(tempfile.mkdtemp(dir=self._work))
        except FileNotFoundError:
            self._work.mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(dir=self._work))

    def commit(
        self, stage: Stage, key: str, made: Path, outcome: Outcome, inputs: Iterable[tuple[Stage, str]] = ()
    ) -> None:
        """Move the folder `made` into the cache as the entry of `key`, made from other entries."""
        if (stage, key) in self._adopted:
            self._adopted.discard((stage, key))
            write_text(self.folder / ADOPTED, "".join(f"{other}/{of}\n" for other, of in sorted(self._adopted)))
        used = {f"{other}/{of}": self._seal(other, of) for other, of in inputs}
        entry = Entry(outcome=outcome, files=checksums(made), inputs=used)
        text = entry.model_dump_json().encode()
        (made / "outcome.json").write_bytes(text)
        place = self.path(stage, key)
        self.discard(stage, key)
        _renamed(made, place)
        self._found_sound(stage, key, checksum(text))

    def adopt(self, stage: Stage, key: str, made: Path) -> None:
        """Move a folder that holds another run's entry, sound, into the cache, and note that it was made there."""
        seal = checksum((made / "outcome.json").read_bytes())
        self.discard(stage, key)
        place = self.path(stage, key)
        self._adopted.add((stage, key))
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ADOPTED).open("a") as file:
            file.write(f"\n{stage}/{key}\n")  # a line that was cut short before it names nothing
        _renamed(made, place)
        self._found_sound(stage, key, seal)

    def seals(self, stage: Stage, key: str) -> dict[ItemId, str]:
        """Return the entries that one was made from, each with its seal."""
        entry = self._entry(stage, key)
        return dict(_ids(entry.inputs)) if entry else {}

    def agrees(self, inputs: Mapping[str, str]) -> bool:
        """Whether entries of these seals, by ``stage/key``, are those that lie here, as far as they do."""
        return all(self._seal(*used) == seal for used, seal in _ids(inputs) if self.holds(*used))

    def discard(self, stage: Stage, key: str) -> None:
        """Forget an entry: renamed away first, so that no half-deleted entry is ever found."""
        self._seals.pop((stage, key), None)
        self.looks.forget(f"{stage}/{key}")
        place = self.path(stage, key)
        if place.exists():
            discarded = self.workspace() / "entry"
            place.rename(discarded)
            shutil.rmtree(discarded.parent, ignore_errors=True)

    def forget(self, stage: Stage, key: str) -> None:
        """Discard an entry and all that was made from it."""
        for other in STAGES[STAGES.index(stage) + 1 :]:
            for made, used in self.made_from(other).items():
                if (stage, key) in used:
                    self.forget(other, made)
        self.discard(stage, key)

    @cached_property
    def _adopted(self) -> set[ItemId]:
        path = self.folder / ADOPTED
        names = path.read_text().splitlines() if path.exists() else ()
        return {used for used, _ in _ids(dict.fromkeys(filter(None, names), ""))}

    def _entries(self, stage: Stage) -> Iterator[tuple[str, Entry]]:
        """Yield the entries of a stage that can be read, with their keys."""
        for folder in (self.folder / stage).glob("*"):
            if (entry := self._entry(stage, folder.name)) is not None:
                yield folder.name, entry

    def _entry(self, stage: Stage, key: str) -> Entry | None:
        text = self._text(stage, key)
        return None if text is None else self._parsed(stage, key, text)

    def _text(self, stage: Stage, key: str) -> bytes | None:
        """Return what an entry says of itself, None where there is none."""
        try:
            with open(f"{self.folder}/{stage}/{key}/outcome.json", "rb") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _parsed(self, stage: Stage, key: str, text: bytes) -> Entry | None:
        try:
            return Entry.model_validate_json(text)
        except ValidationError:
            self._note(self.path(stage, key) / "outcome.json", "cut short, or of another version")
            return None

    def _seal(self, stage: Stage, key: str) -> str:
        """Return the seal of an entry; empty where there is none, or one that is not sound, and all it stands on."""
        if (stage, key) not in self._seals:
            self._seals[stage, key] = self._seal_found(stage, key)
        return self._seals[stage, key]

    def _found_sound(self, stage: Stage, key: str, seal: str) -> None:
        """Note an entry that has just been written."""
        self._seals[stage, key] = seal
        self.looks.note(f"{stage}/{key}", self.looks.stamp(f"{stage}/{key}"))

    def _seal_found(self, stage: Stage, key: str) -> str:
        name = f"{stage}/{key}"
        try:
            stamp = self.looks.stamp(name)
        except (FileNotFoundError, NotADirectoryError):
            return ""
        text = self._text(stage, key)
        entry = None if text is None else self._parsed(stage, key, text)
        if text is None or entry is None:
            return ""
        stands = self.looks.stand(name, stamp)
        wrong = "" if stands else difference(self.path(stage, key), entry.files)
        for used, seal in _ids(entry.inputs):
            if self._seal(*used) != seal and self.holds(*used):  # one that is gone, as trials are, says nothing
                wrong = wrong or f"made from another {used[0]}/{used[1]}"
        if wrong:
            self._note(self.path(stage, key), wrong)
            return ""
        if not stands:
            self.looks.note(name, stamp)
        return checksum(text)


def _renamed(made: Path, place: Path) -> None:
    """Rename a folder to a place whose folder may not be there yet."""
    try:
        made.rename(place)
    except FileNotFoundError:
        place.parent.mkdir(parents=True, exist_ok=True)
        made.rename(place)


def _ids(seals: Mapping[str, str]) -> Iterator[tuple[ItemId, str]]:
    """Yield entries that are named ``stage/key``, each with its seal."""
    for name, seal in seals.items():
        stage, _, key = name.partition("/")
        yield (cast(Stage, stage), key), seal
