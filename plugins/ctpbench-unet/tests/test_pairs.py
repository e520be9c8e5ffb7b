"""Batches: where examples are drawn from, and how they are put together."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from ctpbench_unet.pairs import Example, Place, batch_of, draw
from ctpbench_unet.targets import from_adjacent_frames

EVERYWHERE = (slice(None), slice(None))


def drawn(slices, *, seed=0, batch=40, patch_px=None, near_peak=0.5):
    rng = np.random.default_rng(seed)
    return draw(slices, rng, batch=batch, patch_px=patch_px, near_peak=near_peak)


@pytest.mark.parametrize("near_peak", [0.0, 0.25, 0.5, 1.0])
def test_a_share_comes_from_within_2_frames_of_the_peak(make_slice, near_peak):
    part = make_slice((62, 8, 8), peak=20, noise_hu=0)
    times = np.array([[place.t for place in drawn([part], seed=seed, near_peak=near_peak)] for seed in range(100)])
    near = abs(times - 20) <= 2
    promised = round(near_peak * 40)
    assert (near.sum(axis=1) >= promised).all()
    by_chance = (near.sum(axis=1) - promised).mean()  # of the rest, 5 of 60 frames
    assert by_chance == pytest.approx((40 - promised) * 5 / 60, abs=0.8)
    assert set(times[near]) == {18, 19, 20, 21, 22}


def test_the_rest_comes_from_all_frames_alike(make_slice):
    places = drawn([make_slice((14, 8, 8))], batch=4400, near_peak=0)
    moments, counts = np.unique([(place.t, place.early) for place in places], axis=0, return_counts=True)
    expected = {(t, early) for t in range(1, 13) for early in (0, 1)} - {(1, 0), (2, 1)}
    assert set(map(tuple, moments.tolist())) == expected
    assert 130 < counts.min() <= counts.max() < 280  # 200 each, and 5 standard deviations


@pytest.mark.parametrize(("peak", "expected"), [(0, {1, 2}), (1, {1, 2, 3}), (12, {10, 11, 12}), (13, {11, 12})])
def test_a_peak_near_an_end_has_fewer_frames(make_slice, peak, expected):
    part = make_slice((14, 8, 8), peak=peak, noise_hu=0)
    assert part.peak == peak
    assert {place.t for place in drawn([part], near_peak=1)} == expected


def test_each_slice_has_its_own_peak_and_all_slices_are_drawn(make_slice):
    slices = [make_slice((30, 8, 8), peak=peak, noise_hu=0) for peak in (5, 15, 25)]
    places = drawn(slices, near_peak=1)
    assert {place.part for place in places} == {0, 1, 2}
    assert all(abs(place.t - slices[place.part].peak) <= 2 for place in places)


def test_the_shortest_series_has_one_moment_to_draw(make_slice):
    part = make_slice((3, 8, 8), peak=2, noise_hu=0)
    assert {(place.t, place.early) for place in drawn([part])} == {(1, 1)}


@pytest.mark.parametrize("shape", [(5, 24, 32), (5, 16, 40), (5, 16, 16)])
def test_patches_lie_in_the_slice_and_hold_tissue(make_slice, shape):
    part = make_slice(shape)
    seen = torch.zeros(shape[1:])
    for place in drawn([part], batch=300, patch_px=16):
        rows, columns = place.window
        for side, size in zip((rows, columns), shape[1:], strict=True):
            assert 0 <= side.start < side.stop <= size
            assert side.stop - side.start == 16
        assert part.solid[rows, columns].any()
        seen[rows, columns] += 1
    assert (seen[part.solid > 0] > 0).all()


@pytest.mark.parametrize("pixel", [(0, 0), (0, 31), (23, 0), (23, 31), (11, 17)])
def test_a_patch_holds_the_tissue_wherever_it_is(make_slice, pixel):
    part = make_slice()
    mean = torch.zeros_like(part.mean)
    mean[pixel] = 35
    lone = replace(part, tissue=(mean > 0).float(), mean=mean)
    assert all(lone.solid[place.window].sum() == 1 for place in drawn([lone], patch_px=8))


def test_without_patches_the_window_is_the_slice(make_slice):
    assert all(place.window == EVERYWHERE for place in drawn([make_slice()]))


def numbered(place):
    """An example in which every pixel has its own number, the same in all images."""
    pixels = torch.arange(6.0 * 8).view(1, 6, 8)
    return Example(images=torch.cat([pixels, pixels + 100]), target=pixels, noisy=pixels, mask=pixels)


def test_flips_happen_along_both_axes_and_alike_for_all_images():
    batch = batch_of([Place(0, 1, 1, EVERYWHERE)] * 64, numbered, np.random.default_rng(0))
    original = numbered(None).target
    flips = [original.flip(axes) for axes in ((), (-1,), (-2,), (-2, -1))]
    counts = [sum(torch.equal(each, flip) for each in batch.target) for flip in flips]
    assert sum(counts) == 64
    assert min(counts) >= 6  # 16 each on average
    for other in (batch.noisy, batch.mask, batch.images[:, :1], batch.images[:, 1:] - 100):
        assert torch.equal(other, batch.target)


def test_without_a_generator_nothing_is_flipped():
    batch = batch_of([Place(0, 1, 1, EVERYWHERE)] * 8, numbered)
    for field in fields(Example):
        assert all(torch.equal(each, getattr(numbered(None), field.name)) for each in getattr(batch, field.name))


@pytest.mark.parametrize("flipped", [False, True])
def test_whole_slices_of_different_sizes_are_filled_up_outside_the_mask(make_slice, flipped):
    slices = [make_slice((9, 24, 32)), make_slice((9, 16, 40), seed=1), make_slice((9, 8, 8), seed=2)]
    maker = from_adjacent_frames(slices, ratio=False, neighbours=2)
    places = [Place(number, 6, 1, EVERYWHERE) for number in (0, 1, 2, 1)]
    batch = batch_of(places, maker, np.random.default_rng(3) if flipped else None)
    assert batch.images.shape == (4, 4, 24, 40)
    assert batch.target.shape == batch.noisy.shape == batch.mask.shape == (4, 1, 24, 40)
    for number, place in enumerate(places):
        example = maker(place)
        for field in fields(Example):
            got, expected = getattr(batch, field.name)[number], getattr(example, field.name)
            assert (got != 0).sum() == (expected != 0).sum()
            if not flipped:
                assert torch.equal(got[:, : expected.shape[1], : expected.shape[2]], expected)
            torch.testing.assert_close(got.double().sum(), expected.double().sum())


@pytest.mark.parametrize("patch_px", [None, 16])
def test_the_same_seed_draws_the_same_batch(make_slice, patch_px):
    slices = [make_slice(seed=seed) for seed in range(3)]
    maker = from_adjacent_frames(slices, ratio=False, neighbours=0)
    first, second, other = (
        batch_of(drawn(slices, seed=seed, patch_px=patch_px), maker, np.random.default_rng(seed)) for seed in (5, 5, 6)
    )
    for field in fields(Example):
        assert torch.equal(getattr(first, field.name), getattr(second, field.name))
    assert not torch.equal(first.images, other.images)
