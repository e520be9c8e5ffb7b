"""The worker: does batches of items, one after the other, and reports each by a pipe. No stranger's code runs in it.

What a component does is done by a guest, whom the kernel shuts in where it can. Whatever happens there becomes an
outcome. When the runner dies, so does the worker, and its guest with it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

from ctpbench.running import guest, messages, processes
from ctpbench.running.attempts import attempt
from ctpbench.running.host import Host
from ctpbench.running.lodging import Lodging
from ctpbench.running.log import Log
from ctpbench.running.sandbox.enclosure import Reach
from ctpbench.running.sandbox.namespaces import die_with_parent, die_with_writer
from ctpbench.running.sandbox.porter import Porter
from ctpbench.running.warm_up import warm_up
from ctpbench.running.work import Assignment, Outcome

_PROGRESS_EVERY_S = 0.05
_GROWN_BYTES = 2**25
"""By how much a worker may have grown and still be given the next batch: what one item takes is not another's."""


def main(pipe: Connection, device: str, threads: int) -> None:
    """Work on the batches that the pipe brings, and send messages of how it goes.

    A worker ends when it is asked for no more, and after a batch that left something behind: in its memory, or among
    the processes of the system.
    """
    os.setsid()  # a group of its own: whatever a method starts can be killed with it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    to = pipe.fileno()
    orders = messages.Orders(to)
    if sys.platform == "linux":
        die_with_parent()
        if (runner := multiprocessing.parent_process()) is not None:  # the parent is the server that forked this
            die_with_writer(runner.sentinel)
    ahead = warm_up if threads > 1 else None  # on a processor that idles while the guest before imports its method
    # The porter comes before anything is received: its copies are the guests.
    with Porter(guest.live, ahead) as porter, Lodging(porter, device, threads) as lodging:
        at_first = processes.resident_bytes(os.getpid())

        def may_stay() -> bool:
            return porter.leaves_nothing and processes.resident_bytes(os.getpid()) - at_first <= _GROWN_BYTES

        while (batch := orders.next(messages.Batch)) is not None:
            if sys.platform != "linux":
                threading.Thread(target=_die_with_parent, args=(to,), daemon=True).start()

            if not _work(batch, to, lodging, may_stay):
                break
    pipe.close()


def tell_hold(pipe: Connection) -> None:
    """Send how far the kernel holds a process here: see `messages.Ready`."""
    mine, theirs = socket.socketpair()
    with Porter(guest.live) as porter:
        porter.admit(theirs.fileno(), 2, network=False)
        theirs.close()
        told = messages.Invitation(reach=Reach(), environment={}, home=None, device="cpu", threads=1)
        messages.send_order(mine.fileno(), told)
        if (ready := messages.Orders(mine.fileno()).next(messages.Ready)) is not None:
            messages.send(pipe.fileno(), ready)


def _work(batch: messages.Batch, to: int, lodging: Lodging, may_stay: Callable[[], bool]) -> bool:
    """Do a batch, with one guest where none is lost; return whether to wait for the next one.

    With its last item it is told that the next one may come: what is left to clear up holds nobody up.
    """
    stays = False
    try:
        host = lodging.host(batch)
        for assignment in batch.assignments:
            messages.send(to, messages.Started(key=assignment.item.key))
            with Log(assignment.log) as log:
                outcome = _attempt(assignment, to, host, log)
            stays = assignment is batch.assignments[-1] and may_stay()
            done = messages.Done(key=assignment.item.key, outcome=outcome)
            messages.send(to, done, *([messages.Idle()] if stays else []))
    finally:
        lodging.end_batch()
    return stays


def _attempt(assignment: Assignment, to: int, host: Host, log: Log) -> Outcome:
    """Do one piece of work; scores that fail where others were taken before are taken anew in a fresh process."""
    spoke_s = 0.0

    def progress(fraction: float, text: str) -> None:
        nonlocal spoke_s
        if time.monotonic() - spoke_s > _PROGRESS_EVERY_S:
            spoke_s = time.monotonic()
            messages.send_progress(to, assignment.item.key, fraction, text)

    worked_before = host.guest is not None
    outcome = attempt(assignment, host, log, progress)
    if worked_before and assignment.item.stage == "scores" and not outcome.whole:
        host.dismiss()
        return attempt(assignment, host, log, progress)
    return outcome


def _die_with_parent(pipe: int) -> None:
    """Block on the pipe, to which the parent writes nothing more: it ends when the parent does."""
    try:
        while os.read(pipe, 1):
            pass
    except OSError:
        pass
    os.killpg(0, signal.SIGKILL)
