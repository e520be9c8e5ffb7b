"""Child processes on this machine, forked from a clean server, each watched for time and memory."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import connection, forkserver
from types import ModuleType
from typing import Any, Self

import psutil

from ctpbench.device import cuda_cards
from ctpbench.running import messages, worker
from ctpbench.running.environment import allowed
from ctpbench.running.executors.protocol import Advanced, Began, Ended, Event, Limits, Returned
from ctpbench.running.faults import crash
from ctpbench.running.sandbox.code import code_reach
from ctpbench.running.sandbox.enclosure import Hold
from ctpbench.running.work import Assignment, Outcome

_POLL_S = 0.02
_GRACE_S = 2.0
_THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
# Idle threads of one library must sleep, not spin: else they starve another library's in the same process.
IDLE_THREADS = {"OMP_WAIT_POLICY": "passive", "OPENBLAS_THREAD_TIMEOUT": "4"}
_PRELOADED = ["ctpbench.running.worker", "scipy.ndimage", "pandas"]


@dataclass
class _Child:
    process: Any
    pipe: connection.Connection
    mailbox: messages.Mailbox
    pending: list[Assignment]
    current: Assignment | None = None
    card: str | None = None
    since: float = field(default_factory=time.monotonic)
    cpu_before_s: float = 0.0
    ended: int = 0
    outcome: Outcome | None = None

    @property
    def interrupted(self) -> Assignment | None:
        """What ends with the process: the item under way; between two items nobody, the next ones never began."""
        return self.current or (self.pending[0] if self.pending and not self.ended else None)


class LocalExecutor:
    """Runs batches in child processes. Use as a context manager: leaving it kills what still runs."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._cards = cuda_cards() if limits.device == "cuda" else ()
        self._children: list[_Child] = []
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOADED)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def hold(self) -> Hold:
        """Return how far the kernel holds the processes of components here."""
        if not self._limits.sandboxed:
            return Hold(0, namespaces=False)
        mine, theirs = self._context.Pipe()
        process = self._context.Process(target=worker.tell_hold, args=(theirs,))
        with _environment(self._limits.threads):
            process.start()
        theirs.close()
        try:
            found: messages.Ready = messages.receive_ready(mine.fileno())
        finally:
            mine.close()
            process.join()
        return Hold(found.landlock, found.namespaces)

    @property
    def running(self) -> int:
        """How many children are at work."""
        return len(self._children)

    def submit(self, batch: Sequence[Assignment]) -> None:
        """Start a child on a batch."""
        card = self._idlest_card()
        order = self._order(batch, {} if card is None else {"CUDA_VISIBLE_DEVICES": card})
        mine, theirs = self._context.Pipe()
        arguments = (theirs, self._limits.device, self._limits.threads)
        process = self._context.Process(target=worker.main, args=arguments, daemon=False)
        with _environment(self._limits.threads):
            process.start()
        theirs.close()
        with suppress(OSError):  # a child that is gone already is seen as such when it is polled
            messages.send_order(mine.fileno(), order)
        self._children.append(_Child(process, mine, messages.Mailbox(mine.fileno()), list(batch), card=card))

    def _idlest_card(self) -> str | None:
        """Return the GPU that fewest children use: a process sees one. None where there is no choice."""
        used = [child.card for child in self._children]
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
            found = [event for child in list(self._children) for event in self._poll(child)]
            if found or not self._children or time.monotonic() > deadline:
                yield from found
                return
            connection.wait([child.pipe for child in self._children], timeout=_POLL_S)

    def close(self) -> None:
        """Kill what still runs."""
        for child in self._children:
            _kill(child.process)
        for child in self._children:
            child.process.join()
        self._children.clear()

    def _poll(self, child: _Child) -> Iterator[Event]:
        yield from self._received(child)
        if child.outcome is None and child.process.is_alive():
            child.outcome = self._breach(child)
        if child.outcome is not None and child.process.is_alive():
            _kill(child.process)
        if child.process.is_alive():
            return
        yield from self._received(child)
        self._children.remove(child)
        child.pipe.close()
        exit_code = child.process.exitcode
        _kill_group(child.process.pid)  # what a method started and left running
        child.process.close()
        if (item := child.interrupted) is not None:
            child.pending.remove(item)
            yield Ended(item, child.outcome or crash(exit_code))
        for assignment in child.pending:
            yield Returned(assignment)

    def _received(self, child: _Child) -> Iterator[Event]:
        """Yield what a child's messages say; one that makes no sense is its last."""
        if child.outcome is not None:
            return
        try:
            for message in child.mailbox.messages():
                yield self._event(child, message)
        except messages.Malformed as error:
            text = f"its process sent what is no message of the harness: {error}"
            child.outcome = Outcome(status="error", message=text[:1000])

    def _event(self, child: _Child, message: messages.Message) -> Event:
        current = child.current
        if isinstance(message, messages.Started):
            if current is not None or not child.pending or child.pending[0].item.key != message.key:
                raise messages.Malformed(f"started {message.key[:60]!r} out of turn")
            child.current, child.since = child.pending[0], time.monotonic()
            child.cpu_before_s = _cpu_s(child.process.pid)
            return Began(child.current)
        if isinstance(message, messages.Ready):
            raise messages.Malformed("ready, which a worker does not say")
        if current is None or current.item.key != message.key:
            raise messages.Malformed(f"{message.event} {message.key[:60]!r}, which is not under way")
        if isinstance(message, messages.Progressed):
            return Advanced(current, message.fraction, message.text)
        info = message.outcome.info
        if message.outcome.ok != (info is not None and info.stage == current.item.stage):
            raise messages.Malformed(f"{current.item.stage} is done with what belongs to no such work")
        child.current, child.since = None, time.monotonic()
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
            used_gib = _resident_gib(child.process.pid)
            if used_gib > limits.memory_gib:
                text = f"used {used_gib:.2f} GiB, more than resources.memory_gib = {limits.memory_gib:g}"
                return Outcome(status="out_of_memory", message=text)
        return None


def _resident_gib(pid: int) -> float:
    """Return the memory of a process and of all that it started."""
    return _total(pid, lambda process: process.memory_info().rss) / 2**30


def _cpu_s(pid: int) -> float:
    """Return the processor time of a process and of all that it started, those included that have ended."""
    return _total(pid, lambda process: sum(process.cpu_times()[:4]))


def _total(pid: int, measure: Callable[[psutil.Process], float]) -> float:
    """Return the sum of a measure over a worker and all that its guests started, 0 where it is gone.

    The two processes between the worker and a guest are copies of it that wait.
    """
    total = 0.0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        total = measure(process)
        for keeper in process.children():
            with suppress(psutil.Error):
                for first in keeper.children():
                    for descendant in first.children(recursive=True):
                        with suppress(psutil.Error):
                            total += measure(descendant)
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
