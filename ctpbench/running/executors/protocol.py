"""What the runner asks of whatever runs its work, and what it hears back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from ctpbench.running.sandbox.enclosure import Hold
from ctpbench.running.work import Assignment, Outcome
from ctpbench.settings import Resources


@dataclass(frozen=True)
class Limits:
    """What one child may use, and whether the kernel holds it to what it was given."""

    device: str = "cpu"
    threads: int = 1
    memory_gib: float | None = None
    timeout_s: float | None = None
    cpu_s: float | None = None
    sandboxed: bool = True

    @classmethod
    def of(cls, resources: Resources, device: str, jobs: int, *, sandboxed: bool = True) -> Limits:
        """Return what a suite's resources mean on this machine: cores are shared out where it names no threads."""
        threads = resources.threads or shared_threads(jobs)
        return cls(device, threads, resources.memory_gib, resources.timeout_s, resources.cpu_s, sandboxed)


def shared_threads(jobs: int) -> int:
    """Return the threads of each cell where so many share the cores of this machine."""
    return max(1, (os.cpu_count() or 1) // jobs)


@dataclass(frozen=True)
class Began:
    """Work on an item began."""

    assignment: Assignment


@dataclass(frozen=True)
class Advanced:
    """How far work on an item is, from 0 to 1."""

    assignment: Assignment
    fraction: float
    text: str


@dataclass(frozen=True)
class Ended:
    """How work on an item ended, and after how many seconds where its executor knows. An item ends once."""

    assignment: Assignment
    outcome: Outcome
    seconds: float | None = None


@dataclass(frozen=True)
class Returned:
    """Work on an item never began, because one before it in the batch ended their process."""

    assignment: Assignment


Event = Began | Advanced | Ended | Returned


class Workers(Protocol):
    """Runs batches of items, each batch in a process of its own, held to limits.

    Use as a context manager: leaving it kills what still runs.
    """

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def hold(self) -> Hold:
        """Return how far the kernel holds the processes of components here."""
        ...

    @property
    def running(self) -> int:
        """How many batches are at work."""
        ...

    @property
    def slots(self) -> int | None:
        """How many batches it takes at once; None where it takes what it is given.

        One that says so places batches itself: it times alone what asks for it, and says beside what predictions ran.
        """
        ...

    def submit(self, batch: Sequence[Assignment]) -> None:
        """Start work on a batch, one item after the other."""
        ...

    def events(self, wait_s: float = 0.25) -> Iterator[Event]:
        """Yield what has happened; waits for at most `wait_s` where nothing has."""
        ...

    def close(self) -> None:
        """Kill what still runs."""
        ...
