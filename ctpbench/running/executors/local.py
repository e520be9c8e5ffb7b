"""Child processes on this machine, forked from a clean server, each watched for time and memory."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import connection, forkserver
from pathlib import Path
from typing import Any

import psutil

from ctpbench.running import worker
from ctpbench.running.store import Outcome
from ctpbench.running.worker import Assignment
from ctpbench.settings import Resources

_POLL_S = 0.02
_GRACE_S = 2.0
_THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
# Idle threads of one library must sleep, not spin: else they starve another library's in the same process.
IDLE_THREADS = {"OMP_WAIT_POLICY": "passive", "OPENBLAS_THREAD_TIMEOUT": "4"}


@dataclass(frozen=True)
class Limits:
    """What one child may use."""

    device: str = "cpu"
    threads: int = 1
    memory_gib: float | None = None
    timeout_s: float | None = None

    @classmethod
    def of(cls, resources: Resources, device: str, jobs: int) -> Limits:
        """Return what a suite's resources mean on this machine: cores are shared out where it names no threads."""
        threads = resources.threads or max(1, (os.cpu_count() or 1) // jobs)
        return cls(device, threads, resources.memory_gib, resources.timeout_s)


@dataclass(frozen=True)
class Event:
    """News of an item: started, progress (content: fraction and text), done (content: Outcome) or returned.

    ``returned`` hands back an item that a child never began, because one before it ended the child.
    """

    kind: str
    assignment: Assignment
    content: Any = None


@dataclass
class _Child:
    process: Any
    pipe: connection.Connection
    pending: list[Assignment]
    current: Assignment | None = None
    since: float = field(default_factory=time.monotonic)
    verdict: Outcome | None = None


class LocalExecutor:
    """Runs batches in child processes. Use as a context manager: leaving it kills what still runs."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._children: list[_Child] = []
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["ctpbench.running.worker", "h5netcdf", "scipy.ndimage"])

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(self, *exception: object) -> None:
        for child in self._children:
            _kill(child.process)
        for child in self._children:
            child.process.join()
        self._children.clear()

    @property
    def running(self) -> int:
        """How many children are at work."""
        return len(self._children)

    def submit(self, batch: Sequence[Assignment]) -> None:
        """Start a child on a batch."""
        mine, theirs = self._context.Pipe()
        arguments = (theirs, tuple(batch), self._limits.device, self._limits.threads)
        process = self._context.Process(target=worker.main, args=arguments, daemon=False)
        with _pinned_threads(self._limits.threads):
            process.start()
        theirs.close()
        self._children.append(_Child(process, mine, list(batch)))

    def events(self, wait_s: float = 0.25) -> Iterator[Event]:
        """Yield what has happened; waits for at most `wait_s` where nothing has."""
        deadline = time.monotonic() + wait_s
        while True:
            found = [event for child in list(self._children) for event in self._poll(child)]
            if found or not self._children or time.monotonic() > deadline:
                yield from found
                return
            connection.wait([child.pipe for child in self._children], timeout=_POLL_S)

    def _poll(self, child: _Child) -> Iterator[Event]:
        yield from self._messages(child)
        if child.verdict is None and child.process.is_alive():
            child.verdict = self._breach(child)
            if child.verdict is not None:
                _kill(child.process)
        if child.process.is_alive():
            return
        yield from self._messages(child)
        self._children.remove(child)
        child.pipe.close()
        exit_code = child.process.exitcode
        child.process.close()
        victim = child.current or (child.pending[0] if child.pending else None)
        if victim is not None:
            child.pending.remove(victim)
            yield Event("done", victim, child.verdict or _crash(exit_code, victim.log))
        for assignment in child.pending:
            yield Event("returned", assignment)

    def _messages(self, child: _Child) -> Iterator[Event]:
        with suppress(EOFError, OSError):
            while child.pipe.poll():
                kind, item_id, content = child.pipe.recv()
                assignment = next(a for a in child.pending if a.item.id == item_id)
                if kind == "started":
                    child.current, child.since = assignment, time.monotonic()
                elif kind == "done":
                    child.current, child.since = None, time.monotonic()
                    child.pending.remove(assignment)
                yield Event(kind, assignment, content)

    def _breach(self, child: _Child) -> Outcome | None:
        limits = self._limits
        if limits.timeout_s is not None and time.monotonic() - child.since > limits.timeout_s:
            return Outcome("timeout", f"took longer than resources.timeout_s = {limits.timeout_s:g}")
        if limits.memory_gib is not None:
            used_gib = _resident_gib(child.process.pid)
            if used_gib > limits.memory_gib:
                message = f"used {used_gib:.2f} GiB, more than resources.memory_gib = {limits.memory_gib:g}"
                return Outcome("out_of_memory", message)
        return None


def _resident_gib(pid: int) -> float:
    total = 0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        total = process.memory_info().rss
        for descendant in process.children(recursive=True):
            with suppress(psutil.Error):
                total += descendant.memory_info().rss
    return total / 2**30


def _crash(exit_code: int | None, log: Path) -> Outcome:
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        hint = " (the system may have run out of memory)" if name == "SIGKILL" else ""
        return Outcome("crashed", f"killed by {name}{hint}; see {log.name}")
    return Outcome("crashed", f"the process exited with code {exit_code}; see {log.name}")


def _kill(process: Any) -> None:
    """Kill a child with all that it started."""
    with suppress(ProcessLookupError, PermissionError):
        if os.getpgid(process.pid) != os.getpgid(0):
            os.killpg(process.pid, signal.SIGKILL)
        else:  # it has not yet made its own group
            process.kill()
    process.join(_GRACE_S)


@contextmanager
def _pinned_threads(threads: int) -> Iterator[None]:
    """Start the server with its thread counts set: libraries read them once, when they are imported."""
    wanted = {**dict.fromkeys(_THREAD_COUNTS, str(threads)), **IDLE_THREADS}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        forkserver.ensure_running()
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
