"""The terms of the loss on a batch, and the subimages of Neighbor2Neighbor."""

import numpy as np
import pytest
import torch
from torch import nn

from ctpbench_unet.objectives import Sampling, drawn, neighbor2neighbor, regression, sub_samplers
from ctpbench_unet.runtime import autocast
from ctpbench_unet.targets import from_adjacent_frames, from_clean, from_itself

from . import naive

SAMPLING = Sampling(batch=3, patch_px=16, near_peak=0.5)


class Answer(nn.Module):
    """Answers with the noisy concentration times a factor and something added, HU."""

    def __init__(self, factor=1.0, added_hu=0.0):
        super().__init__()
        self.factor, self.added_hu = factor, added_hu

    def forward(self, images):
        return self.factor * (images[:, :1] - images[:, 1:2]) + self.added_hu


def smooth_square(difference, mask):
    smooth = np.array([[naive.low_pass(image, 6.0)] for image in (difference * mask)[:, 0].numpy()])
    return naive.mean_square(smooth, mask)


@pytest.mark.parametrize("neighbours", [0, 2])
def test_the_terms_are_eqs_7_and_9(make_slice, make_network, neighbours):
    slices = [make_slice(seed=seed) for seed in range(2)]
    sampling = Sampling(3, 16, 0.5)
    maker = from_adjacent_frames(slices, ratio=False, neighbours=neighbours)
    network = make_network(context_frames=neighbours).requires_grad_(False)
    terms = regression(slices, maker, sampling)(network, np.random.default_rng(4))
    batch = drawn(slices, maker, sampling, np.random.default_rng(4))
    answer = network(batch.images)
    fit = naive.mean_square((answer - batch.target) / 25, batch.mask)
    assert float(terms.fit) == pytest.approx(fit, rel=1e-4)
    assert float(terms.bias) == pytest.approx(smooth_square((answer - batch.noisy) / 25, batch.mask), rel=1e-3)


def test_the_terms_of_supervised_learning_are_eqs_14_and_9(make_slice):
    slices = [make_slice()]
    maker = from_clean(slices)
    terms = regression(slices, maker, SAMPLING)(Answer(factor=0), np.random.default_rng(4))
    batch = drawn(slices, maker, SAMPLING, np.random.default_rng(4))
    assert float(terms.fit) == pytest.approx(naive.mean_square(batch.target / 25, batch.mask), rel=1e-4)
    assert float(terms.bias) == pytest.approx(smooth_square(batch.noisy / 25, batch.mask), rel=1e-3)


def test_the_bias_is_zero_for_the_noisy_concentration_and_large_for_an_offset(make_slice):
    slices = [make_slice((14, 48, 48))]
    objective = regression(slices, from_itself(slices), Sampling(3, 32, 0.5))
    checkerboard = 25.0 * torch.from_numpy(np.indices((32, 32)).sum(axis=0) % 2 * 2 - 1).float()
    faithful, offset, rough = (
        objective(Answer(added_hu=added), np.random.default_rng(0)) for added in (0.0, 25.0, checkerboard)
    )
    assert float(faithful.bias) < 1e-9
    assert 0.5 < float(offset.bias) <= 1
    assert float(rough.bias) < 1e-3
    assert float(offset.fit) == pytest.approx(1, rel=1e-4) == float(rough.fit)


def test_the_answer_counts_in_the_tissue_alone(make_slice):
    part = make_slice()
    objective = regression([part], from_adjacent_frames([part], ratio=False, neighbours=0), Sampling(2, None, 0))
    flips = torch.stack([part.solid.flip(axes) for axes in ((), (0,), (1,), (0, 1))])
    outside = 1e3 * (1 - flips.amax(dim=0))
    assert outside.any()
    terms, same, other = (objective(Answer(added_hu=added), np.random.default_rng(0)) for added in (0.0, outside, 1e3))
    assert (float(same.fit), float(same.bias)) == (float(terms.fit), float(terms.bias))
    assert float(other.fit) > float(terms.fit) + 1
    assert float(other.bias) > float(terms.bias) + 1


# -- Neighbor2Neighbor ---


