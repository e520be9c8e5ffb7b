"""Bayesian deconvolution: brute force over flows, calibration under its own model, recovery, and laws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.interpolate import PchipInterpolator
from scipy.special import erfcx, log_ndtr
from scipy.stats import gamma

from ctpbench.errors import DataError
from ctpbench.perfusion import Bayesian, perfusion_maps, posterior_maps
from ctpbench.perfusion import responses as module
from ctpbench.perfusion.bayesian import _Posterior, _Scan
from ctpbench.perfusion.normal_tail import scaled_tail
from ctpbench.perfusion.responses import residue_area, responses
from ctpbench.perfusion.voxels import energies
from tests import naive

NAMES = ("cbf", "cbv", "mtt", "ttp", "tmax")


@pytest.fixture
def small(monkeypatch):
    """Few shapes, transit times and delays: 18 entries."""
    monkeypatch.setattr(module, "SHAPES", (1.0, 8.0))
    monkeypatch.setattr(module, "MTT_S", np.array([2.0, 5.0, 12.5]))
    monkeypatch.setattr(module, "DELAY_S", np.array([0.0, 1.5, 4.0]))


@pytest.fixture
def clean(tissue):
    """Noiseless curves (time, 48)."""
    rows = [(cbf, mtt, delay) for cbf in (6, 16, 25, 53) for mtt in (3, 4.5, 7, 12) for delay in (0, 1, 4)]
    return np.stack([tissue(*row) for row in rows], axis=1)


def noisy(clean, sigma, copies=1, seed=0):
    curves = np.tile(clean, copies)
    return curves + sigma * np.random.default_rng(seed).normal(size=curves.shape)


@pytest.mark.parametrize("shape", [1.0, 4.0, 16.0])
def test_area_of_a_residue_is_the_integral_of_its_survival(shape):
    for lag_s in (0.0, 0.7, 5.0, 40.0):
        expected = quad(lambda s: gamma.sf(s, shape, scale=5.0 / shape), 0, lag_s)[0]
        assert residue_area(lag_s, shape, 5.0) == pytest.approx(expected, rel=1e-7, abs=1e-12)
    assert residue_area(1e4, shape, 5.0) == pytest.approx(5.0)


def test_responses_equal_the_trapezium_rule(small, aif, times_s):
    known = responses(aif, 1.0, 5.0, 2.0)
    entry = 0
    for shape in module.SHAPES:
        for mtt_s in module.MTT_S:
            for delay_s in module.DELAY_S:
                curve = naive.response(PchipInterpolator(times_s, aif), times_s, shape, mtt_s, delay_s)
                np.testing.assert_allclose(known.curves[:, entry], curve, atol=2e-3 * curve.max())
                assert (known.mtt_s[entry], known.delay_s[entry]) == (mtt_s, delay_s)
                entry += 1
    assert known.curves.shape == (50, entry)


def test_the_prior_is_log_normal_times_exponential():
    known = responses(np.array([0, 9.0, 3, 1, 0, 0]), 2.0, 5.0, 2.0)
    prior = np.exp(known.log_prior)
    assert prior.sum() == pytest.approx(1)
    by_mtt = np.array([prior[known.mtt_s == mtt_s].sum() for mtt_s in module.MTT_S])
    expected = np.exp(-(np.log(module.MTT_S / 5) ** 2) / (2 * np.log(2) ** 2))
    np.testing.assert_allclose(by_mtt, expected / expected.sum())
    assert prior @ known.delay_s == pytest.approx(2.0, rel=0.03)  # by the trapezium rule
    assert prior[known.delay_s > 2 * np.log(2)].sum() == pytest.approx(0.5, abs=0.1)


def test_the_tail_is_scipys():
    x = np.concatenate([np.linspace(0, 30, 3001), np.geomspace(30, 1e6, 100)]).astype(np.float32)
    found = scaled_tail(x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, erfcx(x.astype(np.float64) / np.sqrt(2)) / 2, rtol=5e-7)


@pytest.mark.parametrize("sigma", [0.05, 1.0, 6.0])
def test_posterior_equals_brute_force(small, clean, aif, sigma):
    prior = Bayesian(4.0, 3.0, 0.05, baseline_frames=3)
    curves = np.concatenate([noisy(clean, sigma), -0.1 * clean[:, :2], np.zeros((50, 1))], axis=1)
    maps = posterior_maps(curves, aif, 1.0, prior, kappa=0.73, rho=1.05)
    known = responses(aif, 1.0, 4.0, 3.0)
    live = curves[:, :-1]
    # What all voxels share, by least squares and medians.
    main = np.linalg.svd(known.curves)[0][:, :10]
    basis = np.column_stack([np.ones(50), main])
    left = live - basis @ np.linalg.lstsq(basis, live, rcond=None)[0]
    median = np.median((left**2).sum(axis=0))
    noise = median / (39 * (1 - 2 / (9 * 39)) ** 3)
    volume = abs(np.median(live.sum(axis=0))) / aif.sum()
    misfit = 0.05**2 * np.median((live**2).sum(axis=0)) / 50
    covariance = (noise + misfit) * np.eye(50) + noise / 3 * np.ones((50, 50))
    covariance += (0.15 * volume) ** 2 * np.outer(aif, aif)
    energies = (curves**2).sum(axis=0)
    level = np.minimum(1, np.sqrt(np.median(energies[energies > 0]) / np.maximum(energies, 1e-9)))
    assert 5 < (level < 0.9).sum() < 45
    entries = list(zip(known.curves.T, known.mtt_s, known.delay_s, np.exp(known.log_prior), strict=True))
    scale = 6000 * 0.73 / 1.05
    flow_scale = 1.5 * volume / 4.0
    for voxel in [0, 7, 20, 33, 47, 48, 49, 50]:
        low = level[voxel] * curves[:, voxel]
        flow, cbv, mtt, tmax, sd = naive.posterior(low, entries, covariance, flow_scale)
        got = [maps[name].flat[voxel] for name in ("cbf", "cbv", "mtt", "tmax", "cbf_sd")]
        flow, cbv, sd = np.array([flow, cbv, sd]) / level[voxel]
        expected = [scale * flow, 100 * 0.73 / 1.05 * cbv, mtt, tmax, scale * sd]
        np.testing.assert_allclose(got, expected, rtol=2e-3, atol=2e-3)
        assert maps["ttp"].flat[voxel] == np.argmax(curves[:, voxel])


def test_under_its_own_model_it_errs_as_often_as_it_says(aif):
    """Curves drawn from the prior and the noise: no bias in any mean, and errors of CBF as large as cbf_sd."""
    rng, prior = np.random.default_rng(5), Bayesian()
    known, scan = responses(aif, 1.0, prior.mtt_s, prior.delay_s), _Scan(noise=2.0, size=5.0, volume=0.022)
    n = 4000
    drawn = rng.choice(known.mtt_s.size, n, p=np.exp(known.log_prior))
    flow = np.abs(rng.normal(0, 1.5 * 0.022 / prior.mtt_s, n))
    noise = np.hypot(2.0, 0.1 * 5.0) * rng.normal(size=(50, n)) + 2.0 / np.sqrt(2) * rng.normal(size=n)
    curves = flow * known.curves[:, drawn] + noise + 0.15 * 0.022 * aif[:, np.newaxis] * rng.normal(size=n)
    means = _Posterior.of(known, aif, scan, prior).means(curves.astype(np.float32))
    truth = {"cbf": flow, "cbv": flow * known.mtt_s[drawn], "mtt": known.mtt_s[drawn], "tmax": known.delay_s[drawn]}
    for name, values in truth.items():
        error = means[name] - values
        assert abs(error.mean()) < 4 * error.std() / np.sqrt(n), name
    pull = (means["cbf"] - flow) / means["cbf_sd"]
    assert np.square(pull).mean() == pytest.approx(1, abs=0.1)
    for third in np.array_split(np.argsort(means["cbf_sd"]), 3):
        assert np.square(pull[third]).mean() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("sigma", [0.2, 2.0, 7.0])
def test_the_noise_is_found(clean, aif, sigma):
    curves = noisy(clean, sigma, copies=10).astype(np.float32)
    curves[:, :20] += 5 * aif[:, np.newaxis]  # vessels
    inside = np.ones(curves.shape[1], bool)
    scan = _Scan.of(curves, inside, energies(curves, inside), aif, responses(aif, 1.0, 5.0, 2.0))
    assert scan.noise == pytest.approx(sigma, rel=0.04)
    assert scan.volume == pytest.approx(np.median(curves.sum(axis=0)) / aif.sum(), rel=1e-5)


@pytest.mark.parametrize("sigma", [0.1, 1.0])
def test_known_perfusion_comes_back(aif, tissue, sigma):
    """Flow within the prior's uncertainty about the shape; volume, which hardly depends on it, and delay closer."""
    rows = np.array([(16, 11, 4), (25, 4.5, 1), (53, 3.7, 0), (53, 3.7, 1), (25, 4.5, 0)])
    clean = np.stack([tissue(*row) for row in rows], axis=1)
    maps = posterior_maps(noisy(clean, sigma, copies=100), aif, 1.0)
    means = {name: values.reshape(100, 5).mean(axis=0) for name, values in maps.items()}
    flow, transit_s, delay_s = rows.T
    np.testing.assert_allclose(means["cbf"], flow, rtol=0.5)
    np.testing.assert_allclose(means["cbv"], flow * transit_s / 60, rtol=0.1)
    np.testing.assert_allclose(means["mtt"], transit_s, rtol=0.35)
    np.testing.assert_allclose(means["tmax"], delay_s, atol=1.2)
    assert np.corrcoef(means["cbf"], flow)[0, 1] > 0.97
    unsure = 3 * maps["cbf_sd"] + 0.05 * maps["cbf"]  # transit times of the grid are a fifth apart
    assert (np.abs(maps["cbf"] - np.tile(flow, 100)) < unsure).mean() > 0.98


