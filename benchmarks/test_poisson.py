"""The Poisson draw of a sinogram beside numpy's generator, both on one thread."""

from __future__ import annotations

import numpy as np
import pytest

from ctpbench_phantom.scanner.geometry import FanBeam
from ctpbench_phantom.scanner.poisson import poisson_counts
from ctpbench_phantom.scanner.projector import project

from .contest import Agreement, Peer
from .machine import Work

N0 = 2e5


@pytest.mark.parametrize("who", ["ours", "numpy"])
@pytest.mark.parametrize(("views", "detectors"), [(144, 96), (1152, 384)])
def test_poisson(contest, head, views, detectors, who):
    fan = FanBeam(views, detectors, pitch_mm=1.2858 * 384 / detectors)
    mean = (N0 * np.exp(-project(head(256)[:1], fan, 1.0)[0])).astype(np.float32)
    generator = np.random.default_rng(0)

    def departure(ours: np.ndarray, theirs: np.ndarray) -> float:
        """Largest departure of either's mean and variance from Poisson's, in standard errors."""
        scores = [(counts - np.float64(mean)) / np.sqrt(np.float64(mean)) for counts in (ours, theirs)]
        root = np.sqrt(mean.size)
        return max(max(abs(z.mean()) * root, abs((z**2).mean() - 1) * root / np.sqrt(2)) for z in scores)

    contest(
        who,
        task="Poisson draw",
        size=f"{views} views x {detectors}",
        ours=lambda: poisson_counts(generator, mean),
        peers={"numpy": Peer(lambda: generator.poisson(mean), Agreement(5.0, "standard errors", departure))},
        work=Work(8e-6 * mean.size, 0),
    )
