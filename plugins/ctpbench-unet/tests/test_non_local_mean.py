"""The non-local mean against its twin, and what it leaves alone."""

import numpy as np
import pytest
import torch

from ctpbench_unet.non_local_mean import SIGMA_PX, SIMILARITY, WINDOW_PX, by_torch, non_local_mean

from . import naive


def images_of(shape, seed=0):
    rng = np.random.default_rng(seed)
    tissue = rng.random(shape[1:]) < 0.8
    return torch.from_numpy((rng.normal(size=shape) * tissue).astype(np.float32)), torch.from_numpy(tissue).float()


def as_on_a_gpu(images, tissue, variance):
    return by_torch(images, tissue, 2 * variance * images.shape[-3], 1 / (2 * SIMILARITY**2 * variance))


EITHER_WAY = pytest.mark.parametrize("mean", [non_local_mean, as_on_a_gpu])


@EITHER_WAY
@pytest.mark.parametrize("shape", [(2, 19, 23), (3, 5, 20), (1, 1, 9), (4, 18, 2), (1, 1, 1), (5, 16, 17)])
def test_it_equals_its_twin(shape, mean):
    images, tissue = images_of(shape)
    got = mean(images, tissue, 0.2)
    expected = naive.non_local_mean(images.double().numpy(), tissue, 0.2, SIMILARITY, SIGMA_PX, WINDOW_PX)
    np.testing.assert_allclose(got, expected, atol=1e-5)


@EITHER_WAY
def test_of_several_slices_it_is_that_of_each(mean):
    images, tissue = (torch.stack(both) for both in zip(images_of((3, 20, 18)), images_of((3, 20, 18), 1), strict=True))
    got = mean(images, tissue, 0.2)
    for one, alone, inside in zip(got, images, tissue, strict=True):
        torch.testing.assert_close(one, mean(alone, inside, 0.2))


def test_threads_change_nothing():
    images, tissue = images_of((4, 40, 30))
    one = non_local_mean(images, tissue, 0.2)
    torch.set_num_threads(2)
    assert torch.equal(non_local_mean(images, tissue, 0.2), one)


@EITHER_WAY
def test_where_there_is_no_tissue_it_is_zero(mean):
    images, _ = images_of((2, 9, 9))
    assert not mean(images, torch.zeros(9, 9), 0.2).any()


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
