"""Noise power: white noise, a planted spectrum, its integral, and noise seen between neighbouring frames."""

import numpy as np
import pytest
from scipy import ndimage

from ctpbench_metrics.spectrum import (
    BLOCK_PX,
    Nps,
    NpsMeanFrequency,
    frequencies_per_mm,
    noise_power,
    temporal_residual,
)

PIXEL_MM = (0.8, 0.8)


def white_noise(sd=3.0, shape=(40, 2, 96, 80), seed=0):
    return (sd * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def ellipse(shape):
    y, x = np.indices(shape[-2:]) - np.reshape([(n - 1) / 2 for n in shape[-2:]], (2, 1, 1))
    inside = np.hypot(y / (0.48 * shape[-2]), x / (0.48 * shape[-1])) < 1
    holes = np.random.default_rng(1).random(shape[-3:]) < 0.03
    return inside & ~holes


def test_frequencies_depend_on_the_pixel_alone_and_end_at_nyquist():
    found = frequencies_per_mm((0.8, 1.0))
    assert found.shape == (16,)
    assert found[-1] == pytest.approx(0.5)
    assert np.diff(found) == pytest.approx(0.5 / 16)


def test_white_noise_is_flat_at_variance_times_pixel_area():
    noise = white_noise()
    power = noise_power(noise, ellipse(noise.shape), PIXEL_MM)
    assert power[1:] == pytest.approx(9 * 0.64, rel=0.04)  # the first has lost a little with the blocks' means


def test_one_block_equals_its_naive_twin():
    """The definition with a sum for each frequency, of one block that fills the image."""
    noise = white_noise(shape=(2, 1, BLOCK_PX, BLOCK_PX))
    tissue = np.ones((1, BLOCK_PX, BLOCK_PX), bool)
    tissue[0, 3:5, 7] = False
    n = np.arange(BLOCK_PX)
    hann = np.sin(np.pi * (n + 1) / (BLOCK_PX + 1)) ** 2
    w = np.outer(hann, hann) * tissue[0]
    wave = np.exp(-2j * np.pi * np.outer(n, n) / BLOCK_PX)
    sums, counts = np.zeros(17), np.zeros(17)
    for frame in noise[:, 0].astype(float):
        centred = w * (frame - (w * frame).sum() / w.sum())
        power = np.abs(wave @ centred @ wave.T) ** 2 * 0.64 / (w**2).sum() / len(noise)
        for (row, column), value in np.ndenumerate(power):
            radius = np.hypot(min(row, 32 - row), min(column, 32 - column))
            if round(radius) <= 16:
                sums[round(radius)] += value
                counts[round(radius)] += 1 / len(noise)
    assert noise_power(noise, tissue, PIXEL_MM) == pytest.approx((sums / counts)[1:], rel=1e-4)


def test_a_planted_spectrum_is_found_and_its_integral_is_the_variance():
    noise = ndimage.gaussian_filter(white_noise(), (0, 0, 0.8, 0.8)).astype(np.float32)
    power = noise_power(noise, ellipse(noise.shape), PIXEL_MM)
    f = frequencies_per_mm(PIXEL_MM)
    expected = 9 * 0.64 * np.exp(-((2 * np.pi * f * 0.8 * 0.8) ** 2))
    assert power[1:9] == pytest.approx(expected[1:9], rel=0.1)
    assert 2 * np.pi * (f @ power) * f[0] == pytest.approx(noise.var(), rel=0.1)


def test_temporal_residual_takes_off_what_is_straight_in_time_and_keeps_the_variance():
    noise = white_noise(shape=(60, 1, 30, 30))
    straight = np.linspace(-50, 90, 60)[:, None, None, None] * np.ones((1, 1, 30, 30))
    assert temporal_residual(straight.astype(np.float32)) == pytest.approx(0, abs=1e-4)
    assert temporal_residual(noise).std() == pytest.approx(3.0, rel=0.02)


@pytest.fixture
def noisy_case(make_case):
    """Return a function of noise (time, z, y, x): the clean curve rises and falls slowly."""

    def make(noise):
        times_s = np.arange(len(noise))
        clean = 10 * np.sin(times_s / len(noise) * np.pi)[:, None, None, None] * np.ones(noise.shape)
        return make_case(
            {"cbf": np.zeros(noise.shape[1:])},
            times_s=times_s,
            spacing_mm=(5.0, *PIXEL_MM),
            brain=ellipse(noise.shape),
            concentration=clean + noise,
            noiseless_concentration=clean,
        )

    return make


def test_noise_of_recorded_scans_is_that_against_the_noiseless(noisy_case):
    noise = ndimage.gaussian_filter(white_noise(), (0, 0, 1, 1))
    case = noisy_case(noise)
    known, temporal = Nps().score(case), Nps(residual="temporal").score(case)
    assert temporal.values == pytest.approx(known.values, rel=0.1, abs=0.02)
    assert known["frequency"].values == pytest.approx(frequencies_per_mm(PIXEL_MM))
    assert known["frequency"].attrs["units"] == "1/mm"


def test_needs_of_either_residual():
    for metric in (Nps, NpsMeanFrequency):
        assert metric().needs == {"concentration", "noiseless_concentration"}
        assert metric(residual="temporal").needs == {"concentration"}


def test_mean_frequency_by_hand_and_coarser_for_smoother_noise(noisy_case):
    """White noise in 16 rings: sum k^2 / sum k = 11 steps; blurring lowers it, its strength does not count."""
    noise = white_noise()
    white = NpsMeanFrequency().score(noisy_case(noise)).item()
    assert white == pytest.approx(11 / 16 * 0.625, rel=0.01)
    assert NpsMeanFrequency().score(noisy_case(4 * noise)).item() == pytest.approx(white, rel=1e-4)
    coarse = [NpsMeanFrequency().score(noisy_case(ndimage.gaussian_filter(noise, (0, 0, s, s)))).item() for s in (1, 2)]
    assert white > 1.5 * coarse[0] > 2 * coarse[1]


def test_no_noise_too_little_tissue_and_nan(noisy_case):
    silent = noisy_case(np.zeros((4, 1, 40, 40)))
    assert (Nps().score(silent).values == 0).all()
    assert np.isnan(NpsMeanFrequency().score(silent).item())
    assert np.isnan(Nps().score(noisy_case(white_noise(shape=(4, 1, 8, 8)))).values).all()
    broken = white_noise(shape=(4, 1, 40, 40))
    broken[2, 0, 20, 20] = np.nan
    assert np.isnan(Nps().score(noisy_case(broken)).values).all()
