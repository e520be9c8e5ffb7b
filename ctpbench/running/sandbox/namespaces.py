"""Namespaces: a process that sees no other processes, no network and no shared memory but its own.

See namespaces(7), user_namespaces(7) and pid_namespaces(7). No privilege is needed where the kernel lets users make
user namespaces; some distributions and most containers do not.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
from contextlib import suppress
from pathlib import Path

from ctpbench.running.sandbox.libc import give_up_capabilities, mount, prctl, setns, unshare

_MOUNTS, _IPC, _USER, _PID, _NETWORK = 0x00020000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
_SIGNAL_WHEN_PARENT_DIES, _DROP_CAPABILITY, _LAST_CAPABILITY = 1, 24, 63
_PRIVATE = 0x4000 | 0x40000  # MS_REC | MS_PRIVATE
SHARED_MEMORY = Path("/dev/shm")
_SAFE = 0x2 | 0x4 | 0x8  # MS_NOSUID | MS_NODEV | MS_NOEXEC


def enter() -> None:
    """Leave the namespace of users for one of one's own, which lets this process make other namespaces.

    The user stays who they are and no longer has any power over what others own. Their keyring is a new one.

    Raises
    ------
    OSError
        Where the system does not allow it.
    """
    user, group = os.geteuid(), os.getegid()
    unshare(_USER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def fork_first() -> int:
    """Fork the first process of a new namespace of processes; see `os.fork`.

    It takes a process that is in such a namespace itself to do it more than once: one's way back into the system's is
    barred.

    Raises
    ------
    OSError
        Where the system does not allow it.
    """
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        unshare(_PID)  # it is the next process that will be in it
        first = os.fork()
        if first:
            with suppress(OSError):
                setns(own, _PID)
        return first
    finally:
        os.close(own)


def leave(*, network: bool) -> None:
    """Leave the system's mounts and shared memory for one's own; its network, too, for one in which nobody is.

    Raises
    ------
    OSError
        Where the system does not allow it.
    """
    unshare(_IPC | _MOUNTS | (_NETWORK if network else 0))


def join_users(process: int) -> None:
    """Be a user as another process is, of which this is a descriptor (pidfd)."""
    setns(process, _USER)


def fork_beside(process: int, *, network: bool) -> int:
    """Fork a process in the namespaces of another one, of which this is a descriptor (pidfd); see `os.fork`.

    It stays in the folder that this process is in, and in its network unless that is the other's, too.
    """
    try:
        here = os.getcwd()
    except FileNotFoundError:  # it was removed
        here = "/"
    setns(process, _PID)  # it is the next process that will be in it
    forked = os.fork()
    if not forked:
        setns(process, _IPC | _MOUNTS | (_NETWORK if network else 0))
        os.chdir(here)
    return forked


def settle() -> bool:
    """In the first process of a namespace: see one's own memory and processes in place of the system's.

    Returns
    -------
    bool
        Whether ``/proc`` is one's own. Where a container hides parts of it, the kernel does not let it be mounted anew.
    """
    try:
        mount("none", "/", "", _PRIVATE)
        if SHARED_MEMORY.is_dir():  # some machines have none
            mount("tmpfs", str(SHARED_MEMORY), "tmpfs", _SAFE)
        mount("proc", "/proc", "proc", _SAFE)
    except OSError:
        return False
    return True


def drop_powers() -> None:
    """Give up for ever what the first user of a user namespace may do in it."""
    for capability in range(_LAST_CAPABILITY + 1):
        try:
            prctl(_DROP_CAPABILITY, capability)
        except OSError:  # the kernel knows no more
            break
    give_up_capabilities()


def die_with_parent() -> None:
    """Let the kernel kill this process when the one that forked it ends, however either of them is busy."""
    prctl(_SIGNAL_WHEN_PARENT_DIES, signal.SIGKILL)


def die_with_writer(pipe: int) -> None:
    """Let the kernel kill this process when nobody holds the other end of a pipe any more.

    For one whose parent outlives the process that it works for.
    """
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([pipe], [], [], 0)[0]:  # it was too late to be told
        os.kill(os.getpid(), signal.SIGKILL)
