"""Slices of a series: what of it they hold, and where that lies."""

import numpy as np
import pytest
import torch

from ctpbench import Observation
from ctpbench.testing import ExampleTraining, example_case
from ctpbench_unet import Noise2Noise
from ctpbench_unet.slices import slices_of, training_slices

from . import naive

MULTIPLES = pytest.mark.parametrize(("multiple", "least_px"), [(1, 1), (4, 1), (8, 30), (2, 16)])


def tissue_of(frames):
    return Observation(frames).tissue


def whole(part, name, shape):
    """The slice's array at its place in an image, zero around it."""
    values = getattr(part, name).numpy()
    rows, columns = (axis.stop - axis.start for axis in part.box)
    image = np.zeros((*values.shape[:-2], *shape), values.dtype)
    image[..., *part.box] = values[..., :rows, :columns]
    return image


@MULTIPLES
def test_it_holds_the_tissue_and_zeros(multiple, least_px):
    case = example_case(slices=2, rows=19, columns=21)
    frames, tissue = case.observation.frames, case.observation.tissue
    moving = case.truth.frames + 3 * frames["time"].astype(np.float32)  # so that the early frames differ
    for part in slices_of(frames, multiple=multiple, least_px=least_px, clean=moving):
        inside = tissue[part.z]
        np.testing.assert_array_equal(whole(part, "tissue", inside.shape), inside)
        np.testing.assert_array_equal(whole(part, "frames", inside.shape), frames.values[:, part.z] * inside)
        clean = moving.values[:, part.z]
        for t in range(len(clean)):
            expected = np.where(inside, clean[t], 0)
            np.testing.assert_allclose(whole(part, "clean", inside.shape)[t], expected, atol=1e-5)
        assert part.frames.dtype == part.tissue.dtype == part.clean.dtype == torch.float32


@MULTIPLES
def test_its_size_is_the_smallest_that_serves(multiple, least_px):
    frames = example_case(rows=19, columns=21).observation.frames
    for part in slices_of(frames, multiple=multiple, least_px=least_px):
        for size, held in zip(part.tissue.shape, part.box, strict=True):
            needed = max(held.stop - held.start, least_px)
            assert size % multiple == 0
            assert needed <= size < needed + multiple
        assert (part.tissue.numpy() > 0).sum() == tissue_of(frames)[part.z].sum()
        for name in ("frames", "tissue"):  # nothing lies behind the box
            assert whole(part, name, (19, 21)).sum() == getattr(part, name).numpy().sum()


def test_its_box_is_tight():
    frames = example_case(rows=19, columns=21).observation.frames
    for part in slices_of(frames, multiple=4):
        inside = tissue_of(frames)[part.z][part.box]
        assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))


def test_slices_without_tissue_are_left_out():
    frames = example_case(slices=3).observation.frames
    without = frames.copy(deep=True)
    without["brain"][1] = False
    assert [part.z for part in slices_of(frames, multiple=4)] == [0, 1, 2]
    assert [part.z for part in slices_of(without, multiple=4)] == [0, 2]


def test_it_has_its_own_memory():
    frames = example_case().observation.frames  # read-only
    part = slices_of(frames, multiple=1)[0]
    before = frames.values.copy()
    part.frames.add_(1)
    np.testing.assert_array_equal(frames.values, before)


def test_the_peak_is_that_of_the_tissue():
    """Eq. 11: an artery, which is no tissue, peaks elsewhere and does not count."""
    frames = example_case(slices=1).observation.frames.copy(deep=True)
    tissue = tissue_of(frames)[0]
    frames.values[20, 0, ~tissue] += 1e6
    (part,) = slices_of(frames, multiple=4)
    assert part.peak == naive.peak(frames.values[:, 0], tissue) != 20


def test_places_are_the_pixels_that_are_learnt_from(make_slice):
    part = make_slice()
    assert set(map(tuple, part.places)) == set(zip(*np.nonzero(part.solid.numpy()), strict=True))


def test_moved_to_a_device_it_is_the_same(make_slice):
    part = make_slice()
    there = part.to("cpu")
    assert (there.z, there.box, there.peak) == (part.z, part.box, part.peak)
    for name in ("frames", "tissue", "solid", "clean", "places"):
        np.testing.assert_array_equal(getattr(there, name), getattr(part, name))


def test_training_slices_come_from_all_cases_with_clean_frames_where_given():
    for clean in (False, True):
        training = ExampleTraining(clean=clean)
        parts = training_slices(training, multiple=4, least_px=16)
        assert [part.z for part in parts] == [0, 1] * len(training)
        assert all((part.clean is not None) == clean for part in parts)
        for part, number in zip(parts, np.repeat(range(len(training)), 2), strict=True):
            frames = training[int(number)].observation.frames
            inside = tissue_of(frames)[part.z]
            np.testing.assert_array_equal(whole(part, "frames", inside.shape), frames.values[:, part.z] * inside)


def test_an_epoch_has_all_frames_but_the_first_and_the_last(make_slice):
    assert Noise2Noise().images_in([make_slice((14, 24, 32)), make_slice((5, 24, 32))]) == 12 + 3


def test_fluid_is_shown_to_the_networks_and_not_learnt_from():
    frames = example_case().observation.frames.copy(deep=True)
    inside = tissue_of(frames)[0]
    fluid = np.zeros_like(inside)
    fluid[tuple(np.argwhere(inside)[:5].T)] = True
    frames.values[:, 0] = np.where(fluid, 12, 35)
    part = slices_of(frames, multiple=4)[0]
    np.testing.assert_array_equal(whole(part, "tissue", inside.shape), inside)
    np.testing.assert_array_equal(whole(part, "solid", inside.shape), inside & ~fluid)


def test_fluid_is_what_the_core_takes_for_it():
    frames = example_case(slices=2).observation.frames.copy(deep=True)
    frames.values[:] -= np.linspace(5, 20, frames.sizes["x"], dtype=np.float32)
    solid = Observation(frames).solid()
    for part in slices_of(frames, multiple=4):
        np.testing.assert_array_equal(whole(part, "solid", solid[0].shape), solid[part.z])
        assert 0 < part.solid.sum() < part.tissue.sum()


def test_a_slice_that_is_all_fluid_is_learnt_from_whole():
    frames = example_case().observation.frames.copy(deep=True)
    frames.values[:] = 12
    part = slices_of(frames, multiple=4)[0]
    assert torch.equal(part.solid, part.tissue)