def test_float32_serves(clean, aif):
    """The same sums in float64 differ by rounding alone."""
    known, scan = responses(aif, 1.0, 5.0, 2.0), _Scan(noise=0.5, size=5.0, volume=0.02)
    posterior = _Posterior.of(known, aif, scan, Bayesian())
    curves = noisy(clean, 0.5) * np.geomspace(0.01, 1, 48)
    means = posterior.means(curves.astype(np.float32))
    z = posterior.entries.astype(float) @ (posterior.project.astype(float) @ curves)
    log_weight = posterior.log_weight + z**2 / 2 + log_ndtr(z)
    weight = np.exp(log_weight - log_weight.max(axis=0))
    weight /= weight.sum(axis=0)
    root = np.sqrt(posterior.by_square.T.astype(float))
    flow = root * (z + np.exp(-(z**2) / 2 - log_ndtr(z)) / np.sqrt(2 * np.pi))
    mtt_s, delay_s = posterior.by_weight[1:, :, np.newaxis].astype(float)
    for name, values in {"cbf": flow, "cbv": flow * mtt_s, "mtt": mtt_s, "tmax": delay_s}.items():
        np.testing.assert_allclose(means[name], (weight * values).sum(axis=0), rtol=5e-4, atol=1e-7)


def test_more_noise_is_less_sure(clean, aif):
    deviations = [np.median(posterior_maps(noisy(clean, s, copies=4), aif, 1.0)["cbf_sd"]) for s in (0.2, 1, 3, 7)]
    assert deviations == sorted(deviations)


