"""Landlock: a process gives up all files but those that it names, for itself and all that it starts, for ever.

Three system calls of Linux, 5.13 and later: see landlock(7). Rights are added with each version of its interface; those
that a kernel does not know are not asked of it.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from collections.abc import Iterable

from ctpbench.running.sandbox.libc import call, prctl

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_ASK_VERSION, _PATH_BENEATH = 1, 1
_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_DEVICES = 1 << 6 | 1 << 11
_TRUNCATE, _USE_DEVICE = 1 << 14, 1 << 15
_FILES_BY_VERSION = {1: 13, 2: 14, 3: 15, 5: 16}
"""How many rights to files a version knows, from the first on."""
_NETWORK_SINCE, _BIND_AND_CONNECT = 4, 0b11
_SCOPES_SINCE, _SOCKETS_AND_SIGNALS = 6, 0b11
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _USE_DEVICE


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """Return the version of the kernel's interface, 0 where it has none."""
    if sys.platform != "linux":
        return 0
    try:
        return call(_CREATE_RULESET, None, 0, _ASK_VERSION)
    except OSError:
        return 0


def restrict(readable: Iterable[str], listable: Iterable[str], writable: Iterable[str]) -> None:
    """Leave this process what lies at or below some paths, and no TCP; those that do not exist are passed over.

    Parameters
    ----------
    readable : iterable of str
        Files that may be read and executed, folders that may be listed, too.
    listable : iterable of str
        Folders whose names may be listed, and those of all folders in them.
    writable : iterable of str
        All of that, and files may be made, changed and removed, devices used.

    Raises
    ------
    OSError
        Where the kernel refuses, or does not know it.
    """
    known = version()
    every = (1 << max(count for since, count in _FILES_BY_VERSION.items() if since <= max(known, 1))) - 1
    network = _BIND_AND_CONNECT if known >= _NETWORK_SINCE else 0
    scoped = _SOCKETS_AND_SIGNALS if known >= _SCOPES_SINCE else 0
    attributes = _Ruleset(every, network, scoped)
    size = 8 * (1 + (known >= _NETWORK_SINCE) + (known >= _SCOPES_SINCE))
    ruleset = call(_CREATE_RULESET, ctypes.byref(attributes), size, 0)
    try:
        for paths, rights in (
            (readable, _READ_FILE | _READ_DIR | _EXECUTE),
            (listable, _READ_DIR),
            (writable, every & ~_MAKE_DEVICES),
        ):
            for path in paths:
                _allow(ruleset, path, rights & every)
        prctl(_NO_NEW_PRIVS, 1)
        call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _OF_A_FILE
        if rights:
            call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(_PathBeneath(rights, place)), 0)
    finally:
        os.close(place)
