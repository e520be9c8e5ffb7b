"""What every worker and guest would do for the first time, done once in the process that they are forked from.

To import this module is to do it: a tiny case goes through the stages, which imports what libraries put off until it is
used, and fills their caches. No plugin's code is run, and nothing stays on disk.
"""

from __future__ import annotations

import gc
import os
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import numpy as np
import xarray as xr

from ctpbench.contract.case import MAPS, ScoredCase, Truth
from ctpbench.contract.components import Component, Context, FrameDenoiser, Metric
from ctpbench.contract.observation import Observation, check_observation
from ctpbench.public import HOME
from ctpbench.running import processes
from ctpbench.running.errands import answer, build, scores
from ctpbench.running.estimation import answer_from, answer_shape, estimate
from ctpbench.running.files import file_name, load_observation, save_arrays, save_observation, save_truth
from ctpbench.running.job import Job
from ctpbench.running.messages import Errand
from ctpbench.running.origin import versions_of
from ctpbench.running.stages import reference
from ctpbench.running.work import (
    STAGES,
    AnswerTask,
    BuildTask,
    ComponentSpec,
    Outcome,
    ReferenceTask,
    ScoresTask,
)
from ctpbench.settings import MapsSettings

_CASE = "case"


class Unchanged(FrameDenoiser):
    """Returns what it is given."""

    name, version = "unchanged", "1"

    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        return frames.copy(data=frames.values)


class Level(Metric):
    """The mean of each map."""

    name, version = "level", "1"
    better, units = "lower", "1"

    def score(self, case: ScoredCase) -> xr.DataArray:
        return case.maps.mean(("z", "y", "x"))


def rehearse() -> None:
    """Take a tiny case from its data to its scores, in a folder that is removed."""
    for name in {*HOME.values(), "running.worker", *(f"running.stages.{stage}" for stage in STAGES)}:
        import_module(f"ctpbench.{name}")
    with tempfile.TemporaryDirectory() as folder:
        room, settings = Path(folder), MapsSettings()
        files = {"observation": "observation.npz", "truth": "truth.npz", "prediction": "answer.npz"}
        inputs = {f"{role}/{_CASE}": room / name for role, name in files.items()}
        inputs[f"reference/{_CASE}"] = room / file_name(_CASE)
        job = Job(inputs, room, room, room, "cpu", 1, lambda fraction, text: None)
        method, metric = _spec(Unchanged()), _spec(Level())
        _save_case(room)
        reference.run(ReferenceTask(cases=(_CASE,), maps=settings, rois=True, quality=True), job)
        build.run(BuildTask(component=method), job)
        asked = AnswerTask(denoiser=method, case=_CASE, seed=0, maps=settings)
        told = answer.run(asked, job)
        observation = load_observation(inputs[f"observation/{_CASE}"])
        values = np.fromfile(room / answer.OUTPUT, np.float32).reshape(answer_shape("frames", observation))
        answered = answer_from("frames", values, observation, settings, denoise_s=told.denoise_s, diagnostics={})
        found = estimate(answered, observation, settings)
        save_arrays(room / files["prediction"], maps=found.maps, concentration=found.concentration)
        scale = {"cbf": 1.0, "cbv": 1.0}
        scored = scores.run(ScoresTask(metrics={"level": metric}, cases=(_CASE,), maps=settings, scale=scale), job)
        Outcome.model_validate_json(Outcome(status="ok", info=scored).model_dump_json())
        errand = Errand(key="", task=asked, inputs=inputs, out=room, scratch=room, checkpoints=room)
        Errand.model_validate_json(errand.model_dump_json())
    versions_of(method)
    processes.resident_bytes(os.getpid())


def _save_case(room: Path) -> None:
    times_s = np.arange(8.0)
    curve = np.maximum(times_s - 2, 0) * np.exp(-np.maximum(times_s - 2, 0))
    frames = (30 + np.ones((1, 4, 4)) * curve[:, None, None, None]).astype(np.float32)
    everywhere = np.ones(frames.shape[1:], dtype=bool)
    observation = Observation.of(
        frames, times_s=times_s, spacing_mm=(5, 1, 1), brain=everywhere, vessels=~everywhere, aif=100 * curve
    )
    check_observation(observation)
    like = observation.frames
    coords = {"map": list(MAPS), **{dim: like[dim] for dim in ("z", "y", "x")}}
    maps = xr.DataArray(np.ones((len(MAPS), *everywhere.shape)), dims=("map", "z", "y", "x"), coords=coords)
    save_observation(observation, room / "observation.npz")
    save_truth(Truth(maps=maps, frames=like.copy()), room / "truth.npz")


def _spec(component: Component) -> ComponentSpec:
    kind = type(component)
    names = {"module": kind.__module__, "qualname": kind.__qualname__, "name": kind.name, "version": kind.version}
    return ComponentSpec(**names, params=component.model_dump(mode="json"), code="", libraries={})


with suppress(Exception):  # where it fails here it fails at work, where it is an outcome
    rehearse()
gc.collect()
gc.freeze()  # what is there now is no garbage; looking through it takes longer than many an item
