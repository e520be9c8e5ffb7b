"""Fit a trainable denoiser on the training split and save what it learnt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast, overload

import numpy as np

from ctpbench import device
from ctpbench.contract.answers import check_frame_count, check_learning_curve
from ctpbench.contract.case import TrainingCase
from ctpbench.contract.components import Denoiser, Trainable
from ctpbench.errors import DataError
from ctpbench.running.faults import InvalidOutput
from ctpbench.running.job import Job
from ctpbench.running.record import Numbers
from ctpbench.running.work import ModelInfo, ModelTask


def run(task: ModelTask, job: Job) -> ModelInfo:
    """Write the model; return the seconds that `fit` took by this process's clock."""
    trainable = cast(Trainable, job.build(task.denoiser))
    training = TrainingView(job, task.cases, trainable)
    resumed = any(job.checkpoints.iterdir())
    clock = device.Stopwatch(job.device)
    fitted = trainable.fit(training, job.context(task.seed, trainable.name))
    fit_s = clock.seconds()
    learning = _learning(trainable, fitted)
    trainable.save(fitted, job.out)
    return ModelInfo(**dict(job.measured()), fit_s=fit_s, fit_resumed=resumed, learning=learning)


class TrainingView(Sequence[TrainingCase]):
    """The training split as a method may see it; loads one case at a time, clean frames only where it declares them."""

    def __init__(self, job: Job, cases: tuple[str, ...], learner: Trainable) -> None:
        self._job, self._cases, self._learner = job, cases, learner

    def __len__(self) -> int:
        return len(self._cases)

    @overload
    def __getitem__(self, index: int) -> TrainingCase: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[TrainingCase]: ...
    def __getitem__(self, index: int | slice) -> TrainingCase | Sequence[TrainingCase]:
        if isinstance(index, slice):
            return TrainingView(self._job, self._cases[index], self._learner)
        case = self._cases[index]
        observation, clean = self._job.observation(case), None
        check_frame_count(self._learner, observation.frames)
        if self._learner.learns_from == "clean":
            truth = self._job.truth(case)
            if truth is None or truth.frames is None:
                raise DataError(
                    f"case {case}: has no noiseless frames, which this method learns from; choose another dataset"
                )
            clean = truth.frames
        return TrainingCase(case, observation, clean)

    def __iter__(self) -> Iterator[TrainingCase]:
        return (self[i] for i in range(len(self)))


def thinned(curve: Mapping[str, Numbers], most: int = 500) -> dict[str, Numbers]:
    """Return a learning curve with at most so many numbers of each quantity, its first and last among them.

    Quantities may be logged at different steps, so each is thinned by itself; the steps that one needs alone
    are null in the others.
    """
    if len(curve["step"]) <= most:
        return dict(curve)
    kept: dict[str, set[int]] = {}
    for name, values in curve.items():
        if name != "step":
            known = [i for i, value in enumerate(values) if value is not None]
            evenly = np.linspace(0, len(known) - 1, min(most, len(known))).round().astype(int)
            kept[name] = {known[i] for i in evenly}
    rows = sorted(set().union(*kept.values()))
    return {name: [values[i] if i in kept.get(name, rows) else None for i in rows] for name, values in curve.items()}


def _learning(trainable: Trainable, fitted: Denoiser) -> dict[str, Numbers] | None:
    """Return what training logged, checked and short enough for a record."""
    curve = trainable.learning_curve(fitted)
    try:
        return None if curve is None else thinned(check_learning_curve(curve))
    except ValueError as error:
        raise InvalidOutput(str(error)) from None
