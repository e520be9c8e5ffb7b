"""Denoise one case, and leave what the method returned as plain numbers."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import cast

from ctpbench import device
from ctpbench.contract.components import Denoiser, Trainable
from ctpbench.running.estimation import answer_of
from ctpbench.running.job import Job
from ctpbench.running.work import AnswerInfo, AnswerTask

OUTPUT = "output.float32"
"""The file of the method's output: the values of a float32 array, one after the other."""


def run(task: AnswerTask, job: Job) -> AnswerInfo:
    """Write the output and say what it is."""
    denoiser = _denoiser(task, job)
    context = job.context(task.seed, denoiser.name, task.case)
    answer = answer_of(denoiser, job.observation(task.case), task.maps, context)
    answer.output.values.tofile(job.out / OUTPUT)
    return AnswerInfo(
        kind=answer.kind,
        denoise_s=answer.denoise_s,
        diagnostics=dict(answer.diagnostics),
        peak_memory_mib=job.measured().peak_memory_mib,
        peak_device_memory_mib=device.peak_memory_mib(job.device),
        hardware=device.hardware(job.device),
    )


def _denoiser(task: AnswerTask, job: Job) -> Denoiser:
    """Return the denoiser that is asked for; one that has learnt is loaded once in a process."""
    component = cast(Denoiser, job.build(task.denoiser))
    return _loaded(component, job.inputs["model"]) if isinstance(component, Trainable) else component


@cache
def _loaded(trainable: Trainable, model: Path) -> Denoiser:
    return trainable.load(model)
