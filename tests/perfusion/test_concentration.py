"""Baseline and resampling: laws, twins and faults."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctpbench.errors import DataError
from ctpbench.perfusion import resample, subtract_baseline
from ctpbench.perfusion.concentration import is_on_grid, uniform_grid, uniform_times
from tests import naive


def test_baseline_is_the_mean_of_the_early_frames(rng):
    frames = rng.normal(35, 10, (7, 2, 3, 4)).astype(np.float32)
    early = (frames[0].astype(float) + frames[1] + frames[2]) / 3
    concentration = subtract_baseline(frames, 3)
    assert concentration.dtype == np.float32
    np.testing.assert_allclose(concentration, frames - early, atol=1e-4)
    np.testing.assert_allclose(concentration[:3].sum(axis=0), 0, atol=1e-4)


def test_baseline_ignores_a_constant_and_leaves_its_input(rng):
    frames = rng.integers(0, 50, (5, 6)).astype(np.float32)
    frames.flags.writeable = False
    np.testing.assert_array_equal(subtract_baseline(frames + 1000), subtract_baseline(frames))


def test_baseline_of_integers_is_not_truncated():
    frames = np.array([[0], [1], [5]], np.int16)
    np.testing.assert_array_equal(subtract_baseline(frames)[:, 0], [-0.5, 0.5, 4.5])


@pytest.mark.parametrize(("shape", "early"), [((5, 2), 0), ((5, 2), 5), ((), 1)])
def test_baseline_must_leave_frames(shape, early):
    with pytest.raises(DataError, match=r"^baseline: got \d+ early frames of \d; allowed"):
        subtract_baseline(np.zeros(shape), early)


def test_uniform_times_change_nothing(rng):
    curves = rng.normal(size=(6, 2, 3)).astype(np.float32)
    same, dt_s = resample(curves, 10 + 0.7 * np.arange(6) + 1e-7)
    assert np.shares_memory(same, curves)
    assert dt_s == pytest.approx(0.7)


@given(st.lists(st.integers(1, 8), min_size=2, max_size=12), st.integers(-5, 5))
def test_resampling_equals_interpolation_of_each_curve(steps, start):
    times_s = start + np.concatenate([[0], np.cumsum(steps)]) * 0.5
    curves = np.random.default_rng(len(steps)).normal(size=(times_s.size, 3))
    uniform, dt_s = resample(curves, times_s)
    expected, expected_dt_s = naive.resample(curves, times_s)
    assert dt_s == expected_dt_s
    assert uniform.dtype == np.float32
    np.testing.assert_allclose(uniform, expected, rtol=1e-5, atol=1e-5)


def test_resampling_keeps_straight_lines_straight():
    times_s = np.array([0, 1, 2, 3, 4, 6, 9.0])
    uniform, dt_s = resample(np.stack([2 * times_s + 1, -times_s], axis=1)[:, np.newaxis], times_s)
    assert uniform.shape == (10, 1, 2)
    grid = dt_s * np.arange(10)
    np.testing.assert_allclose(uniform[:, 0], np.stack([2 * grid + 1, -grid], axis=1), atol=1e-5)


def test_a_rounded_last_time_costs_no_frame_and_is_not_extrapolated():
    uniform, _ = resample([0, 1, 2, 3, 1000], [0, 1, 2, 3, 3.9995])
    np.testing.assert_array_equal(uniform, [0, 1, 2, 3, 1000])


@pytest.mark.parametrize("dt_s", [0.5, 1.0, 2.8])
def test_a_time_within_a_fiftieth_of_an_interval_is_rounded(dt_s):
    curves = np.arange(7, dtype=np.float32)
    for off, kept in ((0.019, True), (-0.019, True), (0.021, False), (-0.021, False)):
        times_s = 5 + dt_s * np.arange(7)
        times_s[3] += off * dt_s
        found, interval_s = resample(curves, times_s)
        assert interval_s == pytest.approx(dt_s)
        assert np.shares_memory(found, curves) == kept
        assert is_on_grid(times_s, 5 + dt_s * np.arange(7)) == kept


def test_rounded_times_whose_median_interval_is_off_are_uniform_at_their_mean():
    times_s = (1.0333 * np.arange(44)).round(2)  # intervals of 1.03 and 1.04 s
    curves = np.arange(44, dtype=np.float32)
    found, dt_s = resample(curves, times_s)
    assert np.shares_memory(found, curves)
    assert dt_s == pytest.approx(1.0333, rel=1e-4)
    assert np.median(np.diff(times_s)) == pytest.approx(1.03)


def test_a_drift_adds_up_to_more_than_rounding():
    times_s = np.concatenate([np.arange(30.0), 29 + 1.002 * np.arange(1, 25)])
    found, dt_s = resample(times_s.astype(np.float32), times_s)
    assert dt_s == 1
    np.testing.assert_allclose(found, np.arange(54), atol=1e-5)
    assert times_s[-1] > 53.04


@pytest.mark.parametrize(("last_s", "frames"), [(3.99, 5), (3.97, 4), (4.01, 5), (4.97, 5), (4.99, 6)])
def test_the_last_time_is_rounded_like_any_other(last_s, frames):
    grid_s, dt_s = uniform_grid([0, 1, 2, 3, last_s])
    assert dt_s == 1
    np.testing.assert_array_equal(grid_s, np.arange(frames))


def test_slices_must_all_be_on_the_grid():
    grid_s = 2.0 * np.arange(5)
    times_s = np.stack([grid_s, grid_s + 0.03, grid_s - 0.03], axis=1)
    assert is_on_grid(times_s, grid_s)
    assert not is_on_grid(times_s[:-1], grid_s)
    times_s[4, 2] -= 0.02
    assert not is_on_grid(times_s, grid_s)


def test_uniform_slices_have_their_mean_interval_and_others_the_median():
    even_s = np.repeat(1.0333 * np.arange(30.0)[:, np.newaxis], 2, axis=1)
    np.testing.assert_allclose(uniform_times(even_s.round(2)), even_s[:, 0], atol=0.006)
    shuttle_s = np.stack([2.0 * np.arange(30), 2.0 * np.arange(30) + 0.5], axis=1)
    np.testing.assert_array_equal(uniform_times(shuttle_s), 0.5 + 2.0 * np.arange(29))


@pytest.mark.parametrize("times_s", [[0, 1, 1], [0, 2, 1], [0, np.nan, 2], [0, 1], [[0, 1, 2]], [0, 1, np.inf]])
def test_wrong_times_are_named(times_s):
    with pytest.raises(DataError, match=r"^times: got .*; allowed: "):
        resample(np.zeros((3, 2)), times_s)


def test_one_frame_has_no_interval():
    with pytest.raises(DataError, match="at least 2"):
        resample(np.zeros((1, 2)), [0.0])
