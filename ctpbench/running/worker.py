"""The child process: works on a batch of items, one after the other, and reports each by a pipe.

Whatever happens here stays here: an exception becomes an outcome, and a crash is seen by the parent, which knows
which item was under way. When the parent dies, so does the child.
"""

from __future__ import annotations

import errno
import faulthandler
import gc
import math
import os
import shutil
import signal
import sys
import tempfile
import threading
import traceback
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path

from ctpbench.code import kernel_cache
from ctpbench.errors import CtpbenchError
from ctpbench.running import messages
from ctpbench.running.estimation import InvalidOutput
from ctpbench.running.job import Job
from ctpbench.running.work import LONGEST_MESSAGE, Assignment, Outcome
from ctpbench.text import one_line, plain_text

_FULL_BYTES = 2**26
_NO_MEMORY = ("can't allocate memory", "out of memory", "not enough memory", "status_alloc_failed")


def main(pipe: Connection, device: str, threads: int) -> None:
    """Work on the assignments that the pipe brings, in order, and send messages of how it goes."""
    os.setsid()  # a group of its own: whatever a method starts can be killed with it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # what the server imported is no garbage; looking through it takes longer than many an item
    to = pipe.fileno()
    assignments = messages.receive_batch(to)
    os.environ["NUMBA_CACHE_DIR"] = str(kernel_cache(spec.code for spec in assignments[0].item.task.components))
    threading.Thread(target=_die_with_parent, args=(to,), daemon=True).start()
    for assignment in assignments:
        _redirect_output(assignment.log)
        messages.send(to, messages.Started(key=assignment.item.key))
        outcome = _sendable(_attempt(assignment, to, device, threads))
        messages.send(to, messages.Done(key=assignment.item.key, outcome=outcome))
    pipe.close()


def _attempt(assignment: Assignment, to: int, device: str, threads: int) -> Outcome:
    item = assignment.item

    def progress(fraction: float, text: str) -> None:
        done, words = float(fraction), plain_text(str(text), messages.LONGEST_TEXT)
        if math.isfinite(done):
            messages.send(to, messages.Progressed(key=item.key, fraction=done, text=words))

    job = Job(assignment.inputs, assignment.out, assignment.scratch, assignment.checkpoints, device, threads, progress)
    try:
        stage = import_module(f"ctpbench.running.stages.{item.stage}")
        return Outcome(status="ok", info=stage.run(item.task, job))
    except InvalidOutput as error:
        return Outcome(status="invalid_output", message=plain_text(str(error), LONGEST_MESSAGE))
    except BaseException as error:  # sys.exit included: a method must not end the harness
        traceback.print_exc()
        return failure(error)


def _sendable(outcome: Outcome) -> Outcome:
    """Return an outcome that JSON can hold: a label of a score, say, may be an object or hold half a character."""
    try:
        outcome.model_dump_json()
    except ValueError as error:
        return failure(error)
    return outcome


def failure(error: BaseException) -> Outcome:
    """Return the outcome of an exception: memory or the disk is full, or an error named with its type."""
    text = plain_text(one_line(error), LONGEST_MESSAGE - 100)
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(sign in text.lower() for sign in _NO_MEMORY)
    ):
        return Outcome(status="out_of_memory", message=text or "the method asked for more memory than there is")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC and _disk_is_full(error.filename):
        return Outcome(status="error", message=text, disk_full=True)
    if isinstance(error, CtpbenchError):
        return Outcome(status="error", message=text)
    kind = plain_text(type(error).__name__, 90)
    return Outcome(status="error", message=f"{kind}: {text}" if text else kind)


def _disk_is_full(file: str | None) -> bool:
    """Whether there is no space where it was wanted, or at work: a method may have run into a quota of its own."""
    folders = [Path(file).parent] if isinstance(file, str) else [Path(), Path(tempfile.gettempdir())]
    return any(folder.exists() and shutil.disk_usage(folder).free < _FULL_BYTES for folder in folders)


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


def _die_with_parent(pipe: int) -> None:
    """Block on the pipe, to which the parent writes nothing more: it ends when the parent does."""
    try:
        while os.read(pipe, 1):
            pass
    except OSError:
        pass
    os.killpg(0, signal.SIGKILL)
