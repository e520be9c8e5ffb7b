"""What a scan's noise is like, and noise inserted: planted noise under a bolus, and noise of the simulated scanner."""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from ctpbench.errors import DataError
from ctpbench.perfusion import NoiseStatistics, insert_noise, noise_statistics
from ctpbench.perfusion.noise import combine
from tests import golden

FRAMES, SIZE = 45, 112
TEXTURES = ["white", "smooth 0.7", "smooth 1", "hann"]
FILTERS = [  # in time: their weights, and the correlation of neighbouring frames that they make
    ((0.25, 0.5, 0.25), golden.expected("filter_in_time.hann")),
    ((0.5, 0.5), golden.expected("filter_in_time.pair")),
]


def disc(radius_px, size=SIZE, slices=1):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.repeat((np.hypot(y, 0.9 * x) < radius_px)[np.newaxis], slices, axis=0)


TISSUE, HEAD = disc(44), disc(50)


def planted_noise(texture="white", sd_hu=8.0, seed=0, frames=FRAMES, slices=1, size=SIZE):
    """Noise of sd `sd_hu`, independent from frame to frame and slice to slice, (time, z, y, x)."""
    noise = np.random.default_rng(seed).normal(size=(frames, slices, size, size))
    if texture.startswith("smooth"):
        sigma_px = float(texture.split()[1])
        noise = ndimage.gaussian_filter(noise, (0, 0, sigma_px, sigma_px), mode="wrap")
    elif texture == "hann":  # of filtered backprojection: the ramp's rise, the window's fall
        f = np.hypot(np.fft.fftfreq(size)[:, np.newaxis], np.fft.fftfreq(size))
        window = 0.5 + 0.5 * np.cos(np.pi * np.minimum(2 * f, 1))
        noise = np.fft.ifft2(np.fft.fft2(noise) * np.sqrt(f) * window).real
    return noise * (sd_hu / noise.std())


def bolus(amplitude_hu=40.0, frames=FRAMES, slices=1, size=SIZE):
    """Brain with gray and white matter, of which gray enhances up to `amplitude_hu` and white hardly."""
    t = np.maximum(np.arange(frames) - 10, 0) / 6
    curve = t**3 * np.exp(3 - 3 * t) + 0.1 * (t > 1)
    pattern = ndimage.gaussian_filter(np.random.default_rng(99).normal(size=(slices, size, size)), (0, 4, 4))
    gray = np.clip(0.5 + 0.25 * pattern / pattern.std(), 0, 1)
    return 28 + 8 * gray + amplitude_hu * curve[:, np.newaxis, np.newaxis, np.newaxis] * gray


def filtered(series, weights):
    """Filtered in time as some scanners do; the ends, where a filter would see other noise, are cut off."""
    return ndimage.convolve1d(series, weights, axis=0)[1:-1]


def correlation(noise, mask, axis):
    """Correlation of neighbours along an axis of true noise: the naive twin."""
    after, before = [slice(None)] * 4, [slice(None)] * 4
    after[axis], before[axis] = slice(1, None), slice(None, -1)
    both = np.broadcast_to(mask, noise.shape)
    both = both[tuple(after)] & both[tuple(before)]
    return np.corrcoef(noise[tuple(after)][both], noise[tuple(before)][both])[0, 1]


@pytest.mark.parametrize("amplitude_hu", [0, 40])
@pytest.mark.parametrize("texture", TEXTURES)
def test_noise_is_found_under_a_bolus(texture, amplitude_hu):
    noise = planted_noise(texture)
    found = noise_statistics(bolus(amplitude_hu) + noise, TISSUE)
    assert found.sd_hu == pytest.approx(8, rel=0.03)
    assert abs(found.corr_time) < 0.03
    assert found.corr_rows == pytest.approx(correlation(noise, TISSUE, 2), abs=0.02)
    assert found.corr_columns == pytest.approx(correlation(noise, TISSUE, 3), abs=0.02)
    assert math.isnan(found.corr_slices)


