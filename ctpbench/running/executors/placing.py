"""Which worker a batch goes to: one with a place and what else it asks for, a GPU or a machine that is idle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ctpbench.running.work import Assignment, ItemId, Outcome

_WORTHWHILE_S = 5.0  # a worker whose time is over sooner gets nothing more


@dataclass(eq=False)
class Load:
    """A batch, and how far it is.

    Attributes
    ----------
    gpu : bool
        Whether it goes to a worker with a GPU only, and takes one of these.
    alone : bool
        Whether nothing else may run on its machine meanwhile.
    handed : bool
        Whether its worker was told to begin.
    begun : list of ItemId
        What of it has begun.
    failed : mapping
        How those ended, by key, of which it is known before all are done that they failed.
    beside : bool
        Whether another batch ran on the same machine meanwhile.
    batches : int
        How many were bundled in it, an item each, to be worked on one after the other: see `Bundles`.
    short : int
        How many of these were known to be short when they came.
    """

    name: str
    assignments: Sequence[Assignment]
    gpu: bool = False
    alone: bool = False
    handed: bool = False
    begun: list[ItemId] = field(default_factory=list)
    failed: dict[str, Outcome] = field(default_factory=dict)
    beside: bool = False
    batches: int = 1
    short: int = 0
    task: asyncio.Task[None] | None = None


@dataclass(eq=False)
class Post:
    """A worker that takes work.

    Attributes
    ----------
    address : str
    host : str
        The name of its machine.
    hardware : str
    folder : Path
        Where the files of this run lie, on that machine.
    shared : bool
        Whether it sees the run's own folder.
    places : int
        Batches that it works on side by side.
    threads : int
        Those of each.
    gpus : int
    until_s : float or None
        When its time is over, by this machine's clock.
    open : bool
        Whether it takes work now.
    barred : bool
        Whether it never will again.
    """

    address: str
    host: str
    hardware: str
    folder: Path
    shared: bool
    places: int
    threads: int
    gpus: int = 0
    until_s: float | None = None
    open: bool = True
    barred: bool = False
    loads: list[Load] = field(default_factory=list)
    sent: dict[str, asyncio.Task[int]] = field(default_factory=dict)
    """What was sent there, or is being sent, with its bytes: a file or a folder of the cache, the last read last."""
    leaving: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    """What is being removed there."""

    def takes(self, load: Load) -> bool:
        """Whether there is a place for a batch now."""
        if not self.open or len(self.loads) >= self.places:
            return False
        if self.until_s is not None and self.until_s - time.monotonic() < _WORTHWHILE_S:
            return False
        return not load.gpu or sum(other.gpu for other in self.loads) < self.gpus


def chosen(load: Load, posts: Collection[Post], avoided: Collection[str], reserved: set[str]) -> Post | None:
    """Return the worker for a batch, None where it has to wait.

    Parameters
    ----------
    load : Load
    posts : collection of Post
    avoided : collection of str
        Machines that it goes to only where there is no other: it was lost there.
    reserved : set of str
        Machines kept free for batches that come before it. Where it has to wait to be alone, one is added.
    """
    busy = {post.host for post in posts if post.loads}
    held = {post.host for post in posts if any(other.alone for other in post.loads)}
    able = [post for post in posts if post.host not in reserved | held and post.takes(load)]
    if load.alone:
        idle = [post for post in able if post.host not in busy]
        if not idle and (waiting := [post for post in posts if post.host not in reserved and _suits(post, load)]):
            reserved.add(min(waiting, key=lambda post: (_loads_on(post.host, posts), post.host)).host)
        able = idle
    inputs = units(load.assignments)

    def merit(post: Post) -> tuple[bool, bool, int, int, str]:
        spares_gpu = load.gpu or not post.gpus
        known = len(inputs) if post.shared else len(inputs & post.sent.keys())
        return post.host not in avoided, spares_gpu, known, -_loads_on(post.host, posts), post.address

    return max(able, key=merit, default=None)


def units(assignments: Sequence[Assignment]) -> set[str]:
    """Return what a batch reads: files and folders of the cache, as they are called there."""
    return {f"{each.stage}/{each.key}/{each.file}" for given in assignments for each in given.item.inputs.values()}


def _suits(post: Post, load: Load) -> bool:
    return post.open and post.gpus >= load.gpu


def _loads_on(host: str, posts: Collection[Post]) -> int:
    return sum(len(post.loads) for post in posts if post.host == host)
