"""Have every case of a set denoised and compute its maps, not yet scaled."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ctpbench.contract.observation import Observation
from ctpbench.errors import DataError
from ctpbench.running.errands.answer import OUTPUT
from ctpbench.running.estimation import Answer, Estimate, answer_from, answer_shape, estimate
from ctpbench.running.files import file_name, load_observation, save_arrays, save_observation
from ctpbench.running.hosted import HostedJob
from ctpbench.running.origin import versions_of
from ctpbench.running.work import AnswerInfo, AnswerTask, PredictionInfo, PredictionTask


@dataclass(frozen=True)
class _Run:
    """One case denoised once: what the method returned, what its process says of that, and what comes of it."""

    answer: Answer
    info: AnswerInfo
    estimate: Estimate


def run(task: PredictionTask, job: HostedJob) -> PredictionInfo:
    """Write a file with maps and, where it is wanted, concentration of each case."""
    job.prepare(task.denoiser)
    answers: list[list[_Run]] = []
    for done, case in enumerate(task.cases):
        job.progress(done / len(task.cases), case)
        given = _given(case, task, job)
        observation = load_observation(given[f"observation/{case}"])
        if task.timed and done == 0:
            _denoised(case, observation, task, job, given)  # warm-up: compilation, caches, allocators
        times = task.repeats if task.timed else 1
        answers.append([_denoised(case, observation, task, job, given) for _ in range(times)])
        last = answers[-1][-1].estimate
        kept = last.concentration if task.keep_concentration else None
        save_arrays(job.out / file_name(case), maps=last.maps, concentration=kept)
    reported = [runs[-1].answer.diagnostics for runs in answers]
    last_info = answers[-1][-1].info
    info = PredictionInfo(
        denoise_s=[statistics.median(run.answer.denoise_s for run in runs) for runs in answers],
        own_denoise_s=[statistics.median(run.info.denoise_s for run in runs) for runs in answers],
        maps_s=[statistics.median(run.estimate.maps_s for run in runs) for runs in answers],
        diagnostics={name: [each.get(name) for each in reported] for name in sorted(set().union(*reported))},
        versions=versions_of(task.denoiser),
        device=job.device,
        threads=job.threads,
        **last_info.model_dump(include={"peak_memory_mib", "peak_device_memory_mib", "hardware"}),
    )
    return info.model_copy(update=job.held())


def _given(case: str, task: PredictionTask, job: HostedJob) -> dict[str, Path]:
    """Return what the method is handed for a case: its observation, and the model where it has learnt one.

    For the control alone the noiseless frames take the place of the noisy ones.
    """
    path = job.inputs[f"observation/{case}"]
    if task.noiseless:
        observation, truth = load_observation(path), job.truth(case)
        if truth is None or truth.frames is None:
            raise DataError(
                f"noiseless: {case}: the dataset knows no noiseless frames; leave this row out, or exclude it"
            )
        path = job.scratch / file_name(case)
        save_observation(Observation(observation.frames.copy(data=truth.frames.values)), path)
    model = {"model": job.inputs["model"]} if "model" in job.inputs else {}
    return {f"observation/{case}": path, **model}


def _denoised(
    case: str, observation: Observation, task: PredictionTask, job: HostedJob, given: Mapping[str, Path]
) -> _Run:
    asked = AnswerTask(denoiser=task.denoiser, case=case, seed=task.seed, maps=task.maps)
    info, seconds = job.ask(asked, AnswerInfo, given)
    values = job.array(OUTPUT, answer_shape(info.kind, observation))
    answer = answer_from(info.kind, values, observation, task.maps, denoise_s=seconds, diagnostics=info.diagnostics)
    return _Run(answer, info, estimate(answer, observation, task.maps))
