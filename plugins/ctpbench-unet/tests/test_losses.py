"""The terms of the loss against their twins, and what they don't see."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ctpbench_unet.losses import LOW_PASS_PX, low_frequencies, low_pass, mean_square

from . import naive

SHAPE = (2, 1, 48, 56)


def images(values):
    return torch.from_numpy(np.asarray(values, np.float32))


@pytest.fixture
def mask():
    """An ellipse in one image, all of the other."""
    y, x = np.mgrid[:48, :56]
    mask = np.ones(SHAPE)
    mask[0, 0] = ((y - 24) / 20) ** 2 + ((x - 28) / 25) ** 2 < 1
    return images(mask)


@pytest.fixture
def difference():
    return images(np.random.default_rng(0).normal(size=SHAPE))


def test_mean_square_equals_its_twin(difference, mask):
    assert float(mean_square(difference, mask)) == pytest.approx(naive.mean_square(difference, mask), rel=1e-5)


@pytest.mark.parametrize("term", [mean_square, low_frequencies])
def test_what_lies_outside_the_mask_does_not_matter(difference, mask, term):
    other = torch.where(mask > 0, difference, difference.flip(0) * 100)
    assert float(term(other, mask)) == float(term(difference, mask))
    assert float(term(other, torch.ones_like(mask))) > 10 * float(term(difference, torch.ones_like(mask)))


@pytest.mark.parametrize("term", [mean_square, low_frequencies])
def test_without_a_pixel_it_is_zero(difference, mask, term):
    assert float(term(difference, torch.zeros_like(mask))) == 0


@given(rows=st.integers(1, 14), columns=st.integers(1, 14), sigma_px=st.floats(0.3, 8), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_low_pass_equals_its_twin(rows, columns, sigma_px, seed):
    image = np.random.default_rng(seed).normal(size=(rows, columns))
    got = low_pass(images(image)[None, None], sigma_px)[0, 0]
    np.testing.assert_allclose(got, naive.low_pass(image, sigma_px), atol=1e-5)


def test_low_pass_is_scipys_away_from_the_border():
    image = np.random.default_rng(0).normal(size=(120, 140))
    expected = ndimage.gaussian_filter(image, 6.0, truncate=9)[45:-45, 45:-45]
    got = low_pass(images(image)[None, None])[0, 0, 45:-45, 45:-45]
    np.testing.assert_allclose(got, expected, atol=2e-6)
    assert expected.std() > 0.03


@pytest.mark.parametrize("shape", [(2, 1, 16, 16), (1, 1, 40, 8), (1, 1, 1, 3)])
def test_low_pass_keeps_a_constant_up_to_the_border(shape):
    torch.testing.assert_close(low_pass(torch.full(shape, 7.0)), torch.full(shape, 7.0))


def test_the_low_pass_has_the_papers_width():
    assert LOW_PASS_PX == 6.0


def test_low_frequencies_equal_their_twin(difference, mask):
    """Eq. 9 of one batch, inside the mask."""
    smooth = np.array([[naive.low_pass(image, 6.0)] for image in (difference * mask)[:, 0].numpy()])
    expected = naive.mean_square(smooth, mask)
    assert float(low_frequencies(difference, mask)) == pytest.approx(expected, rel=1e-4)


def test_a_checkerboard_is_free_and_an_offset_is_not(mask):
    """Only low frequencies are tied to the noisy concentration."""
    checkerboard = images(np.indices(SHAPE).sum(axis=0) % 2 * 2 - 1)
    assert float(mean_square(checkerboard, mask)) == 1
    assert float(low_frequencies(checkerboard, mask)) < 1e-3
    everywhere = torch.ones_like(mask)
    assert float(low_frequencies(everywhere, everywhere)) == pytest.approx(1, rel=1e-5)
    assert float(low_frequencies(everywhere, mask)) > 0.5


def test_white_noise_is_nearly_free(mask):
    """What a Gaussian leaves of white noise is 1 / (4 pi sigma^2) of its variance: 0.2%."""
    noise = images(np.random.default_rng(0).normal(size=(1, 1, 256, 256)))
    got = float(low_frequencies(noise, torch.ones_like(noise)))
    assert got == pytest.approx(1 / (4 * np.pi * 6**2), rel=0.3)
