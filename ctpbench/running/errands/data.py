"""Load one case at one noise level and check it."""

from __future__ import annotations

from typing import cast

from ctpbench.contract.case import Case
from ctpbench.contract.components import Dataset
from ctpbench.contract.observation import check_observation
from ctpbench.errors import DataError
from ctpbench.running.files import save_observation, save_truth
from ctpbench.running.job import Job
from ctpbench.running.work import DataInfo, DataTask


def run(task: DataTask, job: Job) -> DataInfo:
    """Write ``observation.npz`` and, where the dataset knows it, ``truth.npz``."""
    dataset = cast(Dataset, job.build(task.dataset))
    if task.replicate and task.noise is not None:
        case = dataset.load_replicate(task.case, task.noise, task.replicate)
    else:
        case = dataset.load(task.case, task.noise)
    if not isinstance(case, Case) or case.id != task.case:
        raise DataError(f"dataset {dataset.name}: load({task.case!r}) returned {getattr(case, 'id', case)!r}")
    check_observation(case.observation)
    save_observation(case.observation, job.out / "observation.npz")
    if case.truth is not None:
        save_truth(case.truth, job.out / "truth.npz")
    return DataInfo(inspection=dict(case.inspection or {}))
