"""A plain function as a denoiser."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from ctpbench.calls.functions import function_denoiser
from ctpbench.testing import example_observation


def test_a_function_may_change_the_frames_that_it_is_given_and_nobody_else_sees_it():
    def halve(frames):
        frames *= 0.5
        return frames

    frames = example_observation().frames
    frames.values.setflags(write=False)  # as those of a run are
    before = frames.values.copy()
    answer = function_denoiser(halve, {}).denoise(frames, SimpleNamespace(rng=None, device="cpu", threads=1))
    np.testing.assert_array_equal(frames.values, before)
    np.testing.assert_array_equal(answer.values, np.float32(0.5) * before)
