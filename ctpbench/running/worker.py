"""The worker: does a batch of items, one after the other, and reports each by a pipe. No stranger's code runs in it.

What a component does is done by a guest, whom the kernel shuts in where it can. Whatever happens there becomes an
outcome. When the runner dies, so does the worker, and its guest with it.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

from ctpbench.code import kernel_cache
from ctpbench.running import messages
from ctpbench.running.attempts import attempt
from ctpbench.running.host import Host
from ctpbench.running.log import Log
from ctpbench.running.sandbox.enclosure import Reach, enclose
from ctpbench.running.sandbox.namespaces import die_with_parent, die_with_writer
from ctpbench.running.work import Assignment, Outcome

_PROGRESS_EVERY_S = 0.05


def main(pipe: Connection, device: str, threads: int) -> None:
    """Work on the assignments that the pipe brings, in order, and send messages of how it goes."""
    os.setsid()  # a group of its own: whatever a method starts can be killed with it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # what the server imported is no garbage; looking through it takes longer than many an item
    to = pipe.fileno()
    batch = messages.receive_batch(to)
    kernels = kernel_cache(spec.code for spec in batch.assignments[0].item.task.components)
    kernels.mkdir(parents=True, exist_ok=True)
    os.environ["NUMBA_CACHE_DIR"] = str(kernels)
    if sys.platform == "linux":
        die_with_parent()
        if (runner := multiprocessing.parent_process()) is not None:  # the parent is the server that forked this
            die_with_writer(runner.sentinel)
    room = Path(tempfile.mkdtemp(dir=batch.assignments[0].out.parent))
    try:
        with Host(room, batch.reach, batch.environment, device, threads) as host:
            if sys.platform != "linux":
                threading.Thread(target=_die_with_parent, args=(to,), daemon=True).start()
            for assignment in batch.assignments:
                messages.send(to, messages.Started(key=assignment.item.key))
                with Log(assignment.log) as log:
                    outcome = _attempt(assignment, to, host, log)
                messages.send(to, messages.Done(key=assignment.item.key, outcome=outcome))
    finally:
        shutil.rmtree(room, ignore_errors=True)
    pipe.close()


def tell_hold(pipe: Connection) -> None:
    """Send how far the kernel holds a process here: see `messages.Ready`."""
    to = pipe.fileno()
    enclosed = enclose(
        lambda hold: messages.send(to, messages.Ready(landlock=hold.landlock, namespaces=hold.namespaces)), Reach()
    )
    os.waitpid(enclosed.keeper, 0)


def _attempt(assignment: Assignment, to: int, host: Host, log: Log) -> Outcome:
    spoke_s = 0.0

    def progress(fraction: float, text: str) -> None:
        nonlocal spoke_s
        if time.monotonic() - spoke_s > _PROGRESS_EVERY_S:
            spoke_s = time.monotonic()
            messages.send_progress(to, assignment.item.key, fraction, text)

    return attempt(assignment, host, log, progress)


def _die_with_parent(pipe: int) -> None:
    """Block on the pipe, to which the parent writes nothing more: it ends when the parent does."""
    try:
        while os.read(pipe, 1):
            pass
    except OSError:
        pass
    os.killpg(0, signal.SIGKILL)
