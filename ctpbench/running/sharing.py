"""What a run takes from the shared cache and gives to it, and what it leaves to another run that makes it just now.

Data and noiseless maps are the same for all. What was measured, and what was made from that, is shared among runs on
the same hardware alone: its name in the shared cache holds device, threads, processor and sandbox beside its key.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import get_args

from ctpbench.code import digest_of, text_of
from ctpbench.device import hardware, processor
from ctpbench.running.cache import Cache
from ctpbench.running.executors.protocol import Limits
from ctpbench.running.locks import Lock
from ctpbench.running.record import Sandbox
from ctpbench.running.shared import SharedCache
from ctpbench.running.work import STAGES, Item, ItemId, Measured, Outcome, PredictionInfo, PredictionTask, Stage
from ctpbench.text import duration_text

_ANYWHERE: tuple[Stage, ...] = ("data", "reference")
"""Stages that measure nothing, nor are made from what was measured."""
_MARK = 16  # digits, of 32: beside a key they tell machines apart
_TRIM_EVERY = 0.1  # of the limit: what may be given before it is looked at again


@dataclass(frozen=True)
class Machine:
    """What a run measures on.

    Attributes
    ----------
    device : str
    threads : int
        Of each process.
    processors : tuple of str
        What the device may be called: an accelerator goes by the name of the processor where a method uses none.
    sandbox : {"none", "partial", "full"}
        How far the kernel holds methods.
    """

    device: str
    threads: int
    processors: tuple[str, ...]
    sandbox: Sandbox

    @classmethod
    def of(cls, limits: Limits, sandbox: Sandbox) -> Machine:
        """Return this one, with processes that are held to these limits."""
        names = dict.fromkeys((hardware(limits.device), processor()))
        return cls(limits.device, limits.threads, tuple(names), sandbox)

    def name(self, stage: Stage, key: str) -> str:
        """Return the name in the shared cache of an entry that is made here."""
        return key if stage in _ANYWHERE else f"{key}-{self._mark}"

    def keys(self, stage: Stage, names: Collection[str]) -> frozenset[str]:
        """Return the keys of entries of these names that are of use here, however far methods are held."""
        if stage in _ANYWHERE:
            return frozenset(names)
        return frozenset(key for key, _, mark in (name.rpartition("-") for name in names) if mark in self._marks)

    def measured(self, info: Measured) -> bool:
        """Whether something was measured here, and not on a worker elsewhere."""
        here = (info.device, info.threads, info.sandbox) == (self.device, self.threads, self.sandbox)
        return here and info.hardware in self.processors

    @cached_property
    def _mark(self) -> str:
        """What tells names of what is measured here from others of the same key."""
        return digest_of(text_of([self.device, self.threads, self.processors, self.sandbox]))[:_MARK]

    @cached_property
    def _marks(self) -> list[str]:
        """The same, however far methods are held."""
        held: tuple[Sandbox, ...] = get_args(Sandbox)
        return [replace(self, sandbox=word)._mark for word in held]


@dataclass(frozen=True)
class Shelf:
    """What a run on this machine would find in the shared cache as it is now, however far methods are held."""

    shared: SharedCache
    machine: Machine

    def holds(self, stage: Stage, key: str) -> bool:
        """Whether there is an entry, sound or not."""
        return key in self._keys[stage]

    def is_empty(self, stage: Stage) -> bool:
        """Whether there is nothing of a stage, whatever its key."""
        return not self._keys[stage]

    @cached_property
    def _keys(self) -> dict[Stage, frozenset[str]]:
        return {stage: self.machine.keys(stage, self.shared.names(stage)) for stage in STAGES}


class Sharing:
    """What one run has to do with the shared cache. Where that gives out, the run goes on without.

    Parameters
    ----------
    cache : Cache
        The run's own.
    shared : SharedCache
    machine : Machine
    limit : int
        Bytes that the shared cache may hold.
    say : callable(text)
        Hears, once, why the shared cache cannot be used, and of what was found damaged in it.
    own : collection of str
        Classes of components, by qualified name, of which nothing is shared, nor what is made from theirs.
    calm : bool
        Whether only what was timed with nothing beside it is taken.
    """

    def __init__(
        self,
        cache: Cache,
        shared: SharedCache,
        machine: Machine,
        limit: int,
        say: Callable[[str], None],
        *,
        own: Collection[str] = (),
        calm: bool = False,
    ) -> None:
        self._cache, self._machine, self._limit, self._say = cache, machine, limit, say
        self._shared: SharedCache | None = shared
        self._own, self._calm = frozenset(own), calm
        self._private: set[ItemId] = set()
        self._locks: dict[ItemId, Lock] = {}
        self._given = 0
        self._taken: Counter[Stage] = Counter()
        self._saved_s = 0.0

    def fetch(self, item: Item) -> Outcome | None:
        """Put an entry that another run made into this run's cache, and return how it ended; None where there is none.

        Nor is there one where its data are not those of this run, or where it is being written or removed just now.
        """
        shared, name = self._shared, self._machine.name(*item.id)
        if shared is None or not self._admits(item) or not shared.holds(item.stage, name):
            return None
        with self._guarded():
            own = self._locks.get(item.id)
            lock = own or shared.lock(item.stage, name)
            if lock is not None:
                try:
                    return self._fetched(shared, item, name) if shared.holds(item.stage, name) else None
                finally:
                    if own is None:
                        lock.release()
        return None

    def claim(self, item: Item) -> bool:
        """Whether it is for this run to make an item: it then is until `give`. Else another run makes it just now."""
        shared = self._shared
        if shared is not None and self._admits(item):
            with self._guarded():
                lock = shared.lock(item.stage, self._machine.name(*item.id))
                if lock is None:
                    return False
                self._locks[item.id] = lock
        return True

    def give(self, item: Item, outcome: Outcome, seconds: float) -> None:
        """Share an entry that was made in this run's cache, if it ended well; in any case others may make it now."""
        if isinstance(outcome.info, Measured) and not self._machine.measured(outcome.info):
            self._private.add(item.id)
        lock, shared = self._locks.pop(item.id, None), self._shared
        if lock is None:
            return
        try:
            with self._guarded():
                if shared is not None and outcome.whole and self._admits(item) and self._fits(shared, item):
                    place, name = self._cache.path(*item.id), self._machine.name(*item.id)
                    self._given += shared.put(item.stage, name, place, seconds)
        finally:
            lock.release()
        if self._given > _TRIM_EVERY * self._limit:
            self._trim()

    def release(self, item: Item) -> None:
        """Leave an item that this run was to make to others."""
        if lock := self._locks.pop(item.id, None):
            lock.release()

    def close(self) -> None:
        """Leave all to others, bring the shared cache down to its size, and say what was taken from it."""
        self._release_all()
        if self._given:
            self._trim()
        if count := self._taken.total():
            kinds = ", ".join(f"{self._taken[stage]} {stage}" for stage in STAGES if self._taken[stage])
            self._say(f"{count} entries made by other runs ({kinds}): {duration_text(self._saved_s)} of work saved")

    def _fetched(self, shared: SharedCache, item: Item, name: str) -> Outcome | None:
        entry = shared.look(item.stage, name)
        if entry is None:
            self._damaged(shared, item.stage, name, shared.wrong(item.stage, name))
            return None
        info = entry.outcome.info
        contended = isinstance(info, PredictionInfo) and info.contended
        if not entry.outcome.whole or (self._calm and contended) or not self._cache.agrees(entry.inputs):
            return None
        made = self._cache.workspace()
        if wrong := shared.place(item.stage, name, made):
            shutil.rmtree(made, ignore_errors=True)
            self._damaged(shared, item.stage, name, wrong)
            return None
        self._cache.adopt(item.stage, item.key, made)
        about = shared.note_use(item.stage, name)
        self._taken[item.stage] += 1
        self._saved_s += about.seconds if about else 0.0
        return self._cache.outcome(item.stage, item.key)

    def _damaged(self, shared: SharedCache, stage: Stage, name: str, wrong: str) -> None:
        self._say(f"damaged: shared cache {shared.folder}: {stage}/{name}: {wrong}; discarded")
        shared.discard(stage, name)

    def _admits(self, item: Item) -> bool:
        """Whether others may have an item; not those of trials, which are thrown away."""
        task, used = item.task, ((given.stage, given.key) for given in item.inputs.values())
        if any(spec.qualname in self._own for spec in task.components) or not self._private.isdisjoint(used):
            self._private.add(item.id)
        return item.id not in self._private and not (isinstance(task, PredictionTask) and not task.timed)

    def _fits(self, shared: SharedCache, item: Item) -> bool:
        """Whether what an item was made from is what others would make theirs from."""
        for used, seal in self._cache.seals(item.stage, item.key).items():
            if shared.seal(used[0], self._machine.name(*used)) not in (None, seal):
                return False
        return True

    def _trim(self) -> None:
        self._given = 0
        with self._guarded():
            if self._shared is not None:
                self._shared.prune(self._limit)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Go on without the shared cache where the system refuses something there, as on a full disk."""
        try:
            yield
        except OSError as error:
            if self._shared is not None:
                self._say(without(f"{self._shared.folder}: {error.strerror}"))
            self._shared = None
            self._release_all()

    def _release_all(self) -> None:
        while self._locks:
            self._locks.popitem()[1].release()


def without(why: str) -> str:
    """Return what a run says that goes on without the shared cache."""
    return f"shared cache: {why}; this run goes on without it (--cache DIR names another, --cache none none)"
