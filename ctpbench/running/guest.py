"""The process that runs a component's code: it works on what it is handed, and what it says is checked by its host.

The kernel shuts it in before it imports the component. It is asked one thing at a time and answers by a socket, in
lines of JSON; arrays lie in files.
"""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from pathlib import Path

from ctpbench.running import messages
from ctpbench.running.estimation import InvalidOutput
from ctpbench.running.faults import failure, invalid
from ctpbench.running.job import Job
from ctpbench.running.sandbox.enclosure import Hold
from ctpbench.running.work import Outcome


def receive(channel: int, hold: Hold, home: Path | None, device: str, threads: int) -> None:
    """Do what is asked for by the channel, one errand after the other, until it is closed.

    `home` is the scratch folder that is its home; None where nothing is kept from it, and it stays where it is.
    """
    if home is not None:
        os.chdir(home)
        os.environ.update(HOME=str(home), TMPDIR=str(home), XDG_CACHE_HOME=str(home / ".cache"))
    messages.send(channel, messages.Ready(landlock=hold.landlock, namespaces=hold.namespaces))
    while (errand := messages.receive_errand(channel)) is not None:
        outcome = _attempt(errand, channel, device, threads)
        sys.stdout.flush()
        sys.stderr.flush()
        messages.send(channel, messages.Done(key=errand.key, outcome=_sendable(outcome)))


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
