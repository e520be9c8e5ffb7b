"""What the network learns from: eqs 5, 6 and 15 against their twins, and noise that is independent."""

import numpy as np
import pytest
import torch

from ctpbench.testing import example_case
from ctpbench_unet.frames import n_channels
from ctpbench_unet.pairs import Place, draw
from ctpbench_unet.slices import Slice, slices_of
from ctpbench_unet.targets import from_adjacent_frames, from_clean, from_itself, kappa

from . import naive

EVERYWHERE = (slice(None), slice(None))
WINDOW = (slice(3, 11), slice(5, 21))
RATIO = pytest.mark.parametrize("ratio", [False, True])


@RATIO
def test_kappa_equals_its_twin(make_slice, ratio):
    part = make_slice()
    series, mask = part.frames.numpy(), part.solid.numpy() > 0
    expected = [1, *(naive.kappa(series, mask, t, ratio) for t in range(1, len(series) - 1)), 1]
    np.testing.assert_allclose(kappa(series * mask, ratio=ratio), expected, rtol=1e-6)
    assert len(set(expected)) == len(series) - 1


def test_kappa_is_the_least_squares_of_eq_6(make_slice):
    series = make_slice().frames.numpy().astype(np.float64)
    chosen = kappa(series, ratio=False)
    for t in range(1, len(series) - 1):
        mean = (series[t - 1] + series[t + 1]) / 2
        errors = [((factor * mean - series[t]) ** 2).sum() for factor in chosen[t] + np.array([-1e-3, 0, 1e-3])]
        assert np.argmin(errors) == 1


@RATIO
def test_kappa_follows_the_frame_and_not_the_unit(make_slice, ratio):
    series = make_slice().frames.numpy()
    brighter = series.copy()
    brighter[5] *= 3
    assert kappa(brighter, ratio=ratio)[5] == pytest.approx(3 * kappa(series, ratio=ratio)[5], rel=1e-5)
    np.testing.assert_allclose(kappa(series / 150, ratio=ratio), kappa(series, ratio=ratio), rtol=1e-5)


@RATIO
def test_kappa_corrects_nothing_where_frames_rise_evenly(ratio):
    series = np.arange(1, 8)[:, None, None] * np.random.default_rng(0).uniform(1, 2, (4, 5))
    np.testing.assert_allclose(kappa(series, ratio=ratio), 1)


@RATIO
def test_kappa_of_nothing_is_one(ratio):
    np.testing.assert_array_equal(kappa(np.zeros((5, 4, 4), np.float32), ratio=ratio), 1)


def test_noise_bends_least_squares_as_documented_and_the_ratio_not():
    """35 HU and noise of 7 HU: the adjacent frames' mean has a variance of 7^2/2, 2% of its square."""
    series = np.random.default_rng(0).normal(35, 7, (5, 200, 200)).astype(np.float32)
    np.testing.assert_allclose(kappa(series, ratio=False)[1:-1], 1 / (1 + 7**2 / 2 / 35**2), atol=2e-3)
    np.testing.assert_allclose(kappa(series), 1, atol=3e-3)


@RATIO
@pytest.mark.parametrize("early", [0, 1])
def test_the_target_is_eq_5_minus_the_other_early_frame(make_slice, early, ratio):
    part = make_slice()
    series, mask = part.frames.numpy(), part.solid.numpy() > 0
    maker = from_adjacent_frames([part], ratio=ratio, neighbours=0)
    for t in range(1, len(series) - 1):
        example = maker(Place(0, t, early, EVERYWHERE))
        np.testing.assert_allclose(
            example.target[0].numpy() * mask, naive.target(series, mask, t, early, ratio), atol=1e-4
        )


@pytest.mark.parametrize("early", [0, 1])
def test_the_target_of_a_patch_is_a_patch_of_the_target(make_slice, early):
    """Kappa is one number for the whole slice."""
    maker = from_adjacent_frames([make_slice()], ratio=False, neighbours=2)
    whole, patch = (maker(Place(0, 6, early, window)) for window in (EVERYWHERE, WINDOW))
    for name in ("images", "target", "noisy", "mask"):
        torch.testing.assert_close(getattr(patch, name), getattr(whole, name)[:, *WINDOW])


def test_each_slice_has_its_own_kappa_and_frames(make_slice):
    parts = [make_slice(seed=0), make_slice(seed=1, peak=5)]
    together = from_adjacent_frames(parts, ratio=False, neighbours=0)
    for number, part in enumerate(parts):
        alone = from_adjacent_frames([part], ratio=False, neighbours=0)
        got, expected = together(Place(number, 6, 0, EVERYWHERE)), alone(Place(0, 6, 0, EVERYWHERE))
        torch.testing.assert_close(got.target, expected.target)


