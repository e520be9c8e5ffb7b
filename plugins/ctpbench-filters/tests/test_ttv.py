"""TTV against the Tikhonov answer, against a slow minimiser, and its certificate."""

from itertools import pairwise

import numpy as np
import pytest

from ctpbench import DataError
from ctpbench.perfusion import Tikhonov, circulant_matrix, deconvolve
from ctpbench_filters.ttv import Ttv

from . import naive

DT_S, LAMBDA_REL = 1.5, 0.3
WEAK, STRONG = (30.0, 8.0), (800.0, 200.0)


def minimised(scan, betas, *, tolerance=1e-5, max_iterations=5000, scale=1.0):
    from ctpbench_filters._ttv_solver import Penalty, minimise

    concentration, mask, aif = scan
    return minimise(
        scale * concentration,
        mask,
        circulant_matrix(scale * aif, DT_S),
        Penalty(*(scale**2 * beta for beta in betas), LAMBDA_REL),
        tolerance=tolerance,
        max_iterations=max_iterations,
        threads=2,
    )


def costs(residues, scan, betas):
    concentration, mask, aif = scan
    return naive.costs(residues, concentration, mask, aif, DT_S, betas, LAMBDA_REL)


@pytest.fixture
def make_scan():
    """Return a function that makes (concentration, mask, aif) of one slice: two tissues, noise, a hole."""

    def make(frames=5, height=4, width=5, noise_hu=2.0, seed=0):
        rng = np.random.default_rng(seed)
        aif = np.zeros(frames)
        aif[1:4] = 40, 90, 30
        residue = np.zeros((2 * frames, height, width))
        residue[:3, :, : width // 2] = 0.02
        residue[:2, :, width // 2 :] = 0.05
        curves = np.tensordot(naive.circulant(aif, DT_S), residue, 1)[:frames]
        mask = np.ones((height, width), bool)
        mask[0, 0] = mask[height // 2, 2] = mask[-1, -2] = False
        return (curves + rng.normal(0, noise_hu, curves.shape)).astype(np.float32), mask, aif

    return make


@pytest.fixture
def scan(make_scan):
    return make_scan()


@pytest.fixture(params=[WEAK, STRONG, (300.0, 0.0), (0.0, 300.0)], ids=str)
def solved(request, scan):
    """A scan, its betas and the slow minimiser's residues."""
    concentration, mask, aif = scan
    return scan, request.param, naive.ttv(concentration, mask, aif, DT_S, request.param, LAMBDA_REL)


def test_without_betas_it_is_the_tikhonov_answer(make_frames, tissue, context):
    frames = make_frames((11, 2, 13, 17))
    concentration = frames.copy(data=frames.values - frames.values[:2].mean(axis=0))
    out = Ttv(beta_space_hu2s=0, beta_time_hu2s=0, lambda_rel=0.2).deconvolve(concentration, context)
    expected = deconvolve(concentration.values, concentration["aif"].values, 1.5, Tikhonov(0.2))
    inside = tissue(frames)
    scale = abs(expected[:, inside]).max()
    np.testing.assert_allclose(out.values[:, inside], expected[:, inside], atol=1e-4 * scale)
    assert (out.values[:, ~inside] == 0).all()
    assert out.attrs["diagnostics"] == {"relative_duality_gap": 0.0, "iterations": 0}


def test_without_betas_it_solves_the_normal_equations(scan):
    concentration, mask, aif = scan
    A = naive.circulant(aif, DT_S)
    H = A.T @ A + naive.ridge(aif, DT_S, LAMBDA_REL) * np.eye(len(A))
    expected = np.linalg.solve(H, A.T @ naive.padded_curves(concentration, mask).T)
    residues = minimised(scan, (0.0, 0.0)).residues[:, mask]
    np.testing.assert_allclose(residues, expected, atol=1e-4 * abs(expected).max())


def test_equals_the_slow_minimiser(solved):
    scan, betas, reference = solved
    solution = minimised(scan, betas)
    assert solution.relative_gap <= 1e-5
    np.testing.assert_allclose(solution.residues, reference, atol=2e-3 * abs(reference).max())
    assert sum(costs(solution.residues, scan, betas)) <= sum(costs(reference, scan, betas)) * (1 + 1e-5)


@pytest.mark.parametrize("iterations", [1, 7, 20, 60])
def test_the_gap_bounds_the_excess_of_the_cost_and_the_error(solved, iterations):
    scan, betas, reference = solved
    solution = minimised(scan, betas, max_iterations=iterations)
    assert solution.iterations <= iterations
    smooth_alone = costs(minimised(scan, (0.0, 0.0)).residues, scan, betas)[0]
    cost = sum(costs(solution.residues, scan, betas))
    gap = solution.relative_gap * (cost - smooth_alone)
    rounding = 1e-6 * cost
    excess = cost - sum(costs(reference, scan, betas))
    assert excess <= gap + rounding
    curvature = naive.ridge(scan[2], DT_S, LAMBDA_REL)
    assert curvature / 2 * ((solution.residues - reference) ** 2).sum() <= gap + rounding


def test_the_gap_is_near_one_at_first_and_shrinks(scan):
    gaps = [minimised(scan, STRONG, max_iterations=n).relative_gap for n in (1, 10, 40, 160)]
    assert 0.9 < gaps[0] <= 1
    assert all(later < 0.8 * earlier for earlier, later in pairwise(gaps))


def test_ends_at_the_tolerance(scan):
    loose, tight = (minimised(scan, STRONG, tolerance=tolerance) for tolerance in (1e-1, 1e-4))
    assert 1e-4 < loose.relative_gap <= 1e-1
    assert tight.relative_gap <= 1e-4
    assert loose.iterations < tight.iterations


def test_too_few_iterations_are_reported_and_no_error(make_frames, context):
    frames = make_frames()
    ttv = Ttv(beta_space_hu2s=5000, beta_time_hu2s=500, tolerance=1e-5, max_iterations=7)
    diagnostics = ttv.deconvolve(frames, context).attrs["diagnostics"]
    assert diagnostics["iterations"] == 7
    assert 1e-5 < diagnostics["relative_duality_gap"] < 1


def test_total_variation_falls_as_beta_rises(scan):
    unit = (1.0, 1.0)
    for direction in ((1.0, 0.0), (0.0, 1.0), (1.0, 0.3)):
        variation = [
            costs(minimised(scan, (beta * direction[0], beta * direction[1])).residues, scan, unit)[1]
            for beta in (0, 10, 100, 1000)
        ]
        assert all(more > less for more, less in pairwise(variation))


def test_a_scan_in_other_units_has_the_same_residues(scan):
    """c, AIF and the square root of beta all in HU: their unit cancels."""
    expected = minimised(scan, STRONG, tolerance=1e-4)
    solution = minimised(scan, STRONG, tolerance=1e-4, scale=1 / 150)
    np.testing.assert_allclose(solution.residues, expected.residues, atol=1e-4 * abs(expected.residues).max())


def test_parts_of_a_mask_that_do_not_touch_are_solved_apart(make_scan):
    concentration, mask, aif = make_scan(width=9)
    mask[:, 4] = False
    left = mask.copy()
    left[:, 4:] = False
    both = minimised((concentration, mask, aif), STRONG).residues
    alone = minimised((concentration, left, aif), STRONG).residues
    np.testing.assert_allclose(both[:, left], alone[:, left], atol=1e-3 * abs(alone).max())


@pytest.mark.parametrize(("frames", "height", "width"), [(4, 1, 1), (5, 1, 7), (6, 7, 1), (7, 3, 6)])
def test_takes_any_shape(make_scan, frames, height, width):
    concentration, _, aif = make_scan(frames, height, 9)
    scan = (concentration[:, :, :width], np.ones((height, width), bool), aif)
    reference = naive.ttv(*scan, DT_S, WEAK, LAMBDA_REL)
    solution = minimised(scan, WEAK)
    np.testing.assert_allclose(solution.residues, reference, atol=2e-3 * abs(reference).max())


def test_a_slice_without_tissue_is_zero(make_frames, context):
    frames = make_frames()
    frames["brain"][0] = False
    out = Ttv(beta_space_hu2s=500).deconvolve(frames, context)
    assert (out.values[:, 0] == 0).all()
    assert (out.values[:, 1] != 0).any()


def test_no_contrast_gives_no_residue(make_frames, context):
    frames = make_frames()
    out = Ttv().deconvolve(frames.copy(data=np.zeros_like(frames.values)), context)
    assert (out.values == 0).all()
    assert out.attrs["diagnostics"]["relative_duality_gap"] == 0


def test_an_aif_that_never_rises_is_refused(scan):
    concentration, mask, aif = scan
    with pytest.raises(DataError, match="aif"):
        minimised((concentration, mask, -aif), WEAK)


def test_residues_carry_their_lags_and_unit(make_frames, context):
    frames = make_frames((7, 2, 13, 17))
    out = Ttv(beta_space_hu2s=500).deconvolve(frames, context)
    assert out.dims == ("lag", "z", "y", "x")
    np.testing.assert_allclose(out["lag"], 1.5 * np.arange(14))
    assert out.attrs["units"] == "1/s"
    assert out.dtype == np.float32
