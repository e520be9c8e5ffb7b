"""Child processes on this machine, forked from a clean server, each watched for time and memory."""

from __future__ import annotations

import itertools
import math
import multiprocessing
import os
import selectors
import signal
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import connection, forkserver
from types import ModuleType
from typing import Any, Self

from ctpbench.device import cuda_cards
from ctpbench.running import messages, processes, ready
from ctpbench.running.environment import allowed
from ctpbench.running.executors.protocol import Advanced, Began, Ended, Event, Limits, Returned
from ctpbench.running.faults import crash
from ctpbench.running.sandbox.code import code_reach
from ctpbench.running.sandbox.enclosure import Hold
from ctpbench.running.work import Assignment, Outcome

_LOOK_S, _LOOK_S_AT_MOST = 0.02, 0.25
"""How often a child's memory and processor time are looked at."""
_TRIES = 5
_GRACE_S = 2.0
_THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
# Idle threads of one library must sleep: else they starve another's in the same process. GNU's, of torch and numba,
# spin for a third of a millisecond first: from one layer of a network to the next they are not to be woken.
IDLE_THREADS = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "30000", "OPENBLAS_THREAD_TIMEOUT": "4"}
# Where Dask is installed, xarray imports it at the first array.
_PRELOADED = ["ctpbench.running.rehearsal", "dask.base"]


@dataclass(eq=False)
class _Child:
    """A worker's process and what it is at.

    Attributes
    ----------
    card : str or None
        The GPU that its batch sees, where there are several.
    pending : list of Assignment
        What of its batch has not ended.
    current : Assignment or None
        What it has begun.
    since : float
        When that began, or the batch was handed over.
    look_at : float
        When its limits are looked at next.
    batches, ended : int
        How many batches it was given, and how many items of the last one have ended.
    gone : bool
        Whether its process has ended.
    keeps : str
        What its guest is kept for: "scores", or the group of the trials that it did last; else nothing.
    outcome : Outcome or None
        How the item ends that it is killed for.
    """

    process: Any
    pipe: connection.Connection
    mailbox: messages.Mailbox
    pending: list[Assignment] = field(default_factory=list)
    current: Assignment | None = None
    card: str | None = None
    since: float = 0.0
    look_at: float = math.inf
    cpu_before_s: float = 0.0
    batches: int = 0
    ended: int = 0
    idle: bool = True
    gone: bool = False
    keeps: str = ""
    outcome: Outcome | None = None
    exit_code: int | None = None

    @property
    def interrupted(self) -> Assignment | None:
        """What ends with the process: the item under way; between two items nobody, the next ones never began.

        A process that ends before its first item has failed at that; one that had done others before has not.
        """
        first = self.pending[0] if self.pending and not self.ended and self.batches == 1 else None
        return self.current or first


