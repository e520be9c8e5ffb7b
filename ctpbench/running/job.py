"""One piece of work while it is done: the places it may use, and what it is given to work with."""

from __future__ import annotations

import json
import resource
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, reduce
from importlib import import_module
from pathlib import Path
from typing import cast

import numpy as np

from ctpbench import device
from ctpbench.contract.case import Truth
from ctpbench.contract.components import Component, Context
from ctpbench.contract.observation import Observation
from ctpbench.running.files import load_observation, load_truth
from ctpbench.running.work import ComponentSpec, Measured


@dataclass(frozen=True)
class Job:
    """Where work is read from and written to, and what it may use."""

    inputs: Mapping[str, Path]
    out: Path
    scratch: Path
    checkpoints: Path
    device: str
    threads: int
    progress: Callable[[float, str], None]

    def observation(self, case: str) -> Observation:
        """Return a case's observation."""
        return load_observation(self.inputs[f"observation/{case}"])

    def truth(self, case: str) -> Truth | None:
        """Return a case's truth, None where the dataset knows none."""
        path = self.inputs[f"truth/{case}"]
        return load_truth(path) if path.exists() else None

    def build(self, spec: ComponentSpec) -> Component:
        """Import a component's class and make it, once in a process."""
        return _built(spec.module, spec.qualname, json.dumps(spec.params, sort_keys=True))

    def context(self, seed: int, *names: str) -> Context:
        """Return a context whose generator depends on the seed and the names alone."""
        entropy = [seed, *(zlib.crc32(name.encode()) for name in names)]
        rng = np.random.default_rng(entropy)
        return Context(self.device, self.threads, rng, self.scratch, self.checkpoints, self.progress)

    def measured(self) -> Measured:
        """Return what the process has taken so far, and on what."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        return Measured(
            peak_memory_mib=peak,
            peak_device_memory_mib=device.peak_memory_mib(self.device),
            device=self.device,
            threads=self.threads,
            hardware=device.hardware(self.device),
        )


@cache
def _built(module: str, qualname: str, params: str) -> Component:
    kind = reduce(getattr, qualname.split("."), import_module(module))
    return cast(type[Component], kind)(**json.loads(params))
