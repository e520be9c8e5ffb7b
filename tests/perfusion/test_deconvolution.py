"""Deconvolution: the DFT form against the explicit SVD, and its laws."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctpbench.errors import DataError
from ctpbench.perfusion import (
    Osvd,
    Tikhonov,
    Tsvd,
    circulant_length,
    circulant_matrix,
    deconvolve,
    inverse_kernel,
    perfusion_maps,
    subtract_baseline,
)
from ctpbench.perfusion.voxels import PIXEL_BLOCK
from tests import golden, naive

aifs = st.lists(st.floats(0, 500, width=32), min_size=3, max_size=20).filter(lambda a: max(a) > 1)


def relative_error(got, expected):
    return np.abs(got - expected).max() / np.abs(expected).max()


@given(aifs, st.floats(0.3, 3))
def test_matrix_equals_its_definition_and_convolves_causally(aif, dt_s):
    matrix = circulant_matrix(aif, dt_s)
    np.testing.assert_array_equal(matrix, naive.circulant_matrix(aif, dt_s))
    frames = len(aif)
    impulse = np.zeros(circulant_length(frames))
    impulse[1] = 1
    np.testing.assert_array_equal((matrix @ impulse)[: frames + 1], dt_s * np.array([0, *aif]))


def test_negative_samples_of_the_aif_count_as_zero():
    np.testing.assert_array_equal(circulant_matrix([-5, 3, -1], 1), circulant_matrix([0, 3, 0], 1))


@settings(max_examples=30, deadline=None)
@given(aifs, st.floats(0.3, 3), st.floats(0.02, 1))
def test_tikhonov_equals_the_svd(aif, dt_s, lambda_rel):
    curves = np.random.default_rng(len(aif)).normal(0, 10, (len(aif), 3))
    expected = naive.tikhonov(aif, dt_s, curves, lambda_rel)
    assert relative_error(inverse_kernel(aif, dt_s, Tikhonov(lambda_rel)) @ curves, expected) < 1e-9
    assert relative_error(deconvolve(curves, aif, dt_s, Tikhonov(lambda_rel)), expected) < 1e-5


@pytest.mark.parametrize("dt_s", [0.5, 1.0, 2.8])
@pytest.mark.parametrize("threshold_rel", [0.0, 0.1, 0.15, 0.2, 1.0])
def test_tsvd_equals_the_svd(rng, threshold_rel, dt_s):
    aif = rng.uniform(0, 100, 21)  # a rough curve: its singular values are apart and none is near zero
    curves = rng.normal(0, 10, (21, 4))
    expected = naive.tsvd(aif, dt_s, curves, threshold_rel)
    assert relative_error(inverse_kernel(aif, dt_s, Tsvd(threshold_rel)) @ curves, expected) < 1e-9
    got = deconvolve(curves, aif, dt_s, Tsvd(threshold_rel))
    assert relative_error(got, expected) < 1e-5


def test_default_settings_on_a_real_series_equal_the_svd(aif, tissue, rng):
    clean = np.stack([tissue(53, 3.74, 1.0), tissue(25, 4.56), tissue(16, 11.25, 4.0)], axis=1)
    curves = subtract_baseline(clean + rng.normal(0, 3, clean.shape))
    for deconvolution, expected in {
        Tikhonov(): naive.tikhonov(aif, 1.0, curves, 0.3),
        Tsvd(): naive.tsvd(aif, 1.0, curves, 0.15),
        Osvd(): naive.osvd(aif, 1.0, curves, 0.095),
    }.items():
        assert relative_error(deconvolve(curves, aif, 1.0, deconvolution), expected) < 1e-5, deconvolution
    np.testing.assert_array_equal(deconvolve(curves, aif, 1.0), deconvolve(curves, aif, 1.0, Tikhonov()))
    np.testing.assert_array_equal(inverse_kernel(aif, 1.0), inverse_kernel(aif, 1.0, Tikhonov()))


def test_osvd_picks_each_voxels_own_lowest_threshold(rng):
    aif = np.array([0, 5, 80, 100, 60, 30, 15, 8, 4, 2, 1, 1.0])
    truth = circulant_matrix(aif, 1.0)[:12, :6] @ np.array([1, 0.9, 0.6, 0.3, 0.1, 0.0])
    noise = rng.normal(0, 1, (12, 30)) * np.geomspace(0.01, 60, 30)
    curves = (truth[:, np.newaxis] + noise).astype(np.float32)
    got = deconvolve(curves, aif, 1.0, Osvd(0.08))
    expected = naive.osvd(aif, 1.0, curves, 0.08)
    np.testing.assert_allclose(got, expected, atol=1e-5 * np.abs(expected).max())
    kept = {tuple(np.abs(np.fft.rfft(residue)) > 1e-4) for residue in got.T}
    assert len(kept) > 3  # the ladder was used, not one rung for all


def test_osvd_keeps_its_promise_where_the_mean_is_positive(rng):
    aif = rng.uniform(0, 100, 15)
    curves = rng.normal(5, 10, (15, 50)).astype(np.float32)
    residues = deconvolve(curves, aif, 1.0, Osvd(0.05))
    rising = curves.sum(axis=0) > 0
    assert 10 < rising.sum() < 50
    assert all(naive.oscillation(residue) <= 0.05 + 1e-6 for residue in residues.T[rising])
    assert np.isfinite(residues).all()


def test_osvd_of_nothing_is_nothing():
    assert not deconvolve(np.zeros((5, 2)), [0, 1, 2, 1, 0], 1.0, Osvd()).any()


def test_without_regularisation_the_residue_comes_back():
    aif = np.array([0, 100, 60, 30, 10, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0])
    residue = np.zeros((32, 2))
    residue[:8] = np.array([[0.0, 1.0, 1.0, 0.8, 0.5, 0.2, 0.1, 0.0], [0.5, 0.4, 0.3, 0.2, 0.1, 0.0, 0.0, 0.0]]).T
    curves = circulant_matrix(aif, 2.0)[:16] @ residue
    for unregularised in (Tikhonov(0), Tsvd(0)):
        assert np.abs(deconvolve(curves, aif, 2.0, unregularised) - residue).max() < 1e-5
    errors = [np.abs(deconvolve(curves, aif, 2.0, Tikhonov(x)) - residue).max() for x in (0.3, 0.1, 0.03, 0.01)]
    assert errors == sorted(errors, reverse=True)


def test_a_frequency_that_the_aif_lacks_is_left_out_at_zero_regularisation():
    aif = [1.0, 1, 1, 0, 0, 0]  # three equal samples: no third of the sampling rate, but for rounding
    kernel = inverse_kernel(aif, 1.0, Tikhonov(0))
    inverse = np.linalg.pinv(circulant_matrix(aif, 1.0), rcond=1e-12)
    np.testing.assert_allclose(kernel, inverse[:, :6], atol=1e-12)
    np.testing.assert_allclose(inverse_kernel(aif, 1.0, Tsvd(0)), kernel, atol=1e-12)


def test_an_impulse_as_aif_only_damps():
    # smax = dt * peak: the filter is 1 / (s (1 + lambda_rel^2)) at every frequency.
    aif = np.array([4.0, 0, 0, 0])
    kernel = inverse_kernel(aif, 0.5, Tikhonov(0.3))
    assert np.diag(kernel).tolist() == [golden.expected("impulse.kernel").approx()] * 4
    np.testing.assert_allclose(kernel, np.eye(8)[:, :4] * kernel[0, 0], atol=1e-15)


def test_defaults_are_the_usual_ones():
    assert Tikhonov().lambda_rel == golden.expected("tikhonov.lambda_rel").approx()
    assert Osvd().oscillation_index == golden.expected("osvd.oscillation_index").approx()
    lowest, highest = golden.expected("tsvd.threshold_rel").value
    assert lowest < Tsvd().threshold_rel < highest


@pytest.mark.parametrize("deconvolution", [Tikhonov(), Tsvd(), Osvd()])
def test_shape_of_space_and_neighbours_do_not_matter(rng, deconvolution):
    aif = rng.uniform(0, 100, 9)
    curves = rng.normal(3, 10, (9, 70, 3, 41)).astype(np.float32)
    assert curves[0].size > PIXEL_BLOCK  # more than one block
    curves.flags.writeable = False
    residues = deconvolve(curves, aif, 1.0, deconvolution)
    assert residues.shape == (18, 70, 3, 41)
    assert residues.dtype == np.float32
    alone = deconvolve(curves[:, 69, 2, 40], aif, 1.0, deconvolution)
    assert alone.shape == (18,)
    np.testing.assert_allclose(residues[:, 69, 2, 40], alone, rtol=1e-4, atol=1e-6)
    turned = deconvolve(np.asfortranarray(curves), aif, 1.0, deconvolution)
    np.testing.assert_allclose(turned, residues, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("aif", [[0, 0, 0], [-1, -2, 0], [0, np.nan, 1], [[0, 1, 2]], []])
def test_an_aif_that_does_not_rise_is_refused(aif):
    with pytest.raises(DataError, match=r"^aif: got shape .*; allowed: "):
        circulant_matrix(aif, 1.0)


@pytest.mark.parametrize("dt_s", [0.0, -1.0, np.nan, np.inf])
def test_an_interval_must_be_positive(dt_s):
    with pytest.raises(DataError, match=r"^dt_s: got"):
        inverse_kernel([0, 1, 0], dt_s)


def test_concentration_and_aif_are_of_one_length():
    with pytest.raises(DataError, match=r"^concentration: got shape \(4, 2\) with an AIF of shape \(3,\)"):
        deconvolve(np.zeros((4, 2)), [0, 1, 0], 1.0)


@pytest.mark.parametrize(
    ("make", "value", "message"),
    [
        (Tikhonov, -0.1, r"^lambda_rel: got -0\.1; allowed: 0 or more$"),
        (Tikhonov, np.nan, "^lambda_rel: got nan; "),
        (Tsvd, 1.1, r"^threshold_rel: got 1\.1; allowed: 0 to 1$"),
        (Tsvd, -0.1, r"^threshold_rel: got -0\.1; "),
        (Osvd, 0.0, r"^oscillation_index: got 0\.0; allowed: above 0$"),
        (Osvd, np.nan, "^oscillation_index: got nan; "),
    ],
)
def test_parameters_out_of_range_are_refused_at_once(make, value, message):
    with pytest.raises(ValueError, match=message):
        make(value)


@pytest.mark.parametrize("function", [deconvolve, perfusion_maps])
def test_what_is_no_deconvolution_is_refused(function):
    allowed = re.escape("allowed: Tikhonov(...), Tsvd(...), Osvd(...), Gcv(...) or LCurve(...); for maps also Bayesian")
    with pytest.raises(ValueError, match=rf"^deconvolution: got 'tsvd'; {allowed}"):
        function(np.zeros((3, 2)), [0, 1, 0], 1.0, "tsvd")
