"""The least case, method and metric, which are of no plugin: what is rehearsed with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from ctpbench.contract.case import MAP_DIMS, MAPS, ScoredCase, Truth
from ctpbench.contract.components import Component, Context, FrameDenoiser, Metric
from ctpbench.contract.observation import Observation, check_observation
from ctpbench.running.files import save_observation, save_truth
from ctpbench.running.work import ComponentSpec

CASE = "case"


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


def observation() -> Observation:
    """Return the observation of the case."""
    times_s = np.arange(8.0)
    curve = np.maximum(times_s - 2, 0) * np.exp(-np.maximum(times_s - 2, 0))
    frames = (30 + np.ones((1, 4, 4)) * curve[:, None, None, None]).astype(np.float32)
    everywhere = np.ones(frames.shape[1:], dtype=bool)
    return Observation.of(
        frames, times_s=times_s, spacing_mm=(5, 1, 1), brain=everywhere, vessels=~everywhere, aif=100 * curve
    )


def save_case(room: Path) -> None:
    """Write the observation and the truth of the case."""
    observed = observation()
    check_observation(observed)
    like = observed.frames
    coords = {"map": list(MAPS), **{dim: like[dim] for dim in MAP_DIMS[1:]}}
    maps = xr.DataArray(np.ones((len(MAPS), *like.shape[1:])), dims=MAP_DIMS, coords=coords)
    save_observation(observed, room / "observation.npz")
    save_truth(Truth(maps=maps, frames=like.copy()), room / "truth.npz")


def spec_of(component: Component) -> ComponentSpec:
    """Return a component of this module as plain data; no code is hashed."""
    kind = type(component)
    names = {"module": kind.__module__, "qualname": kind.__qualname__, "name": kind.name, "version": kind.version}
    return ComponentSpec(**names, params=component.model_dump(mode="json"), code="", libraries={})
