"""Brain and vessel masks on synthetic heads: an elliptic skull with brain, scalp and air around it."""

from __future__ import annotations

import numpy as np
import pytest

from ctpbench.errors import DataError
from ctpbench.perfusion import brain_mask, vessel_mask

SPACING_MM = (5.0, 1.0, 1.0)


def head(shape=(160, 140), pixel_mm=(1.0, 1.0), shrink=1.0):
    """One slice in HU and its brain: semi-axes 62 and 50 mm; skull and scalp are 5 mm each."""
    y, x = np.meshgrid(
        *(step * (np.arange(n) - (n - 1) / 2) for n, step in zip(shape, pixel_mm, strict=True)), indexing="ij"
    )

    def inside(margin_mm):
        return (y / (62 * shrink + margin_mm)) ** 2 + (x / (50 * shrink + margin_mm)) ** 2 < 1

    image = np.full(shape, -1000.0)
    image[inside(10)], image[inside(5)], image[inside(0)] = 45, 1000, 35
    return image, inside(0)


def series(*slices, frames=3, noise_hu=0.0, seed=0):
    stack = np.broadcast_to(np.stack(slices), (frames, len(slices), *slices[0].shape))
    return (stack + noise_hu * np.random.default_rng(seed).normal(size=stack.shape)).astype(np.float32)


def share_wrong(mask, brain):
    return (mask ^ brain).sum() / brain.sum()


def test_an_intact_skull_gives_exactly_its_inside():
    image, brain = head()
    mask = brain_mask(series(image), SPACING_MM)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask[0], brain)


@pytest.mark.parametrize("seed", range(3))
def test_noise_changes_nothing(seed):
    image, brain = head()
    mask = brain_mask(series(image, noise_hu=10 * np.sqrt(2), seed=seed), SPACING_MM)  # sigma 10 HU in the mean
    np.testing.assert_array_equal(mask[0], brain)


