"""Have metrics score every case of a set."""

from __future__ import annotations

from ctpbench.running.errands import scores
from ctpbench.running.hosted import HostedJob
from ctpbench.running.work import ScoresInfo, ScoresTask

ERRAND = scores


def run(task: ScoresTask, job: HostedJob) -> ScoresInfo:
    """Return the scores of each metric, or how it failed."""
    info, _ = job.ask(task, ScoresInfo)
    return info
