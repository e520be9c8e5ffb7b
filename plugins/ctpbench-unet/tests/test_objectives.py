"""The terms of the loss on a batch, the subimages of Neighbor2Neighbor, the hidden pixels of Noise2Void."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ctpbench_unet.objectives import (
    Sampling,
    drawn,
    hide,
    neighbor2neighbor,
    noise2sim,
    noise2void,
    regression,
    sub_samplers,
)
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


# -- Noise2Void ---


def numbered(shape=(5, 2, 20, 24)):
    """Images whose pixels all have a value of their own, in all channels but for its sign, and a mask with a hole."""
    batch, channels, rows, columns = shape
    values = torch.arange(1.0, batch * rows * columns + 1).view(batch, 1, rows, columns)
    mask = torch.ones(batch, 1, rows, columns)
    mask[..., :3, :] = mask[..., 9:12, 10:14] = 0
    return torch.cat([values if channel % 2 == 0 else -values for channel in range(channels)], dim=1), mask


@pytest.mark.parametrize("reach_px", [1, 2, 5])
def test_a_hidden_pixel_takes_the_value_of_a_neighbor_in_the_tissue(reach_px):
    images, mask = numbered()
    replaced, hidden = hide(images, mask, 0.1, reach_px, np.random.default_rng(0))
    assert torch.equal((replaced != images).any(dim=1, keepdim=True).float(), hidden)
    assert (mask[hidden > 0] == 1).all()
    assert torch.equal(replaced[:, 0], -replaced[:, 1])
    number, _, y, x = np.nonzero(hidden.numpy())
    there = np.unravel_index(replaced[number, 0, y, x].long().numpy() - 1, mask[:, 0].shape)
    np.testing.assert_array_equal(there[0], number)
    assert (mask.numpy()[there[0], 0, there[1], there[2]] == 1).all()
    distances = np.maximum(abs(there[1] - y), abs(there[2] - x))
    assert (distances.min(), distances.max()) == (1, reach_px)


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_what_is_hidden_is_nowhere_in_the_images(share):
    """Nor is it what another hidden pixel was given: images that differ there alone become the same."""
    images, mask = numbered()
    replaced, hidden = hide(images, mask, share, 2, np.random.default_rng(0))
    assert not np.isin(images[:, :1][hidden > 0].numpy(), replaced[:, :1].numpy()).any()
    other = torch.where(hidden > 0, torch.tensor(-7.0), images)
    assert torch.equal(hide(other, mask, share, 2, np.random.default_rng(0))[0], replaced)


def test_about_as_many_pixels_are_hidden_as_asked_for_and_all_neighbors_serve_alike():
    images, mask = torch.arange(1.0, 40 * 64 * 64 + 1).view(40, 1, 64, 64), torch.ones(40, 1, 64, 64)
    replaced, hidden = hide(images, mask, 0.02, 1, np.random.default_rng(0))
    assert float(hidden.mean()) == pytest.approx(0.02, rel=0.1)
    steps, counts = np.unique((replaced - images)[hidden > 0].numpy(), return_counts=True)
    assert steps.tolist() == [-65, -64, -63, -1, 1, 63, 64, 65]
    assert 0.8 * counts.mean() < counts.min() <= counts.max() < 1.2 * counts.mean()


def voided(slices, network, hidden_share=0.1, maker=None):
    maker = maker or from_itself(slices)
    return noise2void(slices, maker, SAMPLING, hidden_share, 2)(network, np.random.default_rng(0))


def void_replayed(slices, hidden_share=0.1):
    """The batch, the images and the hidden pixels that the objective draws with seed 0."""
    rng = np.random.default_rng(0)
    batch = drawn(slices, from_itself(slices), SAMPLING, rng)
    return batch, *hide(batch.images, batch.mask, hidden_share, 2, rng)


def test_the_terms_are_those_of_hidden_pixels_and_of_eq_9(make_slice, make_network):
    slices = [make_slice(seed=seed) for seed in range(2)]
    network = make_network().requires_grad_(False)
    terms = voided(slices, network)
    batch, images, hidden = void_replayed(slices)
    answer = network(images)
    assert 0 < hidden.sum() < 0.15 * batch.mask.sum()
    assert float(terms.fit) == pytest.approx(naive.mean_square((answer - batch.noisy) / 25, hidden), rel=1e-4)
    assert float(terms.bias) == pytest.approx(smooth_square((answer - batch.noisy) / 25, batch.mask), rel=1e-3)


def test_the_target_of_a_pixel_that_is_seen_makes_no_difference(make_slice):
    slices, (batch, _, hidden) = [make_slice()], void_replayed([make_slice()])

    def missing_by(difference):
        return voided(slices, lambda images: batch.noisy + difference)

    nothing, seen, missed = map(missing_by, (0.0, 25 * (1 - hidden), 25 * hidden))
    assert float(nothing.fit) == float(seen.fit) == 0
    assert float(missed.fit) == pytest.approx(1)


# -- Noise2Sim ---


def test_the_terms_of_noise2sim_are_eqs_7_and_9_for_what_was_drawn(make_slice, make_network):
    slices, drawn_from = [make_slice(seed=seed) for seed in range(2)], []

    def maker(place, rng):
        example = from_itself(slices)(place)
        drawn_from.append(rng)
        return replace(example, target=example.target + float(rng.normal(0, 5)))

    network = make_network().requires_grad_(False)
    rng = np.random.default_rng(4)
    terms = noise2sim(slices, maker, SAMPLING)(network, rng)
    assert drawn_from == [rng] * SAMPLING.batch
    again = np.random.default_rng(4)
    batch = drawn(slices, lambda place: maker(place, again), SAMPLING, again)
    assert (batch.target != batch.noisy).any()
    answer = network(batch.images)
    assert float(terms.fit) == pytest.approx(naive.mean_square((answer - batch.target) / 25, batch.mask), rel=1e-4)
    assert float(terms.bias) == pytest.approx(smooth_square((answer - batch.noisy) / 25, batch.mask), rel=1e-3)


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
