"""Import a component and make it."""

from __future__ import annotations

from ctpbench.running.job import Job
from ctpbench.running.work import BuildInfo, BuildTask


def run(task: BuildTask, job: Job) -> BuildInfo:
    """Make the component; what is asked next finds it made."""
    job.build(task.component)
    return BuildInfo()
