"""A process that the kernel shuts in: forked from this one, with what it may reach named beforehand."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ctpbench.running.record import Sandbox
from ctpbench.running.sandbox import landlock, namespaces

_LANDLOCK_WANTED = 6
"""The version from which on it holds TCP, abstract sockets and signals as well as files."""
_PROC = Path("/proc")
_OF_ITSELF = tuple(_PROC / name for name in ("self", "cpuinfo", "meminfo", "stat", "sys"))


@dataclass(frozen=True)
class Reach:
    """What a process may reach, and all that it starts.

    Attributes
    ----------
    readable : tuple of Path
        Files and folders that it may read.
    listable : tuple of Path
        Folders whose names, and those in them, it may see.
    writable : tuple of Path
        Files, folders and devices that it may change.
    """

    readable: tuple[Path, ...] = ()
    listable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Hold:
    """What of the sandbox this kernel provides.

    Attributes
    ----------
    landlock : int
        Version of Landlock, which keeps files; 0 where there is none.
    namespaces : bool
        Whether processes, network and memory are the process's own.
    """

    landlock: int
    namespaces: bool

    @property
    def word(self) -> Sandbox:
        """``full``, ``partial`` or ``none``."""
        if self.namespaces and self.landlock >= _LANDLOCK_WANTED:
            return "full"
        return "partial" if self.namespaces or self.landlock else "none"

    @property
    def missing(self) -> str:
        """What is not held, in words; nothing where all is."""
        lacks = []
        if not self.landlock:
            lacks.append("Landlock (files)")
        elif self.landlock < _LANDLOCK_WANTED:
            lacks.append(f"Landlock {_LANDLOCK_WANTED} (sockets and signals; here {self.landlock})")
        if not self.namespaces:
            lacks.append("user namespaces (processes, network)")
        return ", ".join(lacks)


@dataclass(frozen=True)
class Enclosed:
    """A process that was started.

    Attributes
    ----------
    keeper : int
        The child of this process that it ends with. The process is its grandchild.
    verdict : int
        File descriptor from which four bytes come when it has ended: its wait status, as of os.waitpid.
    """

    keeper: int
    verdict: int


def enclose(work: Callable[[Hold], None], reach: Reach | None) -> Enclosed:
    """Start a process that does some work and ends; this process must have no other thread.

    Parameters
    ----------
    work : callable(hold)
        Runs in the new process, which ends with code 0 after it, 1 where it raises. It is told what it is held by.
    reach : Reach or None
        Where None, files and network are open to it: it is only sure to end, with all that it started, when it ends
        itself or this process does.
    """
    verdict, tell = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    keeper = os.fork()
    if keeper == 0:
        os.close(verdict)
        _ending(lambda: _keep(work, reach, tell))
    os.close(tell)
    return Enclosed(keeper, verdict)


def _keep(work: Callable[[Hold], None], reach: Reach | None, tell: int) -> None:
    """Hold the namespaces, where there are any, and wait for their first process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    own = False
    if sys.platform == "linux":
        namespaces.die_with_parent()
        with suppress(OSError):
            namespaces.enter(network=reach is not None)
            own = True
    first = os.fork()
    if first == 0:
        _ending(lambda: _watch(work, own, reach, tell))
    os.close(tell)
    os.waitpid(first, 0)


def _watch(work: Callable[[Hold], None], own: bool, reach: Reach | None, tell: int) -> None:
    """Start the process itself and tell how it ended. In namespaces this is the first one: all others end with it."""
    if sys.platform == "linux":
        namespaces.die_with_parent()
    processes = (_PROC,) if own and namespaces.settle() else _OF_ITSELF
    inmate = os.fork()
    if inmate == 0:
        os.close(tell)
        _ending(lambda: _live(work, own, reach, processes))
    status = 0
    while True:
        with suppress(InterruptedError):
            ended, status = os.waitpid(-1, 0)
            if ended == inmate:
                break
    os.write(tell, status.to_bytes(4, sys.byteorder, signed=True))


def _live(work: Callable[[Hold], None], own: bool, reach: Reach | None, processes: tuple[Path, ...]) -> None:
    hold = Hold(0, namespaces=False)
    if sys.platform == "linux":
        namespaces.die_with_parent()
        if own:
            namespaces.drop_powers()
        if reach is not None:
            hold = Hold(landlock.version(), own)
            if hold.landlock:
                landlock.restrict((*reach.readable, *processes), reach.listable, reach.writable)
    work(hold)


def _ending(work: Callable[[], None]) -> NoReturn:
    """Do some work in a forked process, of which nothing may return to what forked it."""
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
