"""The UNet against its convolutions one after another, and the copy of it that is in use."""

import pytest
import torch
from torch.nn.functional import conv2d, interpolate, max_pool2d, relu

from ctpbench_unet import SubspaceNoise2Noise
from ctpbench_unet.unet import Joining, UNet, _pooled, ready


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def repeated(joining, coarse, fine):
    """What a `Joining` computes, as it is said: each coarse feature repeated 2 x 2 times, beside the fine ones."""
    both = torch.cat([interpolate(coarse, scale_factor=2.0, mode="nearest"), fine], dim=1)
    return conv2d(both, joining.weight, joining.bias, padding=1)


@pytest.mark.parametrize("size", [(1, 1), (4, 6), (7, 3)])
def test_a_joining_convolution_is_one_of_repeated_features(size):
    rows, columns = size
    joining = Joining(6 + 4, 4, 3, padding=1)
    coarse, fine = noise(2, 6, rows, columns), noise(2, 4, 2 * rows, 2 * columns, seed=1)
    torch.testing.assert_close(joining(coarse, fine), repeated(joining, coarse, fine), rtol=1e-4, atol=1e-5)


def test_so_are_its_gradients():
    joining = Joining(3 + 2, 2, 3, padding=1)
    given = noise(1, 3, 4, 5).requires_grad_(), noise(1, 2, 8, 10, seed=1).requires_grad_()
    learnt = [*given, joining.weight, joining.bias]
    ours, plain = (
        torch.autograd.grad(way.square().sum(), learnt) for way in (joining(*given), repeated(joining, *given))
    )
    for one, expected in zip(ours, plain, strict=True):
        torch.testing.assert_close(one, expected, rtol=1e-4, atol=1e-3)


def test_the_network_is_what_its_convolutions_say_in_turn():
    unet = UNet(3, 2, 4, 3, torch.Generator().manual_seed(0))
    torch.nn.init.normal_(unet.last.weight, generator=torch.Generator().manual_seed(1))
    images = noise(2, 3, 12, 8)
    one = relu(unet.first(images))
    two = relu(unet.down[0](max_pool2d(one, 2)))
    three = relu(unet.down[1](max_pool2d(two, 2)))
    up = relu(repeated(unet.up[0], relu(repeated(unet.up[1], three, two)), one))
    torch.testing.assert_close(unet(images), unet.last(up), rtol=1e-4, atol=1e-5)


def test_the_largest_of_four_is_found_among_bits_as_among_numbers():
    features = noise(2, 3, 8, 6).relu().to(torch.bfloat16).to(memory_format=torch.channels_last)
    torch.testing.assert_close(_pooled(features), max_pool2d(features, 2), rtol=0, atol=0)


def test_weights_are_kept_as_ever():
    """Files of models hold them under these names and in these shapes."""
    shapes = {name: tuple(weights.shape) for name, weights in UNet(8, 4, 16, 3, torch.Generator()).state_dict().items()}
    assert shapes["up.0.weight"] == (16, 48, 3, 3)
    assert shapes["up.1.weight"] == (32, 96, 3, 3)
    assert list(shapes) == [
        f"{layer}.{part}"
        for layer in ("first", "down.0", "down.1", "up.0", "up.1", "last")
        for part in ("weight", "bias")
    ]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.1)])
def test_the_copy_in_use_answers_the_same_and_the_network_can_still_learn(dtype, tolerance):
    network = SubspaceNoise2Noise(width=4, depth=3, rank=2).architecture().network(1)
    torch.nn.init.normal_(network.unet.last.weight, generator=torch.Generator().manual_seed(0))
    images = noise(2, 6, 16, 8)
    answer = network(images)
    used = ready(network, "cpu", dtype)
    got = used(images)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, answer.detach(), rtol=0, atol=tolerance * float(answer.detach().abs().max()))
    assert not got.requires_grad
    answer.sum().backward()
    assert all(weights.dtype == torch.float32 and weights.grad is not None for weights in network.parameters())