class LocalExecutor:
    """Runs batches in child processes, which are used again. Use as a context manager: leaving it kills them.

    Parameters
    ----------
    limits : Limits
    libraries : collection of str
        Distributions that components will import: see `ctpbench.running.ready`. What the first executor of a process
        names is made ready for all of them.
    """

    def __init__(self, limits: Limits, libraries: Collection[str] = ()) -> None:
        self._limits = limits
        self._cards = cuda_cards() if limits.device == "cuda" else ()
        self._children: list[_Child] = []
        self._selector = selectors.DefaultSelector()
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__, *ready.modules(libraries), *_PRELOADED])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def hold(self) -> Hold:
        """Return how far the kernel holds the processes of components here."""
        if not self._limits.sandboxed:
            return Hold(0, namespaces=False)
        mine, theirs = self._context.Pipe()
        process = self._context.Process(target=_tell_hold, args=(theirs,))
        with _environment(self._limits.threads):
            process.start()
        theirs.close()
        try:
            found = messages.Orders(mine.fileno()).next(messages.Ready)
        finally:
            mine.close()
            process.join()
        return Hold(found.landlock, found.namespaces) if found else Hold(0, namespaces=False)

    @property
    def running(self) -> int:
        """How many children are at work."""
        return sum(not child.idle for child in self._children)

    @property
    def slots(self) -> None:
        """Nothing: it takes what it is given."""
        return None

    def submit(self, batch: Sequence[Assignment]) -> None:
        """Have a child work on a batch: one that waits for such work, or a new one."""
        card = self._idlest_card()
        order = self._order(batch, {} if card is None else {"CUDA_VISIBLE_DEVICES": card})
        item = batch[0].item
        keeps = "scores" if item.stage == "scores" else item.group if item.stage == "prediction" else ""
        child = self._waiting(keeps) or self._started()
        child.keeps = keeps
        child.pending, child.idle, child.ended = list(batch), False, 0
        child.batches, child.card = child.batches + 1, card
        self._begin(child)
        with suppress(OSError):  # a child that is gone already is seen as such when it is polled
            messages.send_order(child.pipe.fileno(), order)

    def _waiting(self, keeps: str) -> _Child | None:
        """Return a child that waits for work: one whose guest is kept for such, else one that keeps none.

        Of those that keep another, the one that has waited for longest, where more of them wait than work.
        """
        idle = [child for child in self._children if child.idle]
        for wanted in (keeps, ""):
            if found := next((child for child in idle if child.keeps == wanted), None):
                return found
        longest = sorted(idle, key=lambda child: child.since)
        return longest[0] if len(idle) > self.running + 1 else None

    def _started(self) -> _Child:
        mine, theirs = self._context.Pipe()
        arguments = (theirs, self._limits.device, self._limits.threads)
        process = self._context.Process(target=_work, args=arguments, daemon=False)
        with _environment(self._limits.threads):
            process.start()
        theirs.close()
        child = _Child(process, mine, messages.Mailbox(mine.fileno()))
        self._children.append(child)
        for source in (mine, process.sentinel):
            self._selector.register(source, selectors.EVENT_READ, child)
        return child

    def _idlest_card(self) -> str | None:
        """Return the GPU that fewest children use: a method's process sees one. None where there is no choice."""
        used = [child.card for child in self._children if not child.idle]
        return min(self._cards, key=used.count) if len(self._cards) > 1 else None

    def _order(self, batch: Sequence[Assignment], card: Mapping[str, str]) -> messages.Batch:
        """Return a batch with what its components may reach: those of data sets all, for their files lie anywhere."""
        if batch[0].item.stage == "data":
            return messages.Batch(assignments=list(batch), environment={**os.environ, **card})
        if not self._limits.sandboxed:
            return messages.Batch(assignments=list(batch), environment=dict(card))
        modules = {spec.module for assignment in batch for spec in assignment.item.task.components}
        reach = code_reach(frozenset(modules), self._limits.device)
        return messages.Batch(assignments=list(batch), reach=reach, environment=dict(card))

    def events(self, wait_s: float = 0.25) -> Iterator[Event]:
        """Yield what has happened; waits for at most `wait_s` where nothing has."""
        deadline = time.monotonic() + wait_s
        while True:
            found = [event for child in self._moved(deadline) for event in self._poll(child)]
            if found or not self.running or time.monotonic() > deadline:
                yield from found
                return

    def close(self) -> None:
        """Kill what still runs."""
        for child in self._children:
            _kill(child.process)
        for child in list(self._children):
            child.process.join()
            self._forget(child)

    def _moved(self, deadline: float) -> list[_Child]:
        """Wait for a child that says something or ends, or whose limits are due; return which do."""
        due = min((child.look_at for child in self._children), default=math.inf)
        ready = self._selector.select(max(0.0, min(deadline, due) - time.monotonic()))
        moved = set()
        for key, _ in ready:
            moved.add(id(key.data))
            key.data.gone |= key.fileobj == key.data.process.sentinel
        now = time.monotonic()
        return [child for child in self._children if id(child) in moved or child.look_at <= now]

    def _poll(self, child: _Child) -> Iterator[Event]:
        yield from self._received(child)
        if child.outcome is None and child.look_at <= time.monotonic():
            child.outcome = self._breach(child)
            child.look_at = self._next_look(child)
        if child.outcome is not None:
            _kill(child.process)
        if child.mailbox.closed:  # nothing more to wait for there
            with suppress(KeyError):
                self._selector.unregister(child.pipe)
        if not child.gone and (child.outcome is None or child.process.is_alive()):
            return
        yield from self._received(child)
        self._forget(child)
        if (item := child.interrupted) is not None:
            child.pending.remove(item)
            yield Ended(item, child.outcome or crash(child.exit_code))
        for assignment in child.pending:
            yield Returned(assignment)

    def _forget(self, child: _Child) -> None:
        """Let go of a child that has ended, and kill what it left running."""
        self._children.remove(child)
        for source in (child.pipe, child.process.sentinel):
            with suppress(KeyError):
                self._selector.unregister(source)
        child.pipe.close()
        _kill_group(child.process.pid)
        child.exit_code = child.process.exitcode
        child.process.close()

    def _begin(self, child: _Child) -> None:
        """Start the clock of an item."""
        child.since = time.monotonic()
        child.look_at = self._next_look(child)

    def _next_look(self, child: _Child) -> float:
        """Return when a child's limits are looked at next: often at first, later in proportion to what has passed."""
        limits, now = self._limits, time.monotonic()
        ends = child.since + limits.timeout_s if limits.timeout_s is not None else math.inf
        if limits.cpu_s is None and limits.memory_gib is None:
            return ends
        return min(ends, now + min(max((now - child.since) / 4, _LOOK_S), _LOOK_S_AT_MOST))

    def _received(self, child: _Child) -> Iterator[Event]:
        """Yield what a child's messages say; one that makes no sense is its last."""
        if child.outcome is not None:
            return
        try:
            for message in child.mailbox.messages():
                if isinstance(message, messages.Idle) and not child.pending:
                    child.idle, child.look_at = True, math.inf
                else:
                    yield self._event(child, message)
        except messages.Malformed as error:
            text = f"its process sent what is no message of the harness: {error}"
            child.outcome = Outcome(status="error", message=text[:1000])

    def _event(self, child: _Child, message: messages.Message) -> Event:
        current = child.current
        if isinstance(message, messages.Started):
            if current is not None or not child.pending or child.pending[0].item.key != message.key:
                raise messages.Malformed(f"started {message.key[:60]!r} out of turn")
            child.current = child.pending[0]
            child.cpu_before_s = 0.0 if self._limits.cpu_s is None else _cpu_s(child.process.pid)
            self._begin(child)
            return Began(child.current)
        if isinstance(message, messages.Ready | messages.Idle):
            raise messages.Malformed(f"{message.event}, which a worker does not say now")
        if current is None or current.item.key != message.key:
            raise messages.Malformed(f"{message.event} {message.key[:60]!r}, which is not under way")
        if isinstance(message, messages.Progressed):
            return Advanced(current, message.fraction, message.text)
        info = message.outcome.info
        if message.outcome.ok != (info is not None and info.stage == current.item.stage):
            raise messages.Malformed(f"{current.item.stage} is done with what belongs to no such work")
        child.current = None
        self._begin(child)
        child.pending.remove(current)
        child.ended += 1
        return Ended(current, message.outcome)

    def _breach(self, child: _Child) -> Outcome | None:
        limits = self._limits
        if limits.timeout_s is not None and time.monotonic() - child.since > limits.timeout_s:
            return Outcome(status="timeout", message=f"took longer than resources.timeout_s = {limits.timeout_s:g}")
        if limits.cpu_s is not None and _cpu_s(child.process.pid) - child.cpu_before_s > limits.cpu_s:
            text = f"took more processor time than resources.cpu_s = {limits.cpu_s:g}"
            return Outcome(status="timeout", message=text)
        if limits.memory_gib is not None:
            used_gib = _used_gib(child.process.pid, limits.memory_gib)
            if used_gib > limits.memory_gib:
                text = f"used {used_gib:.2f} GiB, more than resources.memory_gib = {limits.memory_gib:g}"
                return Outcome(status="out_of_memory", message=text)
        return None


