"""Small, fast and misbehaving components for the tests of the harness, found like a stranger's by an entry point."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from ctpbench import (
    MAPS,
    Case,
    ConcentrationDenoiser,
    Context,
    DataError,
    Dataset,
    Deconvolver,
    FrameDenoiser,
    Metric,
    Observation,
    ScoredCase,
    Split,
    Trainable,
    TrainingCase,
    Truth,
    hookimpl,
)
from ctpbench.perfusion import circulant_matrix, deconvolve, perfusion_maps, subtract_baseline


class Toy(Dataset):
    """Smooth tissue curves in a small box, with white noise whose standard deviation is the noise level."""

    name, version = "toy", "1"
    size: Annotated[int, Field(ge=4)] = 10
    frames: Annotated[int, Field(ge=6)] = 12
    test_cases: Annotated[int, Field(ge=0)] = 2
    validation_cases: Annotated[int, Field(ge=0)] = 1
    train_cases: Annotated[int, Field(ge=0)] = 2
    broken_case: str = ""
    seed: int = 0

    def cases(self, split: Split) -> Sequence[str]:
        counts = {"train": self.train_cases, "validation": self.validation_cases, "test": self.test_cases}
        return [f"{split}/{i}" for i in range(counts[split])]

    def load(self, case_id: str, noise: float | None) -> Case:
        if case_id == self.broken_case:
            raise DataError(f"{case_id}.nii: truncated; copy it again")
        split, number = case_id.split("/")
        entropy = [self.seed, ["train", "validation", "test"].index(split), int(number)]
        times_s = np.arange(self.frames, dtype=float)
        aif = 100 * np.maximum(times_s - 2, 0) * np.exp(-np.maximum(times_s - 2, 0) / 2)
        y, x = np.mgrid[: self.size, : self.size] / self.size
        flow = 0.02 * (1.5 + np.sin(6 * x + entropy[2]) * np.cos(4 * y))
        curve = circulant_matrix(aif, 1.0)[: self.frames, :6].sum(axis=1)
        clean = (30 + curve[:, None, None, None] * flow[None, None]).astype(np.float32)
        rng = np.random.default_rng([*entropy, int(1000 * (noise or 0))])
        noisy = clean + np.float32(noise or 0) * rng.standard_normal(clean.shape, dtype=np.float32)
        everywhere = np.ones(clean.shape[1:], dtype=bool)
        observation = Observation.of(
            noisy,
            times_s=times_s,
            spacing_mm=(5, 1, 1),
            brain=everywhere,
            vessels=~everywhere,
            aif=aif,
        )
        maps = perfusion_maps(subtract_baseline(clean), aif, 1.0)
        like = observation.frames
        true = xr.DataArray(
            np.stack([maps[name] for name in MAPS]),
            dims=("map", "z", "y", "x"),
            coords={"map": list(MAPS), **{dim: like[dim] for dim in ("z", "y", "x")}},
        )
        return Case(case_id, observation, Truth(maps=true, frames=like.copy(data=clean)))


class Leave(FrameDenoiser):
    """Returns what it is given, perhaps after a while."""

    name, version = "leave", "1"
    wait_s: Annotated[float, Field(ge=0)] = 0.0

    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        time.sleep(self.wait_s)
        return frames.copy(data=frames.values)


class Shrink(FrameDenoiser):
    """Pulls every frame towards its spatial mean: best somewhere between 0 and 1."""

    name, version = "shrink", "1"
    weight: Annotated[float, Field(ge=0, le=1)] = 0.5

    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        mean = frames.values.mean(axis=(2, 3), keepdims=True)
        return frames.copy(data=(1 - np.float32(self.weight)) * frames.values + np.float32(self.weight) * mean)


class Tally(FrameDenoiser):
    """Counts its calls in a file, so that a test sees what was computed again."""

    name, version = "tally", "1"
    file: Path
    amount: float = 1.0
    wait_s: float = 0.0

    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        with self.file.open("a") as counted:
            counted.write(f"{self.amount} {frames.values.sum()}\n")
        time.sleep(self.wait_s)
        return frames.copy(data=frames.values * np.float32(self.amount))


class Jitter(FrameDenoiser):
    """Adds a little noise of its own from the generator it is lent."""

    name, version = "jitter", "1"

    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        return frames.copy(data=frames.values + context.rng.standard_normal(frames.shape, dtype=np.float32))


class Concentrate(ConcentrationDenoiser):
    """Subtracts the mean of the first two frames itself."""

    name, version = "concentrate", "1"

    def concentration(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        return frames.copy(data=subtract_baseline(frames.values))


class Unfold(Deconvolver):
    """Deconvolves as the core does, and reports a number of its own."""

    name, version = "unfold", "1"

    def deconvolve(self, concentration: xr.DataArray, context: Context) -> xr.DataArray:
        residues = deconvolve(concentration.values, concentration["aif"].values, 1.0)
        array = xr.DataArray(residues, dims=("lag", "z", "y", "x"))
        return array.assign_attrs(diagnostics={"iterations": 3})


class Learnt(FrameDenoiser):
    """What `Learn` returns: subtracts a bias."""

    name, version = "learnt", "1"
    bias: float

    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        return frames.copy(data=frames.values - np.float32(self.bias))


class Learn(Trainable):
    """Learns the mean of the training frames; complains where it is given what it did not declare."""

    name, version = "learn", "1"
    learns_from: ClassVar[Literal["noisy", "clean"]] = "noisy"
    factor: float = 0.0
    levels: Literal["own", "all"] = "own"

    @property
    def all_levels(self) -> bool:
        return self.levels == "all"

    def fit(self, training: Sequence[TrainingCase], context: Context) -> Learnt:
        wants_clean = self.learns_from == "clean"
        for case in training:
            if (case.clean is not None) != wants_clean:
                raise AssertionError(f"{case.id}: clean frames given: {case.clean is not None}")
        source = [case.clean if wants_clean else case.observation.frames for case in training]
        mean = float(np.mean([frames.values.mean() for frames in source if frames is not None]))
        print(f"learnt a mean of {mean:.3f}")
        return Learnt(bias=self.factor * mean)

    def save(self, fitted: Learnt, folder: Path) -> None:
        (folder / "bias.json").write_text(json.dumps(fitted.bias))

    def load(self, folder: Path) -> Learnt:
        return Learnt(bias=json.loads((folder / "bias.json").read_text()))


class LearnClean(Learn):
    """The same, from clean frames."""

    name, version = "learn-clean", "1"
    learns_from: ClassVar[Literal["noisy", "clean"]] = "clean"


class Train(Learn):
    """Learns epoch by epoch, on from its last checkpoint, and notes each; a first attempt may end in the middle."""

    name, version = "train", "1"
    file: Path
    ends: Literal["well", "hang", "raise", "crash"] = "well"

    def fit(self, training: Sequence[TrainingCase], context: Context) -> Learnt:
        checkpoint = context.checkpoints / "epoch.txt"
        started = int(checkpoint.read_text()) if checkpoint.exists() else 0
        for epoch in range(started, 4):
            checkpoint.write_text(str(epoch + 1))
            with self.file.open("a") as noted:
                noted.write(f"{epoch}\n")
            if epoch == 1 and self.ends == "hang":
                time.sleep(600)
            elif epoch == 1 and self.ends == "raise":
                raise ZeroDivisionError("on purpose")
            elif epoch == 1 and self.ends == "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
        return super().fit(training, context)

    def learning_curve(self, fitted: Learnt) -> Mapping[str, Sequence[float]]:
        return {"step": [0, 1, 2, 3], "loss": [8.0, 4.0, 2.0, 1.0], "bias": [0.5, float("nan"), -0.5, float("inf")]}


class Misbehave(FrameDenoiser):
    """Does what a denoiser should not."""

    name, version = "misbehave", "1"
    how: Literal["raise", "sleep", "eat", "signal", "nan", "shape", "exit", "float64", "grandchild"]

    def denoise(self, frames: xr.DataArray, context: Context) -> xr.DataArray:
        match self.how:
            case "raise":
                raise ZeroDivisionError("on purpose")
            case "sleep":
                time.sleep(600)
            case "eat":
                eaten = [np.ones(2**24) for _ in range(40)]
                time.sleep(600)
                del eaten
            case "signal":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "exit":
                os._exit(7)
            case "shape":
                return frames.isel(y=slice(1, None))
            case "float64":
                return frames.astype(np.float64)
            case "grandchild":
                if os.fork() == 0:
                    time.sleep(600)
                time.sleep(600)
        return frames.copy(data=np.full(frames.shape, np.nan, dtype=np.float32))


class Error(Metric):
    """Root mean square error of each map against the noiseless maps."""

    name, version = "error", "1"
    better, units = "lower", "map"
    scale: float = 1.0

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"noiseless"})

    def score(self, case: ScoredCase) -> xr.DataArray:
        assert case.noiseless is not None
        return self.scale * np.sqrt(((case.maps - case.noiseless) ** 2).mean(("z", "y", "x")))


class FrameError(Metric):
    """Root mean square error of the concentration at each time."""

    name, version = "frame-error", "1"
    better, units = "lower", "HU"

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"concentration", "noiseless_concentration"})

    def score(self, case: ScoredCase) -> xr.DataArray:
        return np.sqrt(((case.concentration - case.noiseless_concentration) ** 2).mean(("z", "y", "x")))


@hookimpl
def ctpbench_datasets() -> list[type[Dataset]]:
    return [Toy]


@hookimpl
def ctpbench_denoisers() -> list[type]:
    return [Leave, Shrink, Tally, Jitter, Concentrate, Unfold, Learn, LearnClean, Train, Misbehave]


@hookimpl
def ctpbench_metrics() -> list[type[Metric]]:
    return [Error, FrameError]


@hookimpl
def ctpbench_cell_finished(record: Mapping[str, Any]) -> None:
    """Log to the file that a test names; "raise" stands for a logger that is broken."""
    place = os.environ.get("CTPBENCH_FAKES_LOG", "")
    if place == "raise":
        raise ConnectionError("the logger's server is gone")
    if place:
        with Path(place).open("a") as log:
            log.write(f"{record['config']} {record['status']}\n")
