import numpy as np
import pytest
from scipy import special, stats

from ctpbench_phantom.scanner.poisson import (
    UNDECIDED,
    _judge,
    frame_generator,
    line_integral_noise,
    poisson_counts,
)


@pytest.mark.parametrize("mean", [0.0, 0.3, 9.99, 10.0, 11.0, 30.0, 500.0, 2e4, 1e6])
def test_counts_follow_the_poisson_law(mean):
    n = 200_000
    counts = poisson_counts(np.random.default_rng(7), np.full(n, mean, np.float32)).astype(np.float64)
    if mean == 0:
        assert not counts.any()
        return
    assert (counts == np.floor(counts)).all()
    law = stats.poisson(np.float64(np.float32(mean)))
    borders = np.unique(law.ppf(np.linspace(0, 1, 60)[1:-1]))
    expected = np.diff(np.concatenate([[0.0], law.cdf(borders), [1.0]])) * n
    found = np.bincount(np.searchsorted(borders, counts), minlength=len(expected))
    assert stats.chisquare(found, expected).pvalue > 1e-3


@pytest.mark.parametrize("mean", [10.0, 40.0, 1000.0, 5000.0, 2e5])
def test_quick_verdicts_are_those_of_the_definition(mean):
    # Hormann's PTRS as printed, beside the approximations that settle most draws.
    rng = np.random.default_rng(12)
    u, v, counts = rng.random(300_000) - 0.5, rng.random(300_000), np.empty(300_000, np.float32)
    _judge(np.full(u.size, mean, np.float32), u, v, counts)
    b = 0.931 + 2.53 * np.sqrt(mean)
    a = -0.059 + 0.02483 * b
    us = 0.5 - np.abs(u)
    k = np.floor((2 * a / us + b) * u + mean + 0.43)
    whole = np.maximum(k, 0)
    hat = np.log(v) + np.log(1.1239 + 1.1328 / (b - 3.4)) - np.log(a / us**2 + b)
    fits = (k >= 0) & ~((us < 0.013) & (v > us)) & (hat <= whole * np.log(mean) - mean - special.gammaln(whole + 1))
    accepted = ((us >= 0.07) & (v <= 0.9277 - 3.6224 / (b - 2))) | fits
    decided = counts != UNDECIDED
    np.testing.assert_array_equal(counts[decided] >= 0, accepted[decided])
    np.testing.assert_array_equal(counts[counts >= 0], k[counts >= 0].astype(np.float32))
    assert decided.mean() > (0.9 if mean >= 1000 else 0.4)


def test_tails_are_as_heavy_as_they_should_be():
    n, mean = 2_000_000, 40.0
    counts = poisson_counts(np.random.default_rng(8), np.full(n, mean, np.float32))
    for beyond in (55, 60, 65):
        expected = n * stats.poisson(mean).sf(beyond)
        assert abs((counts > beyond).sum() - expected) < 4.5 * np.sqrt(expected)
    for below in (25, 20, 17):
        expected = n * stats.poisson(mean).cdf(below)
        assert abs((counts <= below).sum() - expected) < 4.5 * np.sqrt(expected)


def test_streams_of_frames_differ_and_repeat():
    draws = [frame_generator(3, frame).random(4) for frame in (0, 1, 0)]
    np.testing.assert_array_equal(draws[0], draws[2])
    assert not np.isin(draws[0], draws[1]).any()
    np.testing.assert_array_equal(draws[1], np.random.default_rng(np.random.SeedSequence(3).spawn(2)[1]).random(4))


def test_noise_is_that_of_equation_twelve():
    p = np.full((300, 200), 3.0, np.float32)
    noise = line_integral_noise(p, 1e5, 0.0, np.random.default_rng(9))
    counts = 1e5 * np.exp(-(3.0 + noise.astype(np.float64)))
    np.testing.assert_allclose(counts, np.round(counts), atol=0.01)
    assert noise.std() == pytest.approx(np.exp(1.5) / np.sqrt(1e5), rel=0.02)


def test_electronic_noise_adds_its_variance():
    p = np.full((300, 200), 5.0, np.float32)
    mean = 1e5 * np.exp(-5)
    noise = line_integral_noise(p, 1e5, 40.0, np.random.default_rng(10))
    assert noise.std() == pytest.approx(np.sqrt(mean + 40.0**2) / mean, rel=0.03)


@pytest.mark.parametrize("electronic_sigma", [0.0, 5.0])
def test_a_ray_without_photons_stays_finite(electronic_sigma):
    noise = line_integral_noise(np.full((20, 20), 30.0, np.float32), 10.0, electronic_sigma, np.random.default_rng(11))
    assert np.isfinite(noise).all()
    if not electronic_sigma:  # no photon arrives, and half a photon is what each ray is taken to have counted
        np.testing.assert_allclose(noise, -np.log(0.5 / 10) - 30, rtol=1e-5)