@pytest.mark.parametrize("sd_hu", [5, 12])
@pytest.mark.parametrize(("weights", "correlated"), FILTERS)
@pytest.mark.parametrize("texture", ["white", "hann"])
def test_a_filter_in_time_is_found(texture, weights, correlated, sd_hu):
    scan = filtered(bolus() + planted_noise(texture, sd_hu), weights)
    found = noise_statistics(scan, TISSUE)
    assert found.corr_time == correlated.approx()
    assert found.sd_hu == pytest.approx(sd_hu * np.linalg.norm(weights), rel=0.04)


def test_noise_that_goes_with_the_local_mean_is_put_back():
    noise, mask = planted_noise("smooth 2", slices=4), disc(44, slices=4)
    found = noise_statistics(noise, mask)
    assert found.sd_hu == pytest.approx(noise[:, mask].std(), rel=0.015)
    assert found.corr_rows == pytest.approx(correlation(noise, mask, 2), abs=0.005)


def test_rows_and_columns_are_told_apart():
    noise = ndimage.gaussian_filter1d(planted_noise(), 0.6, axis=2)
    found = noise_statistics(noise, TISSUE)
    assert found.corr_rows == pytest.approx(correlation(noise, TISSUE, 2), abs=0.02)
    assert found.corr_rows > 0.4
    assert abs(found.corr_columns) < 0.02


def test_overlapping_slices_are_correlated():
    apart = planted_noise("hann", slices=5)
    overlapping = (apart[:, :-1] + apart[:, 1:]) / np.sqrt(2)
    mask = disc(44, slices=4)
    assert noise_statistics(overlapping, mask).corr_slices == pytest.approx(0.5, abs=0.03)
    assert noise_statistics(apart[:, :4], mask).corr_slices == pytest.approx(0, abs=0.03)


def test_slices_without_common_tissue_have_no_correlation():
    mask = disc(44, slices=3)
    mask[1] = False
    found = noise_statistics(planted_noise(slices=3), mask)
    assert math.isnan(found.corr_slices)
    assert found.sd_hu == pytest.approx(8, rel=0.03)


def test_what_does_not_change_does_not_count():
    noise = planted_noise("smooth 0.7")
    anatomy = np.random.default_rng(1).uniform(0, 60, size=noise.shape[1:])
    bare, within = noise_statistics(noise, TISSUE), noise_statistics(noise + anatomy, TISSUE)
    assert within.sd_hu == pytest.approx(bare.sd_hu, rel=1e-4)
    assert within.corr_time == pytest.approx(bare.corr_time, abs=1e-4)


def test_twice_the_noise_is_twice_the_sd():
    noise = planted_noise("hann")
    once, twice = noise_statistics(noise, TISSUE), noise_statistics(2 * noise, TISSUE)
    assert twice.sd_hu == pytest.approx(2 * once.sd_hu, rel=1e-5)
    assert twice.corr_rows == pytest.approx(once.corr_rows, abs=1e-5)


def test_a_rim_that_flickers_beside_the_skull_does_not_count():
    scan = bolus() + planted_noise("hann")
    rim = TISSUE[0] & ~ndimage.binary_erosion(TISSUE[0])
    scan[:, 0, rim] += 80 * np.random.default_rng(2).normal(size=(FRAMES, 1))
    found = noise_statistics(scan, TISSUE)
    assert found.sd_hu == pytest.approx(8, rel=0.06)
    assert abs(found.corr_time) < 0.05


def test_outside_the_tissue_anything_may_happen():
    noise = planted_noise()
    wild = np.where(TISSUE, noise, 1000 * planted_noise(seed=1))
    assert noise_statistics(wild, TISSUE) == noise_statistics(noise, TISSUE)


def test_uneven_noise_is_averaged_as_variance():
    level = uneven_level()
    found = noise_statistics(planted_noise("hann", 1.0) * level, TISSUE)
    assert found.sd_hu == pytest.approx(np.sqrt((level[TISSUE] ** 2).mean()), rel=0.03)


