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

from ctpbench.public import HOME
from ctpbench.running import processes
from ctpbench.running.errands import answer, build, scores
from ctpbench.running.estimation import answer_from, answer_shape, estimate
from ctpbench.running.files import file_name, load_observation, save_arrays
from ctpbench.running.job import Job
from ctpbench.running.messages import Errand
from ctpbench.running.origin import versions_of
from ctpbench.running.stages import reference
from ctpbench.running.tiny import CASE, Level, Unchanged, save_case, spec_of
from ctpbench.running.warm_up import warm_up
from ctpbench.running.work import (
    STAGES,
    AnswerTask,
    BuildTask,
    Outcome,
    ReferenceTask,
    ScoresTask,
)
from ctpbench.settings import MapsSettings


def rehearse() -> None:
    """Take a tiny case from its data to its scores, in a folder that is removed."""
    for name in {*HOME.values(), "running.worker", *(f"running.stages.{stage}" for stage in STAGES)}:
        import_module(f"ctpbench.{name}")
    with tempfile.TemporaryDirectory() as folder:
        room, settings = Path(folder), MapsSettings()
        files = {"observation": "observation.npz", "truth": "truth.npz", "prediction": "answer.npz"}
        inputs = {f"{role}/{CASE}": room / name for role, name in files.items()}
        inputs[f"reference/{CASE}"] = room / file_name(CASE)
        job = Job(inputs, room, room, room, "cpu", 1, lambda fraction, text: None)
        method, metric = spec_of(Unchanged()), spec_of(Level())
        save_case(room)
        reference.run(ReferenceTask(cases=(CASE,), maps=settings, rois=True, quality=True), job)
        build.run(BuildTask(component=method), job)
        asked = AnswerTask(denoiser=method, case=CASE, seed=0, maps=settings)
        told = answer.run(asked, job)
        observation = load_observation(inputs[f"observation/{CASE}"])
        values = np.fromfile(room / answer.OUTPUT, np.float32).reshape(answer_shape("frames", observation))
        answered = answer_from("frames", values, observation, settings, denoise_s=told.denoise_s, diagnostics={})
        found = estimate(answered, observation, settings)
        save_arrays(room / files["prediction"], maps=found.maps, concentration=found.concentration)
        scale = {"cbf": 1.0, "cbv": 1.0}
        scored = scores.run(ScoresTask(metrics={"level": metric}, cases=(CASE,), maps=settings, scale=scale), job)
        Outcome.model_validate_json(Outcome(status="ok", info=scored).model_dump_json())
        errand = Errand(key="", task=asked, inputs=inputs, out=room, scratch=room, checkpoints=room)
        Errand.model_validate_json(errand.model_dump_json())
    warm_up()
    versions_of(method)
    processes.resident_bytes(os.getpid())


with suppress(Exception):  # where it fails here it fails at work, where it is an outcome
    rehearse()
gc.collect()
gc.freeze()  # what is there now is no garbage; looking through it takes longer than many an item
