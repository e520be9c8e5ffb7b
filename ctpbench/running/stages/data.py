"""Have a data set load one case at one noise level."""

from __future__ import annotations

from ctpbench.running.errands import data
from ctpbench.running.hosted import HostedJob
from ctpbench.running.work import DataInfo, DataTask

ERRAND = data


def run(task: DataTask, job: HostedJob) -> DataInfo:
    """Keep ``observation.npz`` and, where the data set knows it, ``truth.npz``."""
    info, _ = job.ask(task, DataInfo)
    job.collect()
    return info