def _used_gib(worker: int, allowed_gib: float) -> float:
    """Return the memory of a worker and of all that works for it; what it starts itself only waits.

    What they share is counted once for each, which is quickly told, unless it then seems to be too much.
    """
    working = [worker, *itertools.chain.from_iterable(processes.started_by(worker)[1:])]
    used_gib = sum(map(processes.resident_bytes, working)) / 2**30
    return used_gib if used_gib <= allowed_gib else sum(map(processes.proportional_bytes, working)) / 2**30


def _cpu_s(worker: int) -> float:
    """Return the processor time of a worker and of all that it started, those included that have ended.

    The time of one that ends while this is read could be missed, or counted with its parent's as well: then it is read
    anew.
    """
    found = processes.started_by(worker)
    for _ in range(_TRIES):
        total = sum(map(processes.processor_s, (worker, *itertools.chain.from_iterable(found))))
        before, found = found, processes.started_by(worker)
        if found == before:
            break
    return total


def _kill(process: Any) -> None:
    """Kill a child with all that it started."""
    with suppress(ProcessLookupError, PermissionError):
        if os.getpgid(process.pid) != os.getpgid(0):
            _kill_group(process.pid)
        else:  # it has not yet made its own group
            process.kill()
    process.join(_GRACE_S)


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


@contextmanager
def _environment(threads: int) -> Iterator[None]:
    """Start the server with no more of the environment than it needs, and with its thread counts set.

    Libraries read these once, when they are imported; and what a process was started with stays in its memory. The
    program that was started is hidden meanwhile: a child would run it anew, from its first line, and needs nothing
    of it.
    """
    before, program = dict(os.environ), sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    os.environ.clear()
    os.environ.update({**allowed(before), **dict.fromkeys(_THREAD_COUNTS, str(threads)), **IDLE_THREADS})
    try:
        forkserver.ensure_running()
        yield
    finally:
        sys.modules["__main__"] = program
        os.environ.clear()
        os.environ.update(before)


# -- what the processes do: in this one, which looks after them, none of it is loaded ---------------------------------


def _work(pipe: connection.Connection, device: str, threads: int) -> None:
    from ctpbench.running import worker

    worker.main(pipe, device, threads)


def _tell_hold(pipe: connection.Connection) -> None:
    from ctpbench.running import worker

    worker.tell_hold(pipe)