def test_few_frames_are_enough():
    scan = bolus(frames=24, amplitude_hu=20) + planted_noise("hann", frames=24)
    found = noise_statistics(scan, TISSUE)
    assert found.sd_hu == pytest.approx(8, rel=0.05)
    assert abs(found.corr_time) < 0.06


CHECKERED = TISSUE & (np.indices(TISSUE.shape).sum(axis=0) % 2 == 0)


@pytest.mark.parametrize(
    ("frames", "tissue", "message"),
    [
        (planted_noise(), disc(7), "tissue: got 0 voxels"),
        (planted_noise(slices=9), disc(6, slices=9), "tissue: got 0 voxels"),
        (planted_noise(), CHECKERED, "no two neighbouring"),
        (planted_noise(), TISSUE[0], "tissue: got bool of shape"),
        (planted_noise(), TISSUE.astype(int), "tissue: got int64"),
        (planted_noise(frames=7), TISSUE, "8 frames or more"),
        (planted_noise()[:, 0], TISSUE, "4 axes"),
        (np.where(TISSUE, np.nan, planted_noise()), TISSUE, "finite"),
        (np.ones((20, *TISSUE.shape)), TISSUE, "no change"),
    ],
)
def test_statistics_refuse_what_they_cannot_measure(frames, tissue, message):
    with pytest.raises(DataError, match=message):
        noise_statistics(frames, tissue)


def test_slabs_are_pooled_as_variances():
    lower, upper = NoiseStatistics(6, 0.1, 0.5, 0.4, 0.2), NoiseStatistics(10, 0.3, 0.7, 0.6, math.nan)
    whole = combine([(lower, 300), (upper, 100)])
    assert whole.sd_hu == pytest.approx(math.sqrt((36 * 300 + 100 * 100) / 400))
    assert whole.corr_time == pytest.approx((0.1 * 36 * 300 + 0.3 * 100 * 100) / (36 * 300 + 100 * 100))
    assert whole.corr_slices == 0.2
    assert math.isnan(combine([(upper, 1)]).corr_slices)
    assert combine([(lower, 7)]).corr_rows == pytest.approx(0.5)


def test_slabs_together_are_the_scan():
    scan, mask = planted_noise("hann", slices=4), disc(44, slices=4)
    scan[:, 2:] *= 1.5
    parts = [(noise_statistics(scan[:, z], mask[z]), int(mask[z].sum())) for z in (slice(0, 2), slice(2, 4))]
    whole, pooled = noise_statistics(scan, mask), combine(parts)
    assert pooled.sd_hu == pytest.approx(whole.sd_hu, rel=0.01)
    assert pooled.corr_time == pytest.approx(whole.corr_time, abs=0.01)
    assert pooled.corr_rows == pytest.approx(whole.corr_rows, abs=0.01)


@pytest.mark.parametrize("parts", [[], [(NoiseStatistics(6, 0, 0, 0, 0), 0)]])
def test_no_slab_has_no_noise(parts):
    with pytest.raises(DataError, match="allowed: one slab or more"):
        combine(parts)


# Inserting noise.


def uneven_level():
    """10 HU in the centre, 6 at the edge of the head."""
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    return (10 - 4 * np.minimum(np.hypot(y, 0.9 * x) / 50, 1) ** 2)[np.newaxis]


def inserted(scan, dose_fraction, seed=5, head=HEAD):
    scan = np.asarray(scan, dtype=np.float32)
    result = insert_noise(scan, head, dose_fraction, np.random.default_rng(seed))
    assert result.dtype == np.float32
    return result, result.astype(np.float64) - scan


def radial_power(noise, bands=8):
    """Mean power in bands of equal width up to the Nyquist frequency, of nine windowed blocks of 32 x 32 px."""
    middle, window = noise.shape[-1] // 2, np.outer(np.hanning(32), np.hanning(32))
    f = np.hypot(np.fft.fftfreq(32)[:, np.newaxis], np.fft.fftfreq(32))
    band = (f * 2 * bands).astype(int)
    power = np.zeros_like(f)
    for y, x in itertools.product((middle - 28, middle - 16, middle - 4), repeat=2):
        power += (np.abs(np.fft.fft2(noise[..., y : y + 32, x : x + 32] * window)) ** 2).mean(axis=(0, 1))
    return (np.bincount(band.ravel(), power.ravel()) / np.bincount(band.ravel()))[:bands]


