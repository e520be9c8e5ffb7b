"""The child process: works on a batch of items, one after the other, and reports each by a pipe.

Whatever happens here stays here: an exception becomes an outcome, and a crash is seen by the parent, which knows
which item was under way. When the parent dies, so does the child.
"""

from __future__ import annotations

import errno
import faulthandler
import os
import signal
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from ctpbench.errors import CtpbenchError
from ctpbench.running import stages
from ctpbench.running.estimation import InvalidOutput
from ctpbench.running.store import Outcome
from ctpbench.running.work import ComponentSpec, Item, digest

_NO_MEMORY = ("can't allocate memory", "out of memory", "not enough memory", "status_alloc_failed")


@dataclass(frozen=True)
class Assignment:
    """One item with the places it may read from and write to; `checkpoints` alone outlives an attempt."""

    item: Item
    inputs: Mapping[str, Path]
    out: Path
    scratch: Path
    checkpoints: Path
    log: Path


def main(pipe: Connection, assignments: Sequence[Assignment], device: str, threads: int) -> None:
    """Work on the assignments in order; sends ``(event, item id, content)``: started, progress, done."""
    os.setsid()  # a group of its own: whatever a method starts can be killed with it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["NUMBA_CACHE_DIR"] = str(numba_cache(_codes(assignments[0].item)))
    threading.Thread(target=_die_with_parent, args=(pipe,), daemon=True).start()
    for assignment in assignments:
        _redirect_output(assignment.log)
        pipe.send(("started", assignment.item.id, None))
        pipe.send(("done", assignment.item.id, _attempt(assignment, pipe, device, threads)))
    pipe.close()


def _attempt(assignment: Assignment, pipe: Connection, device: str, threads: int) -> Outcome:
    item = assignment.item
    lent = stages.Lent(
        assignment.inputs,
        assignment.out,
        assignment.scratch,
        assignment.checkpoints,
        device,
        threads,
        lambda fraction, text: pipe.send(("progress", item.id, (float(fraction), str(text)))),
    )
    try:
        return Outcome("ok", info=stages.run(item, lent))
    except InvalidOutput as error:
        return Outcome("invalid_output", str(error))
    except BaseException as error:  # sys.exit included: a method must not end the harness
        traceback.print_exc()
        return failure(error)


def failure(error: BaseException) -> Outcome:
    """Return the outcome of an exception: memory ran out, or an error named with its type."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(sign in text.lower() for sign in _NO_MEMORY)
    ):
        return Outcome("out_of_memory", text or "the method asked for more memory than there is")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return Outcome("error", text, {"disk_full": True})
    if isinstance(error, CtpbenchError):
        return Outcome("error", text)
    return Outcome("error", f"{type(error).__name__}: {text}" if text else type(error).__name__)


def numba_cache(codes: Sequence[str]) -> Path:
    """Return a folder for compiled kernels that changes with the code of the distributions at work, as hashed.

    Numba itself notices a change in a kernel's own file only, not in a helper that it calls.
    """
    base = (
        os.environ.get("NUMBA_CACHE_DIR")
        or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ctpbench"
    )
    return Path(base) / digest("numba", sorted(codes))


def _codes(item: Item) -> list[str]:
    return [spec.identity["code"] for value in item.task.values() for spec in _specs(value)]


def _specs(value: object) -> Sequence[ComponentSpec]:
    if isinstance(value, Mapping):
        return [spec for spec in value.values() if isinstance(spec, ComponentSpec)]
    return [value] if isinstance(value, ComponentSpec) else []


def _redirect_output(log: Path) -> None:
    """Send stdout, stderr and the cause of a crash to the log, below Python too."""
    sys.stdout.flush()
    sys.stderr.flush()
    log.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    faulthandler.enable(2)


def _die_with_parent(pipe: Connection) -> None:
    """Block on the pipe, which the parent never writes to: it ends when the parent does."""
    try:
        pipe.recv()
    except (EOFError, OSError):
        os.killpg(0, signal.SIGKILL)
