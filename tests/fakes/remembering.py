"""A method and a metric that remember what they have seen; the metric does as it likes from the second case on."""

from __future__ import annotations

import os
import subprocess
from typing import ClassVar, Literal

import numpy as np
import xarray as xr

from ctpbench import Context, FrameDenoiser, Metric, ScoredCase, hookimpl

_LEFT = 0o710


class Seen(FrameDenoiser):
    """Returns what it is given, and says how often its process was asked, and what its home held at first.

    There it leaves a file, and other rights than it found.
    """

    name, version = "seen", "1"
    _frames: ClassVar[list[float]] = []
    _found: ClassVar[list[int]] = []

    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        home = context.scratch
        self._frames.append(float(frames.sum()))
        self._found.append(len(list(home.iterdir())) + (home.stat().st_mode & 0o777 == _LEFT))
        (home / "left").write_text("x")
        home.chmod(_LEFT)
        return frames.copy().assign_attrs(diagnostics={"asked": len(self._frames), "found": self._found[0]})


class Remembering(Metric):
    """How many cases its process has scored, this one included; from the second on it does what `later` says."""

    name, version = "remembering", "1"
    better, units = "lower", "1"
    later: Literal["well", "raise", "exit", "leave", "grow"] = "well"
    _scored: ClassVar[list[str]] = []
    _eaten: ClassVar[list[object]] = []

    def score(self, case: ScoredCase) -> xr.DataArray:
        self._scored.append(case.id)
        if len(self._scored) > 1:
            match self.later:
                case "raise":
                    raise RuntimeError("it was asked before")
                case "exit":
                    os._exit(3)
                case "leave":
                    subprocess.Popen(["sleep", "60"])
                case "grow":
                    self._eaten.append(np.ones(2**24))  # 128 MiB
        return xr.DataArray(float(len(self._scored)))


@hookimpl
def ctpbench_denoisers() -> list[type[FrameDenoiser]]:
    """Return the method."""
    return [Seen]


@hookimpl
def ctpbench_metrics() -> list[type[Metric]]:
    """Return the metric."""
    return [Remembering]
