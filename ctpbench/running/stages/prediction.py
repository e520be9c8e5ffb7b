"""Denoise every case of a set and compute its maps, not yet scaled."""

from __future__ import annotations

import statistics
from typing import cast

from ctpbench.contract.components import Denoiser, Trainable
from ctpbench.contract.control import is_noiseless
from ctpbench.contract.observation import Observation
from ctpbench.errors import DataError
from ctpbench.running.estimation import Estimate, estimate
from ctpbench.running.files import file_name, save_arrays
from ctpbench.running.job import Job, build
from ctpbench.running.origin import versions_of
from ctpbench.running.work import PredictionInfo, PredictionTask


def run(task: PredictionTask, job: Job) -> PredictionInfo:
    """Write a file with maps and, where it is wanted, concentration of each case."""
    component = cast(Denoiser, build(task.denoiser))
    denoiser = component.load(job.inputs["model"]) if isinstance(component, Trainable) else component

    def attempt(case: str) -> Estimate:
        observation = _noiseless(case, job) if is_noiseless(denoiser) else job.observation(case)
        return estimate(denoiser, observation, task.maps, job.context(task.seed, denoiser.name, case))

    if task.timed:
        attempt(task.cases[0])  # warm-up: compilation, caches, allocators
    answers = []
    for done, case in enumerate(task.cases):
        job.progress(done / len(task.cases), case)
        runs = [attempt(case) for _ in range(task.repeats if task.timed else 1)]
        kept = runs[-1].concentration if task.keep_concentration else None
        save_arrays(job.out / file_name(case), maps=runs[-1].maps, concentration=kept)
        denoise_s = statistics.median(run.denoise_s for run in runs)
        answers.append((denoise_s, statistics.median(run.maps_s for run in runs), runs[-1].diagnostics))
    names = sorted({name for *_, diagnostics in answers for name in diagnostics})
    return PredictionInfo(
        **dict(job.measured()),
        denoise_s=[denoise_s for denoise_s, _, _ in answers],
        maps_s=[maps_s for _, maps_s, _ in answers],
        diagnostics={name: [reported.get(name) for *_, reported in answers] for name in names},
        versions=versions_of(component),
    )


def _noiseless(case: str, job: Job) -> Observation:
    """Return a case's observation with the noiseless frames in it, for the control alone."""
    observation, truth = job.observation(case), job.truth(case)
    if truth is None or truth.frames is None:
        raise DataError(f"noiseless: {case}: the dataset knows no noiseless frames; leave this row out, or exclude it")
    return Observation(observation.frames.copy(data=truth.frames.values))
