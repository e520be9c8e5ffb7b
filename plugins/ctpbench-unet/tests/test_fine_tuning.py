"""Fine-tuning: a copy of the network learns on from the scan that it denoises, and from nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ctpbench import Observation, TrainingCase
from ctpbench_unet import SubspaceNoise2Noise
from ctpbench_unet.fitted import FittedSubspace

TIMES = np.arange(24.0)
SMALL = {"width": 8, "depth": 3, "rank": 2, "batch": 4, "patch_px": 16, "precision": "float32"}


def scan(peak_s, width_s, seed, noise_hu=8.0):
    """Noisy frames, (time, 1, y, x), and noiseless ones: the bolus is late, wide and high in stripes."""
    y, x = np.indices((40, 44))
    late = peak_s + 3 * (np.sin(x / 3) > 0)
    clean = 35 + (14 + 6 * np.cos(y / 4)) * np.exp(-((TIMES[:, None, None] - late) ** 2) / width_s**2)
    noise = np.random.default_rng(seed).normal(0, noise_hu, clean.shape)
    frames = Observation.of(
        (clean + noise).astype(np.float32)[:, None],
        times_s=TIMES,
        spacing_mm=(5, 1, 1),
        brain=np.ones((1, 40, 44), bool),
        vessels=np.zeros((1, 40, 44), bool),
        aif=100 * np.exp(-((TIMES - 6) ** 2) / 8),
    ).frames
    return frames, clean.astype(np.float32)[:, None]


@pytest.fixture
def trained(context):
    """A network that learnt from a short and early bolus."""
    training = [TrainingCase("other", Observation(scan(6, 2, seed=1)[0]), None)]
    return SubspaceNoise2Noise(**SMALL, steps=150).fit(training, context)


def with_tuning(trained, steps):
    use = SubspaceNoise2Noise(**SMALL, fine_tune_steps=steps, fine_tune_rate=5e-3).use()
    return FittedSubspace.of(trained._network, FittedSubspace.kind(**trained.architecture), {}, **use)


def fresh(context):
    return replace(context, rng=np.random.default_rng(5))


def test_it_mends_a_network_that_learnt_other_curves(trained, context):
    frames, clean = scan(11, 4, seed=2)
    plain, tuned = (
        np.std(with_tuning(trained, steps).denoise(frames, fresh(context)).values - clean) for steps in (0, 150)
    )
    assert tuned < 0.9 * plain


def test_the_trained_network_stays_and_each_scan_starts_from_it(trained, context):
    before = {name: weights.clone() for name, weights in trained._network.state_dict().items()}
    tuned = with_tuning(trained, 5)
    first = tuned.denoise(scan(11, 4, seed=2)[0], fresh(context))
    tuned.denoise(scan(9, 3, seed=3)[0], fresh(context))
    np.testing.assert_array_equal(tuned.denoise(scan(11, 4, seed=2)[0], fresh(context)), first)
    assert all(torch.equal(weights, before[name]) for name, weights in trained._network.state_dict().items())
    assert not list(context.checkpoints.iterdir())
    assert not list(context.scratch.iterdir())


def test_what_is_written_is_tuned_alike_when_read(trained, context, tmp_path):
    tuned, frames = with_tuning(trained, 4), scan(11, 4, seed=2)[0]
    folder = tmp_path / "model"
    folder.mkdir()
    tuned.write(folder)
    answer = FittedSubspace.read(folder).denoise(frames, fresh(context))
    np.testing.assert_array_equal(answer, tuned.denoise(frames, fresh(context)))
    assert np.abs(answer - with_tuning(trained, 0).denoise(frames, fresh(context))).max() > 0.01


def test_without_tissue_there_is_nothing_to_learn_from(trained, context):
    frames = scan(11, 4, seed=2)[0]
    frames = frames.assign_coords(vessels=frames["brain"])
    np.testing.assert_array_equal(with_tuning(trained, 3).denoise(frames, fresh(context)), frames)
