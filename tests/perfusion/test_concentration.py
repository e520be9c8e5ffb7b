"""Baseline and resampling: laws, twins and faults."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctpbench.errors import DataError
from ctpbench.perfusion import resample, subtract_baseline
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


@pytest.mark.parametrize("times_s", [[0, 1, 1], [0, 2, 1], [0, np.nan, 2], [0, 1], [[0, 1, 2]], [0, 1, np.inf]])
def test_wrong_times_are_named(times_s):
    with pytest.raises(DataError, match=r"^times: got .*; allowed: "):
        resample(np.zeros((3, 2)), times_s)


def test_one_frame_has_no_interval():
    with pytest.raises(DataError, match="at least 2"):
        resample(np.zeros((1, 2)), [0.0])
