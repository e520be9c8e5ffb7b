"""What an exception in a piece of work becomes: a status and one line."""

from __future__ import annotations

import errno
import shutil
import signal
import tempfile
from pathlib import Path

from ctpbench.errors import CtpbenchError
from ctpbench.running.work import LONGEST_MESSAGE, Outcome
from ctpbench.text import one_line, plain_text

_FULL_BYTES = 2**26
_NO_MEMORY = ("can't allocate memory", "out of memory", "not enough memory", "status_alloc_failed")


class InvalidOutput(Exception):
    """A method returned something that breaks its contract."""


def failure(error: BaseException, *written: Path) -> Outcome:
    """Return the outcome of an exception: memory or the disk is full, or an error named with its type.

    `written` are the folders that the work wrote to.
    """
    text = plain_text(one_line(error), LONGEST_MESSAGE - 100)
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(sign in text.lower() for sign in _NO_MEMORY)
    ):
        return Outcome(status="out_of_memory", message=text or "the method asked for more memory than there is")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC and _disk_is_full(error.filename, written):
        return Outcome(status="error", message=text, disk_full=True)
    if isinstance(error, CtpbenchError):
        return Outcome(status="error", message=text)
    kind = plain_text(type(error).__name__, 90)
    return Outcome(status="error", message=f"{kind}: {text}" if text else kind)


def invalid(error: InvalidOutput) -> Outcome:
    """Return the outcome of a component that broke its contract."""
    return Outcome(status="invalid_output", message=plain_text(str(error), LONGEST_MESSAGE))


def crash(exit_code: int | None) -> Outcome:
    """Return the outcome of a process that ended by itself; `exit_code` is negative where a signal ended it."""
    if exit_code is None:
        return Outcome(status="crashed", message="its process went away; see its log")
    if exit_code < 0:
        known = {int(each): each.name for each in signal.Signals}
        name = known.get(-exit_code, f"signal {-exit_code}")
        hint = " (the system may have run out of memory)" if name == "SIGKILL" else ""
        return Outcome(status="crashed", message=f"killed by {name}{hint}; see its log")
    return Outcome(status="crashed", message=f"the process exited with code {exit_code}; see its log")


def _disk_is_full(file: str | None, written: tuple[Path, ...]) -> bool:
    """Whether there is no space where it was wanted, or at work: a method may have run into a quota of its own."""
    folders = [Path(file).parent] if isinstance(file, str) else [Path(), Path(tempfile.gettempdir()), *written]
    return any(folder.exists() and shutil.disk_usage(folder).free < _FULL_BYTES for folder in folders)
