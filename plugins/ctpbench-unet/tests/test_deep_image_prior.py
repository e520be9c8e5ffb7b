"""A network that is fitted to the slice it denoises: to its signal, in its tissue, and the same each time."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ctpbench import Observation
from ctpbench.testing import example_case
from ctpbench_unet import DeepImagePrior
from ctpbench_unet.prior import PriorRecipe, fit_prior

SMALL = {"width": 8, "depth": 3, "input_channels": 8, "precision": "float32"}
RECIPE = PriorRecipe(**SMALL, steps=200, learning_rate=5e-3, clip=0.3, average=0.9)


def fitted(images, tissue, recipe=RECIPE, *, seed=0, heard=None):
    return fit_prior(
        torch.from_numpy(images.astype(np.float32)),
        torch.from_numpy(tissue.astype(np.float32)),
        recipe,
        seed=seed,
        device="cpu",
        n_threads=1,
        progress=(heard if heard is not None else []).append,
    )


@pytest.fixture
def smooth():
    """Two images without noise, and a tissue that fills most of them."""
    y, x = np.indices((32, 40))
    tissue = np.hypot(y - 15.5, (x - 19.5) / 1.2) < 15
    return np.stack([2 * np.sin(x / 8) * np.cos(y / 9), np.cos(x / 11 + y / 7)]), tissue


def test_smooth_images_are_reproduced(smooth):
    images, tissue = smooth
    error = (fitted(images, tissue).numpy() - images)[:, tissue]
    assert np.sqrt((error**2).mean()) < 0.1 * images[:, tissue].std()


def test_the_signal_is_met_before_the_noise(smooth):
    images, tissue = smooth
    noisy = images + np.random.default_rng(1).normal(0, 0.6, images.shape)
    early, late = (fitted(noisy, tissue, replace(RECIPE, steps=steps)).numpy() for steps in (60, 1000))
    missed_early, missed_late = (np.sqrt(((answer - images)[:, tissue] ** 2).mean()) for answer in (early, late))
    assert missed_early < 0.6 * 0.6
    assert missed_late > 1.5 * missed_early


def test_what_lies_outside_the_tissue_is_not_fitted(smooth):
    images, tissue = smooth
    recipe = replace(RECIPE, steps=20)
    other = np.where(tissue, images, 1e4)
    assert torch.equal(fitted(images, tissue, recipe), fitted(other, tissue, recipe))


def test_the_answer_is_the_average_of_the_steps_answers(smooth):
    """A single step answers with nothing, as a new network does; the average of the next ones lags behind the last."""
    images, tissue = smooth
    assert not fitted(images, tissue, replace(RECIPE, steps=1)).any()
    last = [fitted(images, tissue, replace(RECIPE, steps=steps, average=0.0)).numpy() for steps in (1, 2, 3)]
    expected = np.zeros_like(last[0])
    for step, answer in enumerate(last, start=1):
        expected += (1 - step / (step + 10)) * (answer - expected)
    averaged = fitted(images, tissue, replace(RECIPE, steps=3, average=0.99)).numpy()
    np.testing.assert_allclose(averaged, expected, atol=1e-6)


def test_its_seed_decides_input_and_weights_and_nothing_else_does(smooth):
    images, tissue = smooth
    recipe, before = replace(RECIPE, steps=20), torch.get_rng_state()
    first, second, other = (fitted(images, tissue, recipe, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_every_step_is_reported(smooth):
    heard = []
    fitted(*smooth, replace(RECIPE, steps=7), heard=heard)
    assert heard == [1, 2, 3, 4, 5, 6, 7]


# -- as a denoiser ---


def denoised(frames, context, *, seed=0, **parameters):
    return DeepImagePrior(**SMALL | parameters).denoise(frames, replace(context, rng=np.random.default_rng(seed)))


def test_it_comes_nearer_to_the_truth_than_the_noisy_frames(context):
    case = example_case(rows=32, columns=32, noise_hu=10, slices=1)
    frames, tissue = case.observation.frames, case.observation.tissue
    answer = denoised(frames, context, steps=80, learning_rate=5e-3, average=0.9)
    before, after = (np.sqrt(((each - case.truth.frames).values[:, tissue] ** 2).mean()) for each in (frames, answer))
    assert after < 0.5 * before


def test_other_pixels_pass_unfiltered_and_tissue_does_not(context):
    frames = example_case().observation.frames
    inside = Observation(frames).tissue
    answer = denoised(frames, context, steps=3)
    np.testing.assert_array_equal(answer.values[:, ~inside], frames.values[:, ~inside])
    assert (answer.values[:, inside] != frames.values[:, inside]).mean() > 0.99
    assert answer.coords.identical(frames.coords)


def test_each_slice_has_a_random_input_of_its_own_from_the_contexts_generator(context):
    frames = example_case(slices=2).observation.frames
    first, second, other = (denoised(frames, context, steps=4, seed=seed).values for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    same = frames.isel(z=[0, 0])
    twins = denoised(same, context, steps=4).values
    assert (twins[:, 0] != twins[:, 1]).any()


def test_progress_goes_from_slice_to_slice_to_the_end(context):
    heard = []
    listening = replace(context, progress=lambda share, text: heard.append((share, text)))
    denoised(example_case(slices=2).observation.frames, listening, steps=4)
    assert [share for share, _ in heard] == pytest.approx(np.arange(1, 9) / 8)
    assert heard[5][1] == "slice 2 of 2, step 2 of 4"


@pytest.mark.parametrize("frames", [3, 4])
def test_no_more_components_are_taken_than_there_are(context, frames):
    scan = example_case(frames=frames).observation.frames
    assert np.isfinite(denoised(scan, context, steps=2, rank=20)).all()


def test_without_tissue_nothing_is_filtered(context):
    frames = example_case().observation.frames.copy(deep=True)
    frames["vessels"][:] = True
    np.testing.assert_array_equal(denoised(frames, context, steps=2), frames)
