"""Seals: checksums by which an entry or a record that was cut short or altered is told from a sound one.

They find what disks, copies and hands do to a run's folder. Who forges a record can forge its seal: that is for
`ctpbench verify` to find.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from ctpbench.running.looks import files_of
from ctpbench.running.record import Plain, Record
from ctpbench.running.work import Outcome

_READ = 2**20


class Entry(Plain):
    """What lies in ``outcome.json`` of a cached entry.

    Attributes
    ----------
    outcome : Outcome
        How the piece of work ended.
    files : mapping
        The checksum of every other file of the entry, by its path in it.
    inputs : mapping
        The seal of every entry that it was made from, by ``stage/key``.
    """

    outcome: Outcome
    files: dict[str, str]
    inputs: dict[str, str]


def checksum(data: bytes) -> str:
    """Return the checksum of bytes: SHA-256, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def checksums(folder: Path) -> dict[str, str]:
    """Return the checksum of each file of a folder but for its ``outcome.json``, by its path in it."""
    names = sorted(name for name, *_ in files_of(folder) if name != "outcome.json")
    return {name: file_checksum(folder / name) for name in names}


def difference(folder: Path, files: dict[str, str]) -> str:
    """Return what is wrong with a folder that should hold files of these checksums; nothing where nothing is."""
    found = checksums(folder)
    for name in sorted(found.keys() | files.keys()):
        if name not in found:
            return f"{name} is missing"
        if name not in files:
            return f"{name} does not belong there"
        if found[name] != files[name]:
            return f"{name} was altered or cut short"
    return ""


def sealed(record: Record) -> Record:
    """Return a record with its seal: the checksum of all else that it says."""
    bare = record.model_copy(update={"seal": ""})
    return record.model_copy(update={"seal": checksum(bare.model_dump_json().encode())})


def file_checksum(path: Path) -> str:
    """Return the checksum of a file: SHA-256, in hexadecimal digits."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_READ):
            found.update(data)
    return found.hexdigest()
