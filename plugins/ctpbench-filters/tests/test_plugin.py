"""What the package offers, and what holds for all of its denoisers."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

import ctpbench_filters
from ctpbench import FrameDenoiser
from ctpbench.testing import parametrize_with_checks
from ctpbench_filters.bilateral import Bilateral
from ctpbench_filters.gaussian import Gaussian
from ctpbench_filters.gaussian_st import GaussianSt
from ctpbench_filters.identity import Identity
from ctpbench_filters.lowrank import Lowrank
from ctpbench_filters.lowrank_nl import LowrankNl
from ctpbench_filters.tips import Tips
from ctpbench_filters.tips_pca import TipsPca
from ctpbench_filters.ttv import Ttv

DENOISERS = [
    Identity(),
    Gaussian(),
    GaussianSt(),
    Tips(),
    Bilateral(),
    TipsPca(),
    Lowrank(),
    LowrankNl(),
    Ttv(beta_space_hu2s=500, beta_time_hu2s=50),
]


def answer(denoiser, frames, context):
    if isinstance(denoiser, FrameDenoiser):
        return denoiser.denoise(frames, context)
    concentration = frames.copy(data=frames.values - frames.values[:2].mean(axis=0))
    return denoiser.deconvolve(concentration, context)


@parametrize_with_checks(DENOISERS)
def test_conforms(component, check):
    check(component)


def test_names():
    classes = ctpbench_filters.ctpbench_denoisers()
    names = "none gaussian gaussian_st bilateral tips tips_pca lowrank lowrank_nl ttv"
    assert " ".join(denoiser.name for denoiser in classes) == names


def test_listing_imports_nothing_heavy():
    code = "import sys, ctpbench_filters; print({'numba', 'scipy', 'torch'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


@pytest.mark.parametrize(
    ("denoiser", "parameters"),
    [
        (Gaussian, {"sigma_px": 0}),
        (Gaussian, {"sigma_px": 51}),
        (Gaussian, {"sigma": 2}),
        (Tips, {"window_px": 1}),
        (Tips, {"window_px": 10}),
        (Tips, {"window_px": 43}),
        (Tips, {"sigma_t_hu": 0}),
        (Tips, {"sigma_s_px": -1}),
        (GaussianSt, {"sigma_t_s": 0}),
        (Bilateral, {"sigma_r_hu": 0}),
        (Bilateral, {"window_px": 4}),
        (TipsPca, {"sigma_c_hu": 0}),
        (TipsPca, {"window_px": 4}),
        (Lowrank, {"rank": -1}),
        (LowrankNl, {"rank": 0}),
        (LowrankNl, {"h": 0}),
        (LowrankNl, {"window_px": 4}),
        (Ttv, {"beta_space_hu2s": -1}),
        (Ttv, {"beta_time_hu2s": float("nan")}),
        (Ttv, {"lambda_rel": 0}),
        (Ttv, {"tolerance": 0}),
        (Ttv, {"tolerance": 1}),
        (Ttv, {"max_iterations": 0}),
        (Ttv, {"preset": "paper"}),
    ],
)
def test_parameters_out_of_range_are_refused(denoiser, parameters):
    with pytest.raises(ValidationError, match=next(iter(parameters))):
        denoiser(**parameters)


@pytest.mark.parametrize(
    ("preset", "betas"), [("paper_1e5", (3.7e4, 4.9e3)), ("paper_2e5", (2.5e4, 5e3)), ("paper_1e6", (5e3, 5e3))]
)
def test_a_preset_of_ttv_has_the_papers_values_and_what_is_given_wins(preset, betas):
    made = Ttv(preset=preset)
    assert (made.beta_space_hu2s, made.beta_time_hu2s, made.max_iterations) == (*betas, 30)
    assert Ttv(**made.model_dump()) == made
    assert Ttv(preset=preset, max_iterations=7).max_iterations == 7
    assert Ttv(preset="default") == Ttv()


@pytest.mark.parametrize("window_px", [3, 41])
def test_windows_at_the_ends_of_their_range_are_allowed(window_px):
    assert Tips(window_px=window_px).window_px == window_px


@pytest.mark.parametrize("denoiser", DENOISERS, ids=lambda denoiser: denoiser.name)
def test_one_thread_and_two_give_the_same_bits(denoiser, make_frames, context):
    frames = make_frames((8, 2, 31, 37))
    one, two = (answer(denoiser, frames, replace(context, threads=threads)).values for threads in (1, 2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("denoiser", DENOISERS, ids=lambda denoiser: denoiser.name)
def test_slices_are_filtered_one_by_one(denoiser, make_frames, context):
    frames = make_frames((8, 3, 12, 15))
    together = answer(denoiser, frames, context).values
    alone = [answer(denoiser, frames.isel(z=[z]), context).values for z in range(3)]
    np.testing.assert_allclose(together, np.concatenate(alone, axis=1), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("denoiser", DENOISERS[1:], ids=lambda denoiser: denoiser.name)
def test_progress_rises_to_one(denoiser, make_frames, context):
    heard = []
    answer(denoiser, make_frames(), replace(context, progress=lambda fraction, text: heard.append(fraction)))
    assert heard == sorted(heard)
    assert heard[-1] == 1


def test_none_returns_the_frames(make_frames, context):
    frames = make_frames()
    assert Identity().denoise(frames, context).identical(frames)
