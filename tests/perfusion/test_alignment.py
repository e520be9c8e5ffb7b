"""A head that moved and is brought back."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ctpbench.perfusion.alignment import aligned, farthest_mm, poses
from tests.perfusion.test_motion import BOLUS, EMPTY, SPACING_MM
from tests.perfusion.test_motion import head as enhanced

PIXEL_MM = (1.5, 1.2)


def head(shift_mm=(0.0, 0.0), turn_rad=0.0):
    """A skull about a brain with a bright spot, moved by a shift after a turn from y to x about the image's middle."""
    y, x = np.indices((120, 140)).astype(float)
    y, x = ((axis - (n - 1) / 2) * step for axis, n, step in zip((y, x), (120, 140), PIXEL_MM, strict=True))
    y, x = y - shift_mm[0], x - shift_mm[1]
    cos, sin = np.cos(turn_rad), np.sin(turn_rad)
    y, x = cos * y + sin * x, -sin * y + cos * x
    outside = np.hypot(y / 75, x / 62)
    image = np.select([outside < 0.9, outside < 1], [35.0, 1000.0], -1000.0) + 300 * (np.hypot(y + 20, x - 25) < 5)
    return ndimage.gaussian_filter(image, 0.8).astype(np.float32)


@pytest.mark.parametrize(("shift_mm", "turn_deg"), [((2.0, -1.0), 0.0), ((0.0, 0.0), 3.0), ((-3.0, 2.5), -2.0)])
def test_shift_and_turn_are_found_and_undone(shift_mm, turn_deg):
    frames = np.stack([head(), head(), head(shift_mm, np.radians(turn_deg))])
    where = poses(frames, PIXEL_MM)
    np.testing.assert_allclose(where[:2], 0, atol=0.02)
    np.testing.assert_allclose(where[2, :2], shift_mm, atol=0.1)
    assert np.degrees(where[2, 2]) == pytest.approx(turn_deg, abs=0.2)
    back = aligned(frames[:, np.newaxis], where, PIXEL_MM)[:, 0]
    before, after = (np.abs(each[2] - frames[0]).mean() for each in (frames, back))
    assert after < 0.7 * before  # at the skull's edges interpolation leaves its own


def test_noise_alone_moves_nothing_far_and_an_even_slice_stays():
    rng = np.random.default_rng(0)
    frames = np.stack([head()] * 6) + rng.normal(0, 12, (6, 120, 140)).astype(np.float32)
    assert farthest_mm(poses(frames, PIXEL_MM)) < 0.1
    even = np.zeros((3, 20, 20), np.float32)
    np.testing.assert_array_equal(poses(even, PIXEL_MM), 0)


TURNS_DEG = np.array([0, 0, -1.2, 2.5, 4.0, -3.3, 0, 5.2])


@pytest.mark.parametrize("bolus", [False, True])
@pytest.mark.parametrize("kind", list(EMPTY))
def test_contrast_is_no_turn(kind, bolus):
    """Contrast comes on one side alone. A brain on 0 HU has no outline that it would not outdo: nothing is told."""
    frames = [
        ndimage.rotate(enhanced(kind, contrast=contrast), turn, reshape=False, order=3, cval=EMPTY[kind])
        for contrast, turn in zip(bolus * BOLUS[: len(TURNS_DEG)], TURNS_DEG, strict=True)
    ]
    frames = np.stack(frames) + np.random.default_rng(2).normal(0, 8, (len(frames), *frames[0].shape))
    where = poses(frames.astype(np.float32), SPACING_MM)
    expected = 0 * TURNS_DEG if kind == "brain on 0" else TURNS_DEG
    np.testing.assert_allclose(np.degrees(where[:, 2]), expected, atol=0.3)
    assert np.abs(where[:, :2]).max() < 0.5


def test_the_farthest_is_on_the_skull():
    assert farthest_mm(np.array([[3.0, 4.0, 0.0], [0.0, 0.0, -0.1]])) == pytest.approx(8.0)
