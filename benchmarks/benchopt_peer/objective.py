"""The trivial cells of `test_harness` for benchopt, which runs them in its own process."""

from __future__ import annotations

from typing import Any

import numpy as np
from benchopt import BaseObjective


class Objective(BaseObjective):
    """Mean absolute distance from the frames."""

    name = "distance"

    def set_data(self, frames: np.ndarray) -> None:
        self.frames = frames

    def get_objective(self) -> dict[str, Any]:
        return {"frames": self.frames}

    def evaluate_result(self, frames: np.ndarray) -> dict[str, float]:
        return {"value": float(abs(frames - self.frames).mean())}

    def get_one_result(self) -> dict[str, Any]:
        return {"frames": self.frames}