@pytest.mark.parametrize("factor", [1e-3, 7.0])
def test_higher_curves_or_a_lower_artery_scale_flow_and_volume_alone(clean, aif, factor):
    curves = noisy(clean, 2)
    plain = posterior_maps(curves, aif, 1.0)
    for scaled in (posterior_maps(factor * curves, aif, 1.0), posterior_maps(curves, aif / factor, 1.0)):
        for name in ("cbf", "cbv", "cbf_sd"):
            np.testing.assert_allclose(scaled[name], factor * plain[name], rtol=1e-3)
        for name in ("mtt", "tmax", "ttp"):
            np.testing.assert_allclose(scaled[name], plain[name], rtol=1e-3, atol=1e-4)
    halved = posterior_maps(curves, aif, 1.0, kappa=1.0, rho=2.0)
    for name in ("cbf", "cbv", "cbf_sd"):
        np.testing.assert_allclose(halved[name], plain[name] / 2, rtol=1e-6)


def test_a_later_curve_has_a_later_tmax(clean, aif):
    curves = noisy(clean[:, ::3], 0.2)  # without delay
    late = np.concatenate([curves[:3], curves[:-3]])
    plain, shifted = (posterior_maps(c, aif, 1.0, Bayesian(delay_s=8.0)) for c in (curves, late))
    assert np.median(shifted["tmax"] - plain["tmax"]) == pytest.approx(3, abs=0.7)
    np.testing.assert_allclose(shifted["ttp"] - plain["ttp"], 3)


def test_an_offset_of_the_baseline_is_known_to_be_noise(clean, aif):
    curves = noisy(clean, 2, copies=10)
    offset = np.random.default_rng(3).normal(0, 2 / np.sqrt(2), curves.shape[1])
    truth = np.tile(np.repeat([6, 16, 25, 53], 12) * np.tile(np.repeat([3, 4.5, 7, 12], 3), 4) / 60, 10)

    def error(frames):
        return np.square(
            posterior_maps(curves + offset, aif, 1.0, Bayesian(baseline_frames=frames))["cbv"] - truth
        ).mean()

    assert error(2) < 0.5 * error(10**6)


