import numpy as np
import pytest
from scipy import ndimage

from ctpbench_phantom.motion import Motion, draw_motion, moved
from ctpbench_phantom.real_like import RealLike

from .test_real_like import TINY

TIMES_S = np.arange(44.0)


def blob(size=41, frames=4):
    rng = np.random.default_rng(0)
    image = ndimage.gaussian_filter(rng.standard_normal((size, size)), 2.5)
    image[:8], image[-8:], image[:, :8], image[:, -8:] = 0, 0, 0, 0
    return np.repeat(100 * ndimage.gaussian_filter(image, 1.0)[None], frames, axis=0).astype(np.float32)


def still(frames):
    return np.zeros((frames, 2)), np.zeros(frames)


def test_a_walk_begins_at_rest_is_smooth_and_strays_as_far_as_told():
    motion = draw_motion(np.random.default_rng(3), TIMES_S, 1.5)
    assert not motion.shift_mm[0].any()
    assert motion.turn_rad[0] == 0
    np.testing.assert_allclose(np.sqrt(np.mean(motion.shift_mm**2, axis=0)), 1.5)
    assert np.sqrt(np.mean((80 * motion.turn_rad) ** 2)) == pytest.approx(1.5)
    steps = np.abs(np.diff(motion.shift_mm, axis=0))
    assert steps.max() < 1.5
    again = draw_motion(np.random.default_rng(3), TIMES_S, 1.5)
    np.testing.assert_array_equal(again.shift_mm, motion.shift_mm)


def test_a_shift_by_whole_pixels_is_a_roll():
    series = blob()
    shift, turn = still(4)
    shift[2] = (2 * 0.8, -3 * 0.8)
    found = moved(series, Motion(shift, turn), 0.8)
    np.testing.assert_array_equal(found[0], series[0])
    np.testing.assert_allclose(found[1], series[1], atol=1e-3)
    np.testing.assert_allclose(found[2], np.roll(series[2], (2, -3), (0, 1)), atol=1e-3)


def test_a_quarter_turn_carries_y_to_x_about_the_middle():
    series = blob()
    shift, turn = still(4)
    turn[1] = np.pi / 2
    found = moved(series, Motion(shift, turn), 1.0)
    # What lies behind the middle (y > 0) comes to lie to the right (x > 0).
    np.testing.assert_allclose(found[1], series[1].T[::-1], atol=1e-3)


def test_values_stay_within_those_of_the_frame():
    series = np.where(np.hypot(*np.mgrid[-20:21, -20:21]) < 12, 1000.0, -1000.0).astype(np.float32)[None].repeat(3, 0)
    found = moved(series, Motion(np.array([[0, 0], [0.3, 0.4], [0.5, 0.5]]), np.array([0, 0.01, 0.02])), 1.0)
    assert found.min() >= -1000
    assert found.max() <= 1000
    assert (found[1] != series[1]).any()


def test_motion_moves_the_frames_and_leaves_the_truth_where_the_first_frame_is():
    calm, moving = (RealLike(**{**TINY, "motion_mm": mm}).load("patient-02", None) for mm in (0.0, 2.0))
    for part in ("maps", "resolved", "labels", "rois"):
        np.testing.assert_array_equal(getattr(moving.truth, part), getattr(calm.truth, part))
    was, now = calm.truth.frames.values, moving.truth.frames.values
    np.testing.assert_allclose(now[0], was[0], atol=0.05)
    assert np.abs(now[10:] - was[10:]).std() > 5
    np.testing.assert_array_equal(moving.truth.frames, moving.observation.frames)
    with pytest.raises(ValueError, match="less than or equal to 10"):
        RealLike(motion_mm=20.0)
