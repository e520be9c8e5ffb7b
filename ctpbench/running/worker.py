"""The child process: works on a batch of items, one after the other, and reports each by a pipe.

Whatever happens here stays here: an exception becomes an outcome, and a crash is seen by the parent, which knows
which item was under way. When the parent dies, so does the child.
"""

from __future__ import annotations

import errno
import faulthandler
import math
import os
import signal
import sys
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

_NO_MEMORY = ("can't allocate memory", "out of memory", "not enough memory", "status_alloc_failed")


def main(pipe: Connection, device: str, threads: int) -> None:
    """Work on the assignments that the pipe brings, in order, and send messages of how it goes."""
    os.setsid()  # a group of its own: whatever a method starts can be killed with it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    to = pipe.fileno()
    assignments = messages.receive_batch(to)
    os.environ["NUMBA_CACHE_DIR"] = str(kernel_cache(spec.code for spec in assignments[0].item.task.components))
    threading.Thread(target=_die_with_parent, args=(to,), daemon=True).start()
    for assignment in assignments:
        _redirect_output(assignment.log)
        messages.send(to, messages.Started(key=assignment.item.key))
        outcome = _attempt(assignment, to, device, threads)
        messages.send(to, messages.Done(key=assignment.item.key, outcome=outcome))
    pipe.close()


def _attempt(assignment: Assignment, to: int, device: str, threads: int) -> Outcome:
    item = assignment.item

    def progress(fraction: float, text: str) -> None:
        done, told = float(fraction), plain_text(str(text), messages.LONGEST_TEXT)
        if math.isfinite(done):
            messages.send(to, messages.Progressed(key=item.key, fraction=done, text=told))

    job = Job(assignment.inputs, assignment.out, assignment.scratch, assignment.checkpoints, device, threads, progress)
    try:
        stage = import_module(f"ctpbench.running.stages.{item.stage}")
        return Outcome(status="ok", info=stage.run(item.task, job))
    except InvalidOutput as error:
        return Outcome(status="invalid_output", message=plain_text(str(error), LONGEST_MESSAGE))
    except BaseException as error:  # sys.exit included: a method must not end the harness
        traceback.print_exc()
        return failure(error)


def failure(error: BaseException) -> Outcome:
    """Return the outcome of an exception: memory ran out, or an error named with its type."""
    text = plain_text(one_line(error), LONGEST_MESSAGE - 100)
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(sign in text.lower() for sign in _NO_MEMORY)
    ):
        return Outcome(status="out_of_memory", message=text or "the method asked for more memory than there is")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return Outcome(status="error", message=text, disk_full=True)
    if isinstance(error, CtpbenchError):
        return Outcome(status="error", message=text)
    kind = plain_text(type(error).__name__, 90)
    return Outcome(status="error", message=f"{kind}: {text}" if text else kind)


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
