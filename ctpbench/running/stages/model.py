"""Have a trainable denoiser fitted on the training split, and note where the model comes from."""

from __future__ import annotations

import json

from ctpbench.contract.components import HARNESS_FILES
from ctpbench.errors import PluginError
from ctpbench.running.errands import model
from ctpbench.running.hosted import HostedJob
from ctpbench.running.origin import origin
from ctpbench.running.work import ModelInfo, ModelTask

ERRAND = model


def run(task: ModelTask, job: HostedJob) -> ModelInfo:
    """Keep the model, write ``training.json`` beside it; time it from the handing over of the data."""
    job.prepare(task.denoiser)
    info, fit_s = job.ask(task, ModelInfo)
    job.collect()
    if taken := [name for name in HARNESS_FILES if (job.out / name).exists()]:
        raise PluginError(f"{task.denoiser.name}: save wrote {taken[0]}, which the harness writes; choose another name")
    facts = task.model_dump(mode="json", include={"learns_from", "cases", "data", "seed"})
    about = origin(task.denoiser, **facts, device=job.device, threads=job.threads, hardware=info.hardware)
    (job.out / "training.json").write_text(json.dumps(about, indent=1))
    return info.model_copy(update={"fit_s": fit_s, "own_fit_s": info.fit_s, **job.held()})