@pytest.mark.parametrize("neighbours", [0, 2, 3])
@pytest.mark.parametrize("early", [0, 1])
def test_the_input_and_the_noisy_concentration(make_slice, neighbours, early):
    part = make_slice()
    series = part.frames.numpy()
    maker = from_adjacent_frames([part], ratio=False, neighbours=neighbours)
    for t in (1, 2, 3, 7, len(series) - 2):
        example = maker(Place(0, t, early, EVERYWHERE))
        np.testing.assert_array_equal(example.images, series[naive.channels_of(t, early, len(series), neighbours)])
        np.testing.assert_array_equal(example.noisy[0], series[t] - series[early])
        np.testing.assert_array_equal(example.mask[0], part.solid)
        assert example.images.shape[0] == n_channels(neighbours)


@pytest.mark.parametrize("early", [0, 1])
def test_the_supervised_target_is_eq_15(early):
    """The same for either early frame."""
    case = example_case(slices=1, rows=17, columns=22)
    moving = case.truth.frames + 3 * case.truth.frames["time"].astype(np.float32)  # so that the early frames differ
    (part,) = slices_of(case.observation.frames, multiple=4, clean=moving)
    inside, clean = case.observation.tissue[0][part.box], moving.values[:, 0, *part.box]
    rows, columns = inside.shape
    for t in range(1, len(clean) - 1):
        example = from_clean([part])(Place(0, t, early, EVERYWHERE))
        expected = np.where(inside, naive.noiseless(clean, t), 0)
        np.testing.assert_allclose(example.target[0, :rows, :columns], expected, atol=1e-5)
        np.testing.assert_array_equal(example.images, part.frames.numpy()[[t, early]])
        np.testing.assert_array_equal(example.noisy[0], part.frames[t] - part.frames[early])


def test_supervised_learning_demands_clean_frames(make_slice):
    noisy = make_slice()
    object.__setattr__(noisy, "clean", None)
    with pytest.raises(AssertionError):
        from_clean([noisy])(Place(0, 3, 0, EVERYWHERE))


def test_a_network_that_learns_from_single_images_has_the_noisy_concentration_as_target(make_slice):
    example = from_itself([make_slice()])(Place(0, 6, 1, WINDOW))
    assert torch.equal(example.target, example.noisy)


# -- independence, on pure noise ---

LIMIT = 0.02  # 5 standard deviations of the correlation of 256 x 256 pixels by chance


@pytest.fixture(scope="module")
def noise():
    series = np.random.default_rng(0).normal(35, 7, (12, 256, 256)).astype(np.float32)
    everywhere = torch.ones(256, 256)
    return Slice(0, EVERYWHERE, torch.from_numpy(series), everywhere, torch.from_numpy(series.mean(axis=0)), everywhere)


def drawn(noise):
    """Every frame and early frame that training draws."""
    places = draw([noise], np.random.default_rng(1), batch=600, patch_px=None, near_peak=0.5)
    return {(place.t, place.early) for place in places}


def correlations(images, target):
    """Of every channel with the target, and of the noisy concentration, where that is not zero."""
    inputs = [*images, images[0] - images[1]] if (images[0] != images[1]).any() else [*images]
    return abs(np.corrcoef(np.reshape([*inputs, target], (len(inputs) + 1, -1)))[-1, :-1])


@RATIO
@pytest.mark.parametrize("neighbours", [0, 2, 4])
def test_the_noise_of_the_input_is_independent_of_the_targets(noise, neighbours, ratio):
    moments = drawn(noise)
    assert len(moments) == 2 * 10 - 2
    maker = from_adjacent_frames([noise], ratio=ratio, neighbours=neighbours)
    for t, early in moments:
        example = maker(Place(0, t, early, EVERYWHERE))
        assert max(correlations(example.images.numpy(), example.target[0].numpy())) < LIMIT, (t, early)


@pytest.mark.parametrize(("t", "early"), [(1, 0), (2, 1)])
def test_it_is_not_in_the_two_terms_of_eq_7_that_are_left_out(noise, t, early):
    example = from_adjacent_frames([noise], ratio=False, neighbours=0)(Place(0, t, early, EVERYWHERE))
    assert max(correlations(example.images.numpy(), example.target[0].numpy())) > 10 * LIMIT


def test_it_would_not_be_with_one_early_frame_on_both_sides(noise):
    """The premise of eq. 4."""
    maker = from_adjacent_frames([noise], ratio=False, neighbours=0)
    for t, early in drawn(noise) - {(1, 1)}:
        example = maker(Place(0, t, early, EVERYWHERE))
        same = example.target[0] + noise.frames[naive.other(early)] - noise.frames[early]
        _, of_early, of_noisy = correlations(example.images.numpy(), same.numpy())
        assert min(of_early, of_noisy) > 10 * LIMIT, (t, early)
