"""Work as it is tried: whatever happens in it becomes an outcome."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from importlib import import_module

from ctpbench.running.faults import InvalidOutput, failure, invalid
from ctpbench.running.host import Host
from ctpbench.running.hosted import Failed, HostedJob
from ctpbench.running.log import Log
from ctpbench.running.work import Assignment, Outcome

Progress = Callable[[float, str], None]


def attempt(assignment: Assignment, host: Host, log: Log, progress: Progress) -> Outcome:
    """Do one piece of work, with a host that lets the component's code work."""
    item = assignment.item
    kept = assignment.checkpoints if item.stage == "model" else host.home
    places = (assignment.inputs, assignment.out, assignment.scratch, kept)
    job = HostedJob(*places, host.device, host.threads, progress, item.key, host, log)
    try:
        stage = import_module(f"ctpbench.running.stages.{item.stage}")
        return Outcome(status="ok", info=stage.run(item.task, job))
    except Failed as failed:
        return failed.outcome
    except InvalidOutput as error:
        return invalid(error)
    except Exception as error:
        log.write(traceback.format_exc().encode())
        return failure(error, assignment.out, assignment.scratch)
