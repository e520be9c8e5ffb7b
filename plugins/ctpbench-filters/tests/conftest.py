"""Small scans to filter."""

import numpy as np
import pytest

from ctpbench import Context, Observation


@pytest.fixture
def context(tmp_path):
    return Context(device="cpu", threads=2, rng=np.random.default_rng(0), scratch=tmp_path, checkpoints=tmp_path)


@pytest.fixture
def make_frames():
    """Return a function that makes the read-only frames of a noisy scan with a bolus, bone, a vessel and a hole."""

    def make(shape=(9, 2, 13, 17), *, seed=0, aif_hu=200.0, noise_hu=5.0):
        rng = np.random.default_rng(seed)
        times_s = 1.5 * np.arange(shape[0])
        aif = aif_hu * np.exp(-((times_s - 4) ** 2) / 6)
        brain, vessels = np.zeros((2, *shape[1:]), bool)
        brain[:, 1:-1, 1:-2] = True
        brain[:, 4:6, 5] = False
        vessels[:, 6:8, 3:5] = True
        frames = rng.normal(35, noise_hu, shape) + 0.1 * np.roll(aif, 1)[:, None, None, None]
        frames[:, vessels] += aif[:, None]
        frames[:, ~brain] = 1000
        frames = frames.astype(np.float32)
        frames.setflags(write=False)
        return Observation.of(
            frames, times_s=times_s, spacing_mm=(5, 1, 1), brain=brain, vessels=vessels, aif=aif
        ).frames

    return make


@pytest.fixture
def tissue():
    """Return a function that gives the tissue of frames, bool, (z, y, x)."""
    return lambda frames: (frames["brain"] & ~frames["vessels"]).values