@pytest.mark.parametrize("dose_fraction", [0.75, 0.5, 0.1])
@pytest.mark.parametrize("texture", ["white", "hann"])
def test_variance_goes_with_one_over_dose(texture, dose_fraction):
    scan = bolus() + planted_noise(texture)
    result, _ = inserted(scan, dose_fraction)
    noise = (result - bolus())[:, HEAD]
    assert noise.std() == pytest.approx(8 / np.sqrt(dose_fraction), rel=0.03)


@pytest.mark.parametrize("texture", TEXTURES)
def test_inserted_noise_has_the_texture_of_the_scan(texture):
    noise = planted_noise(texture, slices=4)
    _, added = inserted(bolus(slices=4) + noise, 0.5, head=disc(50, slices=4))
    got, expected = radial_power(added), radial_power(noise)
    np.testing.assert_allclose(got, expected, rtol=0.1, atol=0.03 * expected.max())


def test_streaks_along_rows_stay_along_rows():
    noise = ndimage.gaussian_filter1d(planted_noise(), 1.0, axis=3)
    _, added = inserted(noise, 0.5)
    for axis in (2, 3):
        assert correlation(added, HEAD, axis) == pytest.approx(correlation(noise, HEAD, axis), abs=0.03)


def test_inserted_noise_is_independent_of_time_slice_and_scan():
    noise, head = planted_noise("hann", slices=3), disc(50, slices=3)
    _, added = inserted(noise, 0.5, head=head)
    assert abs(correlation(added, head, 0)) < 0.01
    assert abs(correlation(added, head, 1)) < 0.01
    assert abs(np.corrcoef(added[:, head].ravel(), noise[:, head].ravel())[0, 1]) < 0.01


def test_mean_curves_stay():
    _, added = inserted(bolus() + planted_noise(), 0.25)
    means, sd_of_means = added[:, HEAD].mean(axis=1), added[:, HEAD].std() / np.sqrt(HEAD.sum())
    assert np.abs(means).max() < 4.5 * sd_of_means
    assert abs(means.mean()) < 4.5 * sd_of_means / np.sqrt(FRAMES)


def test_the_level_follows_the_scan():
    level = uneven_level()
    _, added = inserted(bolus() + planted_noise("hann", 1.0) * level, 0.5)
    for region in (disc(15), disc(50) & ~disc(42)):
        expected = np.sqrt((level[region] ** 2).mean())
        assert added[:, region].std() == pytest.approx(expected, rel=0.05)
    assert added[:, disc(15)].std() > 1.3 * added[:, disc(50) & ~disc(42)].std()


def test_bone_and_its_flicker_do_not_raise_the_level():
    scan = bolus() + planted_noise("hann")
    bone = disc(50) & ~disc(46)
    scan[:, bone] += 900 + 60 * np.random.default_rng(3).normal(size=(FRAMES, 1))
    _, added = inserted(scan, 0.5)
    assert added[:, TISSUE].std() == pytest.approx(8, rel=0.05)
    assert added[:, bone].std() == pytest.approx(8, rel=0.1)


def test_vessels_do_not_raise_the_level():
    scan = bolus() + planted_noise("hann", sd_hu=4)
    vessel = ndimage.binary_dilation(np.random.default_rng(4).random(TISSUE.shape) < 0.002, np.ones((1, 3, 3)))
    scan[:, vessel] += (bolus() - bolus(0))[:, vessel] * 6 + 20
    _, added = inserted(scan, 0.5)
    assert added[:, TISSUE].std() == pytest.approx(4, rel=0.05)


