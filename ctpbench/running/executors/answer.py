"""What comes back from a worker elsewhere: how items ended, and which files they left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field

from ctpbench.running.record import Plain
from ctpbench.running.work import Assignment, Outcome

SEEN_WITHIN_S = 30.0
"""How long files that were written on a shared disk may take to be seen here: network file systems take their time."""
SPEAKS_EVERY_S = 1.0
"""How often a worker says at most how far an item is."""


class Answer(Plain):
    """What became of a batch.

    Attributes
    ----------
    fate : {"over", "time", "gone"}
        Whether it was worked through, was handed back because the worker's time is over, or its process went away.
    done : mapping
        How those of its items ended that did, by key.
    files : list of (path, bytes)
        What they left: ``NUMBER/out/...``, ``NUMBER/log``, ``NUMBER/checkpoints/...``.
    took_s : mapping
        Seconds of those that were worked on apart from all others, by key.
    """

    fate: Literal["over", "time", "gone"]
    done: dict[str, Outcome]
    files: list[tuple[str, int]]
    took_s: dict[str, float] = Field(default_factory=dict)


def made_folders(assignments: Sequence[Assignment]) -> None:
    """Make the folders that work on a batch writes to."""
    for assignment in assignments:
        for folder in (assignment.out, assignment.checkpoints, assignment.log.parent):
            folder.mkdir(parents=True, exist_ok=True)


def files_at(place: Path, name: str) -> Iterator[tuple[str, int]]:
    """Yield the files at a place, which may be one itself, each with its size."""
    if place.is_file():
        yield name, place.stat().st_size
    for path in sorted(place.rglob("*")) if place.is_dir() else ():
        if path.is_file() and not path.is_symlink():
            yield f"{name}/{path.relative_to(place).as_posix()}", path.stat().st_size


def files_of(number: int, assignment: Assignment, outcome: Outcome | None) -> Iterator[tuple[str, int]]:
    """Yield the files that an item of a batch left, where it ended well."""
    if outcome is not None and outcome.ok:
        yield from files_at(assignment.out, f"{number}/out")


def place_of(assignments: Sequence[Assignment], name: str) -> Path:
    """Return where a file belongs that a worker calls ``NUMBER/out/...``; one that lies elsewhere is refused."""
    number, part, *rest = PurePosixPath(name).parts
    assignment = assignments[int(number)]
    places = {"out": assignment.out, "checkpoints": assignment.checkpoints, "log": assignment.log}
    if part not in places or ".." in rest or bool(rest) == (part == "log"):
        raise OSError(f"a worker names a file {name!r}")
    return places[part].joinpath(*rest)


def all_seen(assignments: Sequence[Assignment], files: Sequence[tuple[str, int]]) -> bool:
    """Whether files that a worker wrote on a shared disk are here, whole."""
    places = [(place_of(assignments, name), size) for name, size in files]
    return all(path.is_file() and path.stat().st_size == size for path, size in places)


def shared_assignment(given: Assignment) -> Assignment:
    """Return an assignment with places that are found from any folder."""
    inputs = {role: path.absolute() for role, path in given.inputs.items()}
    own = {name: getattr(given, name).absolute() for name in ("out", "scratch", "checkpoints", "log")}
    return given.model_copy(update={"inputs": inputs, **own})