def cut(image, columns):
    """Take the bone out of the front of the skull in these columns."""
    front = image[: len(image) // 2, columns]
    front[front == 1000] = 45


@pytest.mark.parametrize("gap_mm", [2, 5, 8])
def test_a_gap_in_the_skull_is_closed(gap_mm):
    image, brain = head()
    cut(image, slice(70 - gap_mm // 2, 70 + gap_mm - gap_mm // 2))
    mask = brain_mask(series(image, noise_hu=10), SPACING_MM)[0]
    assert share_wrong(mask, brain) < 0.005
    assert not mask[image == -1000].any()


@pytest.mark.parametrize(("gap_mm", "recess_mm", "kept"), [(0, 4, 1.0), (4, 8, 0.8)])
def test_no_gap_is_closed_more_than_it_needs(gap_mm, recess_mm, kept):
    image, brain = head()
    recess = np.zeros_like(brain)
    recess[135:145, 66 : 66 + recess_mm] = True  # up to 3 mm deep, the bone's outer layer stays
    recess &= ~brain & (image == 1000)
    assert recess.sum() >= 2 * recess_mm
    image[recess] = 35
    cut(image, slice(70 - gap_mm // 2, 70 + gap_mm // 2))
    mask = brain_mask(series(image), SPACING_MM)[0]
    assert mask[recess].mean() >= kept
    assert share_wrong(mask, brain | recess) < 0.005


def test_a_skull_open_over_a_quarter_encloses_nothing():
    image, _ = head()
    cut(image, slice(0, 70))
    with pytest.raises(DataError, match=r"^brain: no slice has tissue enclosed by bone above 120\.0 HU"):
        brain_mask(series(image), SPACING_MM)


@pytest.mark.parametrize("filling_hu", [-1000, 35])
def test_a_cell_within_bone_is_dropped(filling_hu):
    image, brain = head()
    base = np.s_[10:24, 58:82]
    image[base] = np.where(brain[base], 35, 1000)
    image[13:16, 66:74] = filling_hu
    np.testing.assert_array_equal(brain_mask(series(image, noise_hu=5), SPACING_MM)[0], brain)


def test_air_inside_the_skull_and_metal_behind_it_are_dropped():
    image, brain = head(shape=(190, 140))
    image[176:180, 20:120] = 300  # the head holder, joined to the scalp by two posts
    image[160:176, 20:24] = image[160:176, 116:120] = 300
    bubble = np.zeros_like(brain)
    bubble[25:44, 60:80] = True
    image[bubble & brain] = -1000
    mask = brain_mask(series(image, noise_hu=5), SPACING_MM)[0]
    np.testing.assert_array_equal(mask, brain & ~bubble)


def test_small_holes_are_filled_and_large_bone_is_not():
    image, brain = head()
    image[80:83, 60:63] = 400  # 9 mm2 of calcification
    image[100:110, 60:70] = 400  # 100 mm2 of metal
    mask = brain_mask(series(image), SPACING_MM)[0]
    large = np.zeros_like(brain)
    large[100:110, 60:70] = True
    np.testing.assert_array_equal(mask, brain & ~large)


def test_lengths_are_in_millimetres():
    image, brain = head(shape=(240, 180), pixel_mm=(0.6, 0.9))
    cut(image, slice(87, 93))  # 5.4 mm
    image[120:125, 90:96] = 400  # 30 pixels, 16 mm2
    mask = brain_mask(series(image), (5.0, 0.6, 0.9))[0]
    assert mask[120:125, 90:96].all()
    assert share_wrong(mask, brain) < 0.005
    cut(image, slice(83, 97))  # 12.6 mm, though only 14 pixels
    with pytest.raises(DataError, match=r"^brain"):
        brain_mask(series(image), (5.0, 0.6, 0.9))


def test_each_slice_stands_alone_and_one_without_skull_is_empty():
    (wide, wide_brain), (narrow, narrow_brain) = head(), head(shrink=0.5)
    mask = brain_mask(series(wide, np.full_like(wide, -1000), narrow), SPACING_MM)
    np.testing.assert_array_equal(mask, np.stack([wide_brain, np.zeros_like(wide_brain), narrow_brain]))


def test_only_early_frames_decide_on_bone():
    image, brain = head()
    frames = series(image, frames=6)
    frames[3:, 0][:, brain] += 500
    np.testing.assert_array_equal(brain_mask(frames, SPACING_MM)[0], brain)
    with pytest.raises(DataError, match=r"^brain: no slice"):
        brain_mask(frames, SPACING_MM, baseline_frames=6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((3, 4, 4)), SPACING_MM), r"^frames: got shape \(3, 4, 4\)"),
        ((np.zeros((3, 0, 4, 4)), SPACING_MM), "^frames: got shape"),
        ((np.zeros((3, 1, 4, 4)), (1.0, 1.0)), r"^spacing_mm: got \(1\.0, 1\.0\)"),
        ((np.zeros((3, 1, 4, 4)), (1.0, 0.0, 1.0)), "^spacing_mm: got"),
        ((np.zeros((3, 1, 4, 4)), SPACING_MM), "^brain: no slice"),
    ],
)
def test_brain_mask_names_what_is_wrong(arguments, message):
    with pytest.raises(DataError, match=message):
        brain_mask(*arguments)


def test_baseline_frames_must_exist():
    with pytest.raises(DataError, match=r"^baseline: got 4 early frames; allowed: 1 to 3"):
        brain_mask(np.zeros((3, 1, 4, 4)), SPACING_MM, baseline_frames=4)


def test_a_vessel_is_found_by_its_peak_and_widened_within_its_slice():
    frames = np.full((5, 3, 9, 9), 40, np.float32)
    frames[2, 1, 4, 4] = 101
    frames[3, 0, 2, 2] = 100  # not above the threshold
    plain = vessel_mask(frames, dilate_px=0)
    assert np.argwhere(plain).tolist() == [[1, 4, 4]]
    cross = [[1, 3, 4], [1, 4, 3], [1, 4, 4], [1, 4, 5], [1, 5, 4]]
    assert np.argwhere(vessel_mask(frames)).tolist() == cross
    assert vessel_mask(frames, dilate_px=2).sum() == 13
    assert vessel_mask(frames, threshold_hu=99, dilate_px=0).sum() == 2


def test_vessel_mask_names_what_is_wrong():
    with pytest.raises(DataError, match=r"^frames: got shape"):
        vessel_mask(np.zeros((3, 4)))
    with pytest.raises(DataError, match=r"^dilate_px: got -1"):
        vessel_mask(np.zeros((3, 1, 4, 4)), dilate_px=-1)
