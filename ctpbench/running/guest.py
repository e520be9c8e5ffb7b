"""The process that runs a component's code: it works on what it is handed, and what it says is checked by its host.

The kernel shuts it in before it imports the component. It is asked one thing at a time and answers by a socket, in
lines of JSON; arrays lie in files.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib import import_module

from ctpbench.running import messages
from ctpbench.running.faults import InvalidOutput, failure, invalid
from ctpbench.running.job import Job
from ctpbench.running.ready import heed_environment
from ctpbench.running.sandbox.enclosure import shut_in
from ctpbench.running.sandbox.porter import Place
from ctpbench.running.work import Outcome

_CHANNEL = 3


def live(place: Place, files: Sequence[int]) -> None:
    """Do what is asked for by the first of two files, one errand after the other, until it is closed.

    It is a socket; what is printed goes to the second.
    """
    channel, prints = files
    for standard in (1, 2):
        os.dup2(prints, standard)
    os.dup2(channel, _CHANNEL)
    os.closerange(_CHANNEL + 1, 2**16)
    sys.stdout, sys.stderr = (os.fdopen(file, "w", buffering=1, closefd=False) for file in (1, 2))
    faulthandler.enable(2)
    orders = messages.Orders(_CHANNEL)
    told = orders.next(messages.Invitation)
    if told is None:
        return
    os.environ.update(told.environment)
    heed_environment()
    tempfile.tempdir = None  # what was found before this process had its environment
    hold = shut_in(told.reach, place)
    if (home := told.home) is not None:
        os.chdir(home)
        os.environ.update(HOME=str(home), TMPDIR=str(home), XDG_CACHE_HOME=str(home / ".cache"))
    messages.send(_CHANNEL, messages.Ready(landlock=hold.landlock, namespaces=hold.namespaces))
    while (errand := orders.next(messages.Errand)) is not None:
        outcome = _attempt(errand, _CHANNEL, told.device, told.threads)
        sys.stdout.flush()
        sys.stderr.flush()
        messages.send(_CHANNEL, messages.Done(key=errand.key, outcome=_sendable(outcome)))


def _attempt(errand: messages.Errand, to: int, device: str, threads: int) -> Outcome:
    def progress(fraction: float, text: str) -> None:
        messages.send_progress(to, errand.key, fraction, text)

    job = Job(errand.inputs, errand.out, errand.scratch, errand.checkpoints, device, threads, progress)
    try:
        errands = import_module(f"ctpbench.running.errands.{errand.task.stage}")
        return Outcome(status="ok", info=errands.run(errand.task, job))
    except InvalidOutput as error:
        return invalid(error)
    except BaseException as error:  # sys.exit included: a method must not end the harness
        traceback.print_exc()
        return failure(error, errand.out, errand.scratch)


def _sendable(outcome: Outcome) -> Outcome:
    """Return an outcome that JSON can hold: a label of a score, say, may be an object or hold half a character."""
    try:
        outcome.model_dump_json()
    except ValueError as error:
        return failure(error)
    return outcome
