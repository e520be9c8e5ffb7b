"""Have every case of a set denoised and compute its maps, not yet scaled."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
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
from ctpbench.settings import MapsSettings

_WARM: set[tuple[str, tuple[int, ...], str]] = set()
"""Of what answers maps were computed in this process, and how."""


@dataclass(frozen=True)
class _Took:
    """What one case took once, in seconds: numbers alone, for arrays of all cases would fill the memory."""

    denoise_s: float
    own_denoise_s: float
    maps_s: float


def run(task: PredictionTask, job: HostedJob) -> PredictionInfo:
    """Write files of each case, one for each way of computing maps: maps and, where it is wanted, concentration."""
    took: list[list[_Took]] = []
    reported: list[Mapping[str, float]] = []
    for done, (case, observation, given) in enumerate(_loaded(task, job)):
        job.progress(done / len(task.cases), case)
        if task.timed and done == 0:  # warm-up: compilation, caches, allocators
            answer, _ = _answered(case, observation, task, job, given, task.maps)
            _warm_up(answer, observation, task.maps)
        took.append([])
        for _ in range(task.repeats if task.timed else 1):
            answer, last_info, last = _denoised(case, observation, task, job, given)
            took[-1].append(_Took(answer.denoise_s, last_info.denoise_s, last.maps_s))
        reported.append(answer.diagnostics)
        _save(last, case, 0, task, job)
        for way, maps in enumerate(task.further, 1):
            if answer.kind == "residues":  # it deconvolved by itself, and was told which frames are the baseline
                _, _, last = _denoised(case, observation, task, job, given, maps)
            else:
                last = estimate(answer, observation, maps)
            _save(last, case, way, task, job)
    info = PredictionInfo(
        denoise_s=[statistics.median(run.denoise_s for run in runs) for runs in took],
        own_denoise_s=[statistics.median(run.own_denoise_s for run in runs) for runs in took],
        maps_s=[statistics.median(run.maps_s for run in runs) for runs in took],
        diagnostics={name: [each.get(name) for each in reported] for name in sorted(set().union(*reported))},
        versions=versions_of(task.denoiser),
        device=job.device,
        threads=job.threads,
        **last_info.model_dump(include={"peak_memory_mib", "peak_device_memory_mib", "hardware"}),
    )
    return info.model_copy(update=job.held())


def _loaded(task: PredictionTask, job: HostedJob) -> Iterator[tuple[str, Observation, dict[str, Path]]]:
    """Yield each case, its observation, and what the method is handed for it; load the first while that is made."""
    for number, case in enumerate(task.cases):
        with nullcontext() if number else job.preparing(task.denoiser):
            given = _given(case, task, job)
            observation = load_observation(given[f"observation/{case}"])
        yield case, observation, given


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
        job.scratch.mkdir(exist_ok=True)
        path = job.scratch / file_name(case)
        save_observation(Observation(observation.frames.copy(data=truth.frames.values)), path)
    model = {"model": job.inputs["model"]} if "model" in job.inputs else {}
    return {f"observation/{case}": path, **model}


def _denoised(
    case: str,
    observation: Observation,
    task: PredictionTask,
    job: HostedJob,
    given: Mapping[str, Path],
    maps: MapsSettings | None = None,
) -> tuple[Answer, AnswerInfo, Estimate]:
    """Return what the method returned for a case, what its process says of that, and the maps: of `maps` if given."""
    maps = maps or task.maps
    answer, info = _answered(case, observation, task, job, given, maps)
    return answer, info, estimate(answer, observation, maps)


def _answered(
    case: str,
    observation: Observation,
    task: PredictionTask,
    job: HostedJob,
    given: Mapping[str, Path],
    maps: MapsSettings,
) -> tuple[Answer, AnswerInfo]:
    asked = AnswerTask(denoiser=task.denoiser, case=case, seed=task.seed, maps=maps)
    info, seconds = job.ask(asked, AnswerInfo, given)
    values = job.array(OUTPUT, answer_shape(info.kind, observation))
    answer = answer_from(info.kind, values, observation, maps, denoise_s=seconds, diagnostics=info.diagnostics)
    return answer, info


def _warm_up(answer: Answer, observation: Observation, maps: MapsSettings) -> None:
    """Compute maps as they will be, unless this process has: it stays when the method's goes."""
    how = (answer.kind, answer.output.shape, maps.model_dump_json())
    if how not in _WARM:
        estimate(answer, observation, maps)
        _WARM.add(how)


def _save(estimate: Estimate, case: str, way: int, task: PredictionTask, job: HostedJob) -> None:
    path = job.out / file_name(case, way)
    path.parent.mkdir(exist_ok=True)
    save_arrays(path, maps=estimate.maps, concentration=estimate.concentration if task.keep_concentration else None)