def test_maps_are_its_means(clean, aif):
    curves = noisy(clean, 2).reshape(50, 6, 8)
    maps = posterior_maps(curves, aif, 1.0, Bayesian(6.0), kappa=0.73)
    for lags in ("circle", "scan"):
        found = perfusion_maps(curves, aif, 1.0, Bayesian(6.0), kappa=0.73, peak_lags=lags)
        assert tuple(found) == NAMES
        for name, values in found.items():
            np.testing.assert_array_equal(values, maps[name])
    assert {"cbf_sd", *NAMES} == set(maps)
    assert all(values.dtype == np.float32 and values.shape == (6, 8) for values in maps.values())
    assert all((maps[name] >= 0).all() for name in ("cbf", "cbv", "mtt", "tmax", "cbf_sd"))


def test_only_the_mask_is_read_and_blocks_do_not_matter(clean, aif, rng):
    curves = noisy(clean, 2, copies=30).astype(np.float32)
    mask = rng.uniform(size=curves.shape[1]) < 0.6
    among = posterior_maps(curves[:, mask].astype(np.float64), aif, 1.0)
    curves[:, ~mask] = np.nan
    maps = posterior_maps(curves, aif, 1.0, mask=mask)
    for name, values in maps.items():
        assert not values[~mask].any()
        np.testing.assert_allclose(values[mask], among[name], rtol=1e-3, atol=1e-4)


def test_nothing_is_nothing_and_a_voxel_of_nothing_has_hardly_a_flow(clean, aif):
    assert not any(values.any() for values in posterior_maps(np.zeros((50, 3)), aif, 1.0).values())
    assert not any(v.any() for v in posterior_maps(clean, aif, 1.0, mask=np.zeros(48, bool)).values())
    one = posterior_maps(np.concatenate([noisy(clean, 0.5), np.zeros((50, 1))], axis=1), aif, 1.0)
    assert 0 <= one["cbf"][-1] < 3
    assert all(np.isfinite(values).all() for values in one.values())


@pytest.mark.parametrize("frames", [3, 5, 12])
def test_short_scans_and_curves_of_all_kinds_have_finite_maps(frames, rng):
    aif = np.zeros(frames)
    aif[1] = 80
    curves = np.repeat(np.array([[0, 0, -1e4, 1e5]], np.float32), frames, axis=0)
    curves = np.concatenate([curves, rng.normal(0, 5, (frames, 20))], axis=1)
    for unlike in (curves, curves[:, 3:4], -curves):
        assert all(np.isfinite(values).all() for values in posterior_maps(unlike, aif, 2.8).values())


def test_what_cannot_be_used_is_named(aif):
    curves = np.ones((50, 3))
    with pytest.raises(DataError, match=r"^aif: got shape \(50,\); allowed: .* above 0 HU"):
        posterior_maps(curves, np.zeros(50), 1.0)
    with pytest.raises(DataError, match=r"^dt_s: got 0; allowed: a frame interval above 0 s"):
        posterior_maps(curves, aif, 0)
    with pytest.raises(DataError, match=r"^mask: got bool of shape \(2,\)"):
        posterior_maps(curves, aif, 1.0, mask=np.ones(2, bool))
    with pytest.raises(DataError, match=r"^concentration: got shape \(49, 3\) with an AIF"):
        posterior_maps(curves[1:], aif, 1.0)
    curves[7, 1] = np.inf
    with pytest.raises(DataError, match=r"^concentration: got NaN or infinity in the mask; allowed: finite curves"):
        posterior_maps(curves, aif, 1.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mtt_s": 0}, r"^mtt_s: got 0; allowed: above 0 s$"),
        ({"delay_s": -1}, r"^delay_s: got -1; allowed: above 0 s$"),
        ({"delay_s": np.nan}, r"^delay_s: got nan; allowed: above 0 s$"),
        ({"model_error": 0}, r"^model_error: got 0; allowed: 0\.001 or more$"),
        ({"baseline_frames": 0}, r"^baseline_frames: got 0; allowed: 1 or more$"),
    ],
)
def test_parameters_out_of_range_are_refused_at_once(values, message):
    with pytest.raises(ValueError, match=message):
        Bayesian(**values)
