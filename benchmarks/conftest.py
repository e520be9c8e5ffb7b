"""What the benchmarks share: a realistic scan, a head for the scanner, and the contest."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from ctpbench import Context, Observation

from .contest import THREADS, Contest

collect_ignore = ["table.py", "scale.py", "measures.py", "noop.py", "runs.py", "benchopt_peer"]  # programs of their own
FRAMES = 44  # of one slice, as in the paper's table of times
NOISE_HU = 7.4  # at N0 = 2e5


@pytest.fixture(scope="session")
def _agreed() -> dict[tuple[str, str], dict[str, str]]:
    return {}


@pytest.fixture
def contest(request: pytest.FixtureRequest, _agreed: dict[tuple[str, str], dict[str, str]]) -> Contest:
    """Time a kernel or a peer of it."""
    return Contest(request, _agreed)


@pytest.fixture
def context(request: pytest.FixtureRequest, tmp_path: Path) -> Context:
    """What the harness gives a method: the CPU with all its cores; one where nothing is timed, and others wait."""
    threads = THREADS if request.config.getoption("benchmark_enable") else 1
    return Context("cpu", threads, np.random.default_rng(0), tmp_path, tmp_path)


@pytest.fixture(scope="session")
def scan() -> Callable[[int], Observation]:
    """Return the scan of one slice of `size` x `size` pixels and 44 frames."""
    return cache(_scan)


@pytest.fixture(scope="session")
def head() -> Callable[[int], np.ndarray]:
    """Return images of a head's attenuation, (8, y, x), 1/mm, for the scanner."""
    return cache(_head)


def _scan(size: int) -> Observation:
    """One slice with smooth flow, a lesion, an artery and white noise; 40% of it is brain."""
    from ctpbench_phantom.aif import phantom_aif

    times_s = np.arange(FRAMES, dtype=float)
    aif = phantom_aif(times_s)
    y, x = np.mgrid[:size, :size] / (size - 1) - 0.5
    brain = (x / 0.32) ** 2 + (y / 0.4) ** 2 < 1
    vessels = np.hypot(x, y + 0.2) < 0.02
    lesion = ((x - 0.15) / 0.1) ** 2 + (y / 0.15) ** 2 < 1
    gray = np.sin(17 * x) * np.cos(13 * y) > 0
    frames = np.where(brain, np.where(gray, 35.0, 29.0), -1000.0) * np.ones((FRAMES, 1, 1))
    for where, cbf, mtt_s in ((gray & ~lesion, 53, 3.74), (~gray & ~lesion, 25, 4.56), (lesion, 16, 11.25)):
        curve = cbf / 6000 * np.convolve(aif, stats.gamma(10, scale=mtt_s / 10).sf(times_s))[:FRAMES]
        texture = 1 + 0.2 * np.sin(9 * x + 5 * y)
        frames += curve[:, None, None] * (texture * (where & brain))
    frames = np.where(vessels, 40 + aif[:, None, None], frames)
    frames += NOISE_HU * np.random.default_rng(size).standard_normal(frames.shape)
    return Observation.of(
        frames[:, None].astype(np.float32),
        times_s=times_s,
        spacing_mm=(5.0, 256 / size, 256 / size),
        brain=brain[None],
        vessels=vessels[None],
        aif=aif,
    )


def _head(size: int) -> np.ndarray:
    """Ellipses of skull, brain and ventricles; the brain's attenuation rises from image to image."""
    y, x = np.mgrid[:size, :size] / (size - 1) - 0.5
    skull = (x / 0.36) ** 2 + (y / 0.44) ** 2 < 1
    brain = (x / 0.32) ** 2 + (y / 0.4) ** 2 < 1
    ventricle = (np.abs(x) - 0.06) ** 2 / 0.03**2 + y**2 / 0.12**2 < 1
    image = 0.038 * skull - 0.0183 * brain - 0.0003 * ventricle
    return np.stack([image + 1e-5 * n * brain for n in range(8)]).astype(np.float32)
