from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from benchopt import BaseSolver


class Solver(BaseSolver):
    """Returns what it is given, a hundred times."""

    name = "leave"
    sampling_strategy = "run_once"
    parameters: ClassVar = {"seed": list(range(100))}

    def set_objective(self, frames: np.ndarray) -> None:
        self.frames = frames

    def run(self, _: Any) -> None:
        self.answer = self.frames.copy()

    def get_result(self) -> dict[str, Any]:
        return {"frames": self.answer}
