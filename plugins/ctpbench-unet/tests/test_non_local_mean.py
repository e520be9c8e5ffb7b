"""The non-local mean against its twin, and what it leaves alone."""

import numpy as np
import pytest
import torch

from ctpbench_unet.non_local_mean import SIGMA_PX, SIMILARITY, WINDOW_PX, non_local_mean

from . import naive


def images_of(shape, seed=0):
    rng = np.random.default_rng(seed)
    tissue = rng.random(shape[1:]) < 0.8
    return torch.from_numpy((rng.normal(size=shape) * tissue).astype(np.float32)), torch.from_numpy(tissue).float()


@pytest.mark.parametrize("shape", [(2, 19, 23), (3, 5, 20), (1, 1, 9), (4, 18, 2), (1, 1, 1)])
def test_it_equals_its_twin(shape):
    images, tissue = images_of(shape)
    got = non_local_mean(images, tissue, 0.2)
    expected = naive.non_local_mean(images.double().numpy(), tissue, 0.2, SIMILARITY, SIGMA_PX, WINDOW_PX)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_noise_is_averaged_and_an_edge_stays():
    rng = np.random.default_rng(0)
    clean = np.zeros((3, 40, 40), np.float32)
    clean[:, :, 20:] = 10
    noisy = torch.from_numpy(clean + rng.normal(0, 0.5, clean.shape).astype(np.float32))
    got = non_local_mean(noisy, torch.ones(40, 40), 0.25).numpy()
    assert np.std(got - clean) < 0.1 * 0.5 * 1.5
    assert abs((got - clean)[:, :, 19:21]).max() < 0.5


def test_a_constant_stays_and_nothing_is_written_outside():
    _, tissue = images_of((2, 12, 12))
    images = 7 * tissue.expand(2, -1, -1)
    torch.testing.assert_close(non_local_mean(images, tissue, 1.0), images)