def test_subimages_take_two_pixels_that_touch_from_each_cell():
    rows, columns = 10, 14
    first, second = sub_samplers((40, 1, rows, columns), np.random.default_rng(0), torch.device("cpu"))
    pixels = torch.arange(rows * columns).view(1, 1, rows, columns).expand(40, 2, -1, -1)
    taken = [np.divmod(take(pixels)[:, 0].numpy(), columns) for take in (first, second)]
    cells = np.indices((rows // 2, columns // 2))
    for y, x in taken:
        np.testing.assert_array_equal(y // 2, np.broadcast_to(cells[0], y.shape))
        np.testing.assert_array_equal(x // 2, np.broadcast_to(cells[1], x.shape))
    (y1, x1), (y2, x2) = taken
    np.testing.assert_array_equal(abs(y1 - y2) + abs(x1 - x2), 1)


def test_every_pixel_is_taken_by_either_subimage_alike():
    """8 ordered pairs to a cell, one as likely as the other."""
    first, second = sub_samplers((4000, 1, 2, 2), np.random.default_rng(0), torch.device("cpu"))
    pixels = torch.arange(4).view(1, 1, 2, 2).expand(4000, 1, 2, 2)
    pairs, counts = np.unique(
        [first(pixels).ravel().numpy(), second(pixels).ravel().numpy()], axis=1, return_counts=True
    )
    assert len(pairs.T) == 8
    assert 390 < counts.min() <= counts.max() < 610


def test_subimages_are_the_same_for_all_channels():
    first, second = sub_samplers((3, 1, 8, 8), np.random.default_rng(0), torch.device("cpu"))
    images = torch.randn(3, 1, 8, 8) + torch.tensor([0.0, 100.0, -7.0]).view(1, 3, 1, 1)
    for take in (first, second):
        taken = take(images)
        assert taken.shape == (3, 3, 4, 4)
        torch.testing.assert_close(taken[:, 1] - 100, taken[:, 0], rtol=0, atol=1e-4)
        torch.testing.assert_close(taken[:, 2] + 7, taken[:, 0], rtol=0, atol=1e-4)


def replayed(slices, maker, sampling=SAMPLING):
    """The batch and the subimages that the objective draws with seed 0."""
    rng = np.random.default_rng(0)
    batch = drawn(slices, maker, sampling, rng)
    return batch, *sub_samplers(batch.mask.shape, rng, torch.device("cpu"))


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_an_answer_of_nothing_misses_the_second_subimage(make_slice, gamma):
    slices = [make_slice()]
    maker = from_itself(slices)
    terms = neighbor2neighbor(slices, maker, SAMPLING, gamma)(Answer(factor=0), np.random.default_rng(0))
    batch, first, second = replayed(slices, maker)
    mask = first(batch.mask) * second(batch.mask)
    assert float(terms.fit) == pytest.approx((1 + gamma) * naive.mean_square(second(batch.noisy) / 25, mask), rel=1e-4)
    smooth = [[naive.low_pass(image, 3.0)] for image in (first(batch.noisy) / 25 * mask)[:, 0].numpy()]
    assert float(terms.bias) == pytest.approx(naive.mean_square(np.array(smooth), mask), rel=1e-3)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_the_regulariser_forgives_what_differs_in_the_answer_to_the_whole(make_slice, gamma):
    """A network that changes nothing differs from the second subimage as its answer to the whole does."""
    slices = [make_slice()]
    maker = from_itself(slices)
    terms = neighbor2neighbor(slices, maker, SAMPLING, gamma)(Answer(), np.random.default_rng(0))
    batch, first, second = replayed(slices, maker)
    mask = first(batch.mask) * second(batch.mask)
    expected = naive.mean_square((first(batch.noisy) - second(batch.noisy)) / 25, mask)
    assert float(terms.fit) == pytest.approx(expected, rel=1e-4)
    assert float(terms.bias) < 1e-9


def test_the_answer_to_the_whole_is_a_fixed_aim(make_slice):
    """No gradient goes through it."""
    slices, calls = [make_slice()], []

    def answer(images):
        calls.append((tuple(images.shape[-2:]), torch.is_grad_enabled()))
        return images[:, :1]

    neighbor2neighbor(slices, from_itself(slices), SAMPLING, 2.0)(answer, np.random.default_rng(0))
    assert sorted(calls) == [((8, 8), True), ((16, 16), False)]


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("objective", ["regression", "neighbor2neighbor"])
def test_all_weights_have_a_gradient(make_slice, make_network, precision, objective):
    """In bf16 too, after the answer to the whole image, which needs none."""
    slices = [make_slice()]
    maker = from_itself(slices)
    terms_of = (
        neighbor2neighbor(slices, maker, SAMPLING, 2.0)
        if objective == "neighbor2neighbor"
        else regression(slices, maker, SAMPLING)
    )
    network = make_network()

    def answer(images):
        with autocast("cpu", precision):
            return network(images)

    terms = terms_of(answer, np.random.default_rng(0))
    assert terms.fit.dtype == terms.bias.dtype == torch.float32
    (terms.fit + terms.bias).backward()
    assert all(weights.grad is not None and weights.grad.any() for weights in network.parameters())
