from __future__ import annotations

from typing import Any

import numpy as np
from benchopt import BaseDataset


class Dataset(BaseDataset):
    """A hundred voxels with noise."""

    name = "voxels"

    def get_data(self) -> dict[str, Any]:
        return {"frames": np.random.default_rng(1).standard_normal((12, 1, 10, 10), dtype=np.float32)}
