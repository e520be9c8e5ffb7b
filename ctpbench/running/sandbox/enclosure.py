"""What a process may reach, and how far the kernel holds it to that."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from ctpbench.running.record import Sandbox
from ctpbench.running.sandbox import landlock
from ctpbench.running.sandbox.porter import Place

_LANDLOCK_WANTED = 6
"""The version from which on it holds TCP, abstract sockets and signals as well as files."""
_PROC = "/proc"
_OF_ITSELF = tuple(f"{_PROC}/{name}" for name in ("self", "cpuinfo", "meminfo", "stat", "sys"))


@dataclass(frozen=True)
class Reach:
    """What a process may reach, and all that it starts: paths as texts, for each guest reads many.

    Attributes
    ----------
    readable : tuple of str
        Files and folders that it may read.
    listable : tuple of str
        Folders whose names, and those in them, it may see.
    writable : tuple of str
        Files, folders and devices that it may change.
    """

    readable: tuple[str, ...] = ()
    listable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()


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


def shut_in(reach: Reach | None, place: Place) -> Hold:
    """Leave this process what it may reach, for ever, and all that it starts; all, where that is None.

    Returns
    -------
    Hold
        What it is held by, where it is to be held.
    """
    if reach is None or sys.platform != "linux":
        return Hold(0, namespaces=False)
    hold = Hold(landlock.version(), place.apart)
    if hold.landlock:
        processes = (_PROC,) if place.settled else _OF_ITSELF
        landlock.restrict((*reach.readable, *processes), reach.listable, reach.writable)
    return hold
