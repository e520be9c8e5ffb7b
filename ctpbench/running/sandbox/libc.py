"""System calls that Python has no function for, with an OSError where one fails."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Any


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def call(number: int, *arguments: Any) -> int:
    """Make a system call by its number."""
    return _checked(_libc().syscall(ctypes.c_long(number), *arguments))


def prctl(option: int, *arguments: int) -> None:
    """Change something of this process: see prctl(2)."""
    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    _checked(_libc().prctl(option, *padded))


def unshare(flags: int) -> None:
    """Give this process namespaces of its own: see unshare(2)."""
    _checked(_libc().unshare(flags))


def setns(place: int, flags: int) -> None:
    """Enter namespaces of another process, or one, of which this is a file descriptor: see setns(2)."""
    _checked(_libc().setns(place, flags))


def mount(source: str, target: str, kind: str, flags: int) -> None:
    """Mount a file system: see mount(2)."""
    _checked(_libc().mount(*(os.fsencode(text) for text in (source, target, kind)), ctypes.c_ulong(flags), None))


def give_up_capabilities() -> None:
    """Keep none of the powers of a superuser: see capset(2)."""
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    _checked(_libc().capset(header, none))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
