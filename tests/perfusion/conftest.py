"""Curves for the tests: an arterial input function and tissue curves of known residue."""

from __future__ import annotations

import numpy as np
import pytest


def bolus(times_s, arrival_s=6.0, peak_hu=400.0, to_peak_s=6.0):
    """A gamma-variate curve: zero before the arrival, `peak_hu` at `to_peak_s` after it."""
    x = np.clip(np.asarray(times_s) - arrival_s, 0, None) / to_peak_s
    return peak_hu * (x * np.exp(1 - x)) ** 3


@pytest.fixture
def times_s():
    return np.arange(50.0)


@pytest.fixture
def aif(times_s):
    return bolus(times_s)


@pytest.fixture
def rng():
    return np.random.default_rng(20250101)


@pytest.fixture
def tissue(times_s):
    """Return a function (cbf, mtt_s, delay_s) -> noiseless curve (time,), convolved on a grid of 0.1 s."""
    step_s = 0.1
    fine = np.arange(0, times_s[-1] + step_s / 2, step_s)

    def curve(cbf, mtt_s, delay_s=0.0):
        lag = fine - delay_s
        plateau = 0.6 * mtt_s
        decay = np.exp(-np.clip(lag - plateau, 0, None) / (mtt_s - plateau))
        residue = cbf / 6000 * np.where(lag >= 0, decay, 0)
        full = np.convolve(bolus(fine), residue)[: fine.size] * step_s
        return full[np.rint(times_s / step_s).astype(int)]

    return curve
