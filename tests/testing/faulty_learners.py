"""Sound trainable denoisers for the tests of the kit, and the faults that one of them can be given."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
from pydantic import PrivateAttr

from ctpbench import Trainable
from tests.testing.faulty_denoisers import COUNT_FAULTS, Fixed, Halve, refuse


class Mean(Trainable):
    """Remembers the mean of what it has seen: a trainable denoiser for tests."""

    name, version = "mean", "1"
    learns_from = "noisy"
    fault: str = ""
    _path: list[Path] = PrivateAttr(default_factory=list)
    _mean: list[float] = PrivateAttr(default_factory=list)

    @property
    def needs_frames(self):
        return COUNT_FAULTS.get(self.fault)

    def fit(self, training, context):
        total = context.rng.random()
        for case in training:
            if self.fault == "training_is_unchanged":
                case.observation.frames.attrs["seen"] = True
            if self.fault == "fits":
                total += float(case.clean.values.mean())
            total += float(case.observation.frames.values.mean())
        if self.fault == "fit_leaves_global_random_state":
            random.seed(0)
        if self.fault == "same_seed_same_fit":
            total += np.random.default_rng().random()
        if self.fault == "fitted_is_of_one_kind":
            return None
        return Fitted(mean=total / len(training), fault=self.fault.removeprefix("fitted_"))

    def save(self, fitted, folder):
        values = fitted.model_dump()
        if self.fault == "saves_and_loads":
            values["mean"] = round(values["mean"])
        if self.fault == "saves_and_loads/taken":
            (folder / "training.json").write_text("{}")
        (folder / "model.json").write_text(json.dumps(values))
        self._path.append(folder)
        self._mean.append(values["mean"])

    def load(self, folder):
        folder = self._path[0] if self.fault == "saves_and_loads/where_it_was" else folder
        values = json.loads((folder / "model.json").read_text())
        if self.fault == "saves_and_loads/forgets":
            values["mean"] = float(np.float32(values["mean"]) + 1)
        if self.fault == "saves_and_loads/remembers":
            values["mean"] = self._mean[-1] if self._mean else 0.0
        return Fitted(**values)

    def learning_curve(self, fitted):
        assert fitted.mean
        return CURVE_FAULTS.get(self.fault, {"step": [0, 100], "loss": np.array([2.5, np.nan])})


LEARNER_FAULTS = (
    "needs_frames_is_a_count",
    "fits",
    "training_is_unchanged",
    "fit_leaves_global_random_state",
    "same_seed_same_fit",
    "saves_and_loads",
    "saves_and_loads/forgets",
    "saves_and_loads/remembers",
    "saves_and_loads/where_it_was",
    "saves_and_loads/taken",
)
# Also what `check_learning_curve` refuses, and what it says.
CURVE_FAULTS = {
    "learning_curve_is_well_formed": {"loss": [1.0, 2.0]},
    "learning_curve_is_well_formed/none": [1.0, 2.0],
    "learning_curve_is_well_formed/lengths": {"step": [0, 1], "loss": [1.0]},
    "learning_curve_is_well_formed/step": {"step": [0, np.nan], "loss": [1.0, 2.0]},
    "learning_curve_is_well_formed/numbers": {"step": [0, 1], "loss": ["a", "b"]},
    "learning_curve_is_well_formed/nothing": {"step": [0, 1], "loss": [1.0, None]},
    "learning_curve_is_well_formed/number": {"step": [0], "loss": 1.0},
    "learning_curve_is_well_formed/truth": {"step": [0], "loss": [True]},
    "learning_curve_is_well_formed/name": {"step": [0], 1: [1.0]},
}


class Fitted(Halve):
    """What Mean has learnt."""

    mean: float

    def denoise(self, frames, context):
        output = super().denoise(frames, context)
        aliased = np.may_share_memory(output.values, frames.values)
        return output if aliased else output + np.float32(self.mean)


class CleanMean(Mean):
    """Remembers the mean of the clean frames."""

    name = "clean_mean"
    learns_from = "clean"

    def fit(self, training, context):
        return Fitted(mean=float(np.mean([case.clean.values.mean() for case in training])))


class FixedMean(Trainable):
    """Learns from scans of so many frames, and what it has learnt takes as many: a trainable denoiser for tests."""

    name, version = "fixed_mean", "1"
    learns_from = "noisy"
    frames: int = 9

    @property
    def needs_frames(self):
        return self.frames

    def fit(self, training, context):
        refuse(any(case.observation.frames.sizes["time"] != self.frames for case in training))
        return Fixed(frames=self.frames)

    def save(self, fitted, folder):
        (folder / "frames.json").write_text(json.dumps(fitted.frames))

    def load(self, folder):
        return Fixed(frames=json.loads((folder / "frames.json").read_text()))