def test_outside_the_head_nothing_changes():
    scan = (bolus() + planted_noise()).astype(np.float32)
    result, added = inserted(scan, 0.1)
    np.testing.assert_array_equal(result[:, ~HEAD], scan[:, ~HEAD])
    assert (added[:, HEAD] != 0).mean() > 0.99


def test_the_generator_decides():
    scan = bolus() + planted_noise()
    np.testing.assert_array_equal(inserted(scan, 0.5, seed=1)[0], inserted(scan, 0.5, seed=1)[0])
    assert np.abs(inserted(scan, 0.5, seed=1)[0] - inserted(scan, 0.5, seed=2)[0]).max() > 1


@pytest.mark.parametrize(("dose_fraction", "head"), [(1, HEAD), (0.5, np.zeros_like(HEAD))])
def test_where_nothing_is_to_be_added_a_copy_returns(dose_fraction, head):
    scan = planted_noise().astype(np.float32)
    result, added = inserted(scan, dose_fraction, head=head)
    assert not added.any()
    assert not np.shares_memory(result, scan)


def test_a_scan_without_noise_gets_none():
    _, added = inserted(np.full((20, *HEAD.shape), 35.0), 0.5)
    assert not added.any()


@pytest.mark.parametrize("dose_fraction", [0, -0.5, 1.01, math.nan, math.inf])
def test_a_dose_that_is_none_is_refused(dose_fraction):
    with pytest.raises(DataError, match=r"dose_fraction: got .* allowed: above 0, up to 1"):
        inserted(planted_noise(), dose_fraction)


def test_a_head_of_bone_is_refused():
    with pytest.raises(DataError, match="soft tissue: got 0 voxels"):
        inserted(900 + planted_noise(), 0.5)


# True noise of filtered backprojection.


@pytest.fixture(scope="module", params=["hann", "ramp"])
def scanned(request):
    """Three slices of the phantom at 1e5 photons per ray: frames, their true noise, tissue and head."""
    from ctpbench_phantom.phantom import Phantom

    phantom = Phantom(
        size_px=64, pixel_mm=3.2, views=240, detectors=96, frames=FRAMES, test_slices=3, window=request.param
    )
    cases = [phantom.load(case_id, 1e5) for case_id in phantom.cases("test")]
    frames = np.concatenate([case.observation.frames.values for case in cases], axis=1)
    clean = np.concatenate([case.truth.frames.values for case in cases], axis=1)
    tissue = np.concatenate([case.observation.tissue for case in cases])
    return SimpleNamespace(frames=frames, noise=frames - clean, tissue=tissue, head=clean[0] > -500)


def test_the_scanners_noise_is_measured(scanned):
    found = noise_statistics(scanned.frames, scanned.tissue)
    assert found.sd_hu == pytest.approx(scanned.noise[:, scanned.tissue].std(), rel=0.03)
    assert abs(found.corr_time) < 0.05
    assert abs(found.corr_slices) < 0.05
    assert found.corr_rows == pytest.approx(correlation(scanned.noise, scanned.tissue, 2), abs=0.03)
    assert found.corr_columns == pytest.approx(correlation(scanned.noise, scanned.tissue, 3), abs=0.03)


@pytest.mark.parametrize(("weights", "correlated"), FILTERS)
def test_the_scanners_noise_filtered_in_time_is_recognised(scanned, weights, correlated):
    found = noise_statistics(filtered(scanned.frames, weights), scanned.tissue)
    assert found.corr_time == correlated.approx()


def test_noise_inserted_is_like_the_scanners(scanned):
    _, added = inserted(scanned.frames, 0.5, head=scanned.head)
    sd_hu = scanned.noise[:, scanned.tissue].std()
    assert added[:, scanned.tissue].std() == pytest.approx(sd_hu, rel=0.05)
    got, expected = radial_power(added), radial_power(scanned.noise)
    # The scanner's own texture differs from place to place; the lowest band keeps a little of the bolus.
    np.testing.assert_allclose(got[1:], expected[1:], rtol=0.12, atol=0.01 * expected.max())
    assert got[0] == pytest.approx(expected[0], rel=0.3)
