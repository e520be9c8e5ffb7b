"""What processes take, and what they started: read from ``/proc`` where there is one, for it is asked for often."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import psutil

_FAST = Path(f"/proc/self/task/{os.getpid()}/children").exists()
"""Whether the kernel names a process's children; psutil looks through all processes of the system for them."""
_GONE = (psutil.Error, OSError, LookupError)


def resident_bytes(process: int) -> int:
    """Return the memory that a process holds, 0 where it is gone."""
    with suppress(*_GONE):
        if _FAST:
            return int(_told(f"{process}/statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return int(psutil.Process(process).memory_info().rss)
    return 0


def proportional_bytes(process: int) -> int:
    """Return the memory that a process holds, of what it shares its part: forked processes share most of theirs.

    To tell it the kernel looks through all of that memory. Where it does not tell, it is what the process holds.
    """
    with suppress(OSError):
        for line in _told(f"{process}/smaps_rollup").splitlines():
            if line.startswith("Pss:"):
                return 2**10 * int(line.split()[1])
    return resident_bytes(process)


def processor_s(process: int) -> float:
    """Return the processor time of a process and of those that it started and has seen end, 0 where it is gone."""
    with suppress(*_GONE):
        if _FAST:
            _, _, found = _told(f"{process}/stat").rpartition(")")
            return sum(map(int, found.split()[11:15])) / os.sysconf("SC_CLK_TCK")
        return float(sum(psutil.Process(process).cpu_times()[:4]))
    return 0.0


def started_by(process: int) -> list[list[int]]:
    """Return the processes that a process started, then those that these started, and so on."""
    generations, last = [], children(process)
    while last:
        generations.append(last)
        last = [child for parent in last for child in children(parent)]
    return generations


def children(process: int) -> list[int]:
    """Return the processes that a process started and that have not ended, or that it has not seen end."""
    with suppress(*_GONE):
        if not _FAST:
            return [child.pid for child in psutil.Process(process).children()]
        tasks = os.listdir(f"/proc/{process}/task")
        return [int(child) for task in tasks for child in _told(f"{process}/task/{task}/children").split()]
    return []


def _told(name: str) -> str:
    with open(f"/proc/{name}") as file:  # a Path takes as long as all that is read
        return file.read()
