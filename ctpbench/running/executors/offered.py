"""The executors that ctpbench itself offers, by the hook that a stranger's come by."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from ctpbench.contract.executors import Executor
from ctpbench.contract.hookspecs import hookimpl
from ctpbench.settings import Settings

CLASSES = {
    "local": "distributed:LocalCluster",
    "htcondor": "dask_jobqueue:HTCondorCluster",
    "lsf": "dask_jobqueue:LSFCluster",
    "oar": "dask_jobqueue:OARCluster",
    "pbs": "dask_jobqueue:PBSCluster",
    "sge": "dask_jobqueue:SGECluster",
    "slurm": "dask_jobqueue:SLURMCluster",
}
"""Classes of clusters by their short names."""
_Count = Annotated[int, Field(ge=1)]


class Range(Settings):
    """So many workers at first, and more while work is waiting."""

    minimum: _Count = 1
    maximum: _Count

    @model_validator(mode="after")
    def _check_order(self) -> Range:
        if self.minimum > self.maximum:
            raise ValueError("allowed: minimum up to maximum")
        return self


class Local(Executor):
    """Processes of this machine, -j at a time."""

    name, version = "local", "1"


class Dask(Executor):
    """Workers of a Dask cluster: one that is there, or one that is made for the run and ended with it.

    It needs the extra: pip install 'ctpbench[dask]'.
    """

    name, version = "dask", "1"

    scheduler: str = Field("", description="Where a scheduler is, such as tcp://node1:8786; else a cluster is made.")
    cluster: str = Field("local", description=f"What is made: {', '.join(CLASSES)}, or a class as module:Class.")
    workers: _Count | Range | None = Field(
        None, description="How many are started; null: one, of local as many as -j says."
    )
    shared_disk: bool = Field(True, description="Whether to look if workers see the run's folder; else all travels.")
    options: dict[str, Any] = Field({}, description="Keyword arguments of the cluster's class.")
    wait_s: Annotated[float, Field(ge=0)] = Field(
        300.0, description="How long a scheduler that went away may take to come back, at the same address."
    )

    @field_validator("cluster")
    @classmethod
    def _check_class(cls, cluster: str) -> str:
        if ":" not in cluster and cluster not in CLASSES:
            raise ValueError(f"allowed: {', '.join(CLASSES)}, or any class as module:Class")
        return cluster


@hookimpl
def ctpbench_executors() -> list[type[Executor]]:
    """Return the processes of this machine, and those of a cluster."""
    return [Local, Dask]
