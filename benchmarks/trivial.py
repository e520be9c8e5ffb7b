"""The least plugin: a few voxels, a method that returns what it is given, a metric. What is left is the harness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ctpbench import Case, Context, Dataset, FrameDenoiser, Metric, Observation, ScoredCase, Split, Truth, hookimpl

if TYPE_CHECKING:
    import xarray as xr


class Voxels(Dataset):
    """A hundred voxels with noise."""

    name, version = "voxels", "1"

    def cases(self, split: Split) -> Sequence[str]:
        return ["one"] if split == "test" else []

    def load(self, case_id: str, noise: float | None) -> Case:
        times_s = np.arange(12.0)
        aif = 100 * np.maximum(times_s - 2, 0) * np.exp(-np.maximum(times_s - 2, 0) / 2)
        flow = 0.01 + 0.01 * np.random.default_rng(0).random((1, 10, 10))
        curve = np.convolve(aif, np.ones(6))[: len(times_s)]
        clean = (30 + curve[:, None, None, None] * flow).astype(np.float32)
        noisy = clean + np.random.default_rng(1).standard_normal(clean.shape, dtype=np.float32)
        brain = np.ones(flow.shape, dtype=bool)
        observation = Observation.of(noisy, times_s=times_s, spacing_mm=(5, 1, 1), brain=brain, vessels=~brain, aif=aif)
        return Case(case_id, observation, Truth(frames=observation.frames.copy(data=clean)))


class Leave(FrameDenoiser):
    """Returns what it is given."""

    name, version = "leave", "1"

    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        return frames.copy()


class Distance(Metric):
    """Mean absolute distance of each map from the noiseless one."""

    name, version = "distance", "1"
    better, units = "lower", "1"

    @property
    def needs(self) -> frozenset[str]:
        """The noiseless maps."""
        return frozenset({"noiseless"})

    def score(self, case: ScoredCase) -> xr.DataArray:
        return abs(case.maps - case.noiseless).mean(("z", "y", "x"))


@hookimpl
def ctpbench_datasets() -> list[type[Dataset]]:
    """Return the dataset."""
    return [Voxels]


@hookimpl
def ctpbench_denoisers() -> list[type[FrameDenoiser]]:
    """Return the method."""
    return [Leave]


@hookimpl
def ctpbench_metrics() -> list[type[Metric]]:
    """Return the metric."""
    return [Distance]
