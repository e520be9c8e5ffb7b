"""SSIM and PSNR."""

import math

import numpy as np
import pytest
from pydantic import ValidationError
from skimage.metrics import structural_similarity

from ctpbench import MAPS, DataError
from ctpbench_metrics.maps import Rmse
from ctpbench_metrics.similarity import Psnr, Ssim, psnr, ssim

RANGES = {"cbf": 80.0, "cbv": 6.0, "mtt": 10.0, "ttp": 50.0, "tmax": 12.0}


def naive_ssim(prediction, reference, mask, data_range):
    """Wang 2004, eq. 13, pixel by pixel: 11 x 11 Gaussian window of sigma 1.5, edges mirrored."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    found = []
    for p, r, m in zip(prediction, reference, mask, strict=True):
        p, r = (np.pad(np.where(m, side, 0), 5, mode="symmetric") for side in (p, r))
        for y, x in np.argwhere(m):
            a, b = p[y : y + 11, x : x + 11], r[y : y + 11, x : x + 11]
            ma, mb = (window * a).sum(), (window * b).sum()
            va, vb = (window * (a - ma) ** 2).sum(), (window * (b - mb) ** 2).sum()
            cov = (window * (a - ma) * (b - mb)).sum()
            found.append((2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
    return np.mean(found)


@pytest.fixture
def noisy():
    rng = np.random.default_rng(6)
    reference = rng.uniform(5, 60, (3, 12, 14))
    mask = rng.random(reference.shape) < 0.7
    mask[2] = False
    return reference + rng.normal(0, 6, reference.shape), reference, mask


def test_ssim_equals_its_naive_twin(noisy):
    assert ssim(*noisy, 80.0) == pytest.approx(naive_ssim(*noisy, 80.0), abs=1e-10)


@pytest.mark.parametrize("data_range", [80.0, None])
def test_the_papers_ssim_is_scikit_images_default(noisy, data_range):
    """Slice by slice, 7 x 7 pixels, of the maps set to 0 outside the mask; then the mean over its voxels."""
    images, inside = [], []
    for p, r, m in zip(*noisy, strict=True):
        if m.any():
            p, r = np.where(m, p, 0), np.where(m, r, 0)
            extent = p.max() - p.min() if data_range is None else data_range
            images.append(structural_similarity(p, r, data_range=extent, full=True)[1])
            inside.append(m)
    expected = np.stack(images)[np.stack(inside)].mean()
    assert ssim(*noisy, data_range, "uniform") == pytest.approx(expected, abs=1e-12)


def test_a_uniform_window_equals_its_naive_twin(noisy):
    """49 pixels alike, moments over 48, edges mirrored."""
    p, r, mask = noisy
    found = []
    c1, c2 = (0.01 * 80) ** 2, (0.03 * 80) ** 2
    for z, y, x in np.argwhere(mask):
        a, b = (
            np.pad(np.where(mask[z], side[z], 0), 3, mode="symmetric")[y : y + 7, x : x + 7].ravel() for side in (p, r)
        )
        cov = np.cov(a, b)
        means = a.mean(), b.mean()
        found.append(
            (2 * means[0] * means[1] + c1)
            * (2 * cov[0, 1] + c2)
            / ((means[0] ** 2 + means[1] ** 2 + c1) * (cov[0, 0] + cov[1, 1] + c2))
        )
    assert ssim(p, r, mask, 80.0, "uniform") == pytest.approx(np.mean(found), abs=1e-10)


def test_the_range_of_the_prediction_makes_ssim_blind_to_a_common_scale(noisy):
    p, r, mask = noisy
    for window in ("gaussian", "uniform"):
        value = ssim(p, r, mask, None, window)
        assert ssim(3 * p, 3 * r, mask, None, window) == pytest.approx(value)
        assert abs(value - ssim(r, p, mask, None, window)) > 1e-6  # its range is the prediction's, not the reference's


def test_a_constant_prediction_has_no_range_of_its_own():
    shape = (1, 12, 12)
    reference = np.random.default_rng(9).uniform(0, 9, shape)
    assert math.isnan(ssim(np.full(shape, 3.0), reference, np.ones(shape, bool), None, "uniform"))
    assert math.isfinite(ssim(np.full(shape, 3.0), reference, np.ones(shape, bool), 80.0, "uniform"))


def test_the_papers_protocol_is_its_window_and_its_range(make_case):
    rng = np.random.default_rng(10)
    maps, noiseless = ({m: rng.uniform(0, 9, (2, 12, 12)) for m in MAPS} for _ in range(2))
    case = make_case(maps, noiseless)
    paper = Ssim(protocol="paper")
    assert (paper.window, paper.data_range) == ("uniform", "prediction")
    by_hand = Ssim(window="uniform", data_range="prediction").score(case)
    assert paper.score(case).identical(by_hand)
    assert not Ssim().score(case).equals(by_hand)
    p, r = (side["cbv"].astype(np.float32).astype(float) for side in (maps, noiseless))
    expected = [structural_similarity(a, b, data_range=np.ptp(a)) for a, b in zip(p, r, strict=True)]
    whole = ssim(p, r, np.ones(p.shape, bool), None, "uniform")
    assert paper.score(case).sel(map="cbv").item() == pytest.approx(whole)
    assert whole == pytest.approx(np.mean(expected), rel=0.2)  # scikit-image leaves out a border of 3 pixels


@pytest.mark.parametrize("given", [{"window": "gaussian"}, {"data_range": "fixed"}])
def test_what_contradicts_a_protocol_is_refused_in_one_line(given):
    (field,) = given
    with pytest.raises(ValidationError, match=rf"{field}: got '\w+' with protocol paper; allowed: \w+, or no protocol"):
        Ssim(protocol="paper", **given)
    assert Ssim(**given) == Ssim()


def test_ssim_of_two_constants_by_hand():
    """Without structure only the luminance term is left: (2 a b + C1) / (a^2 + b^2 + C1), C1 = 0.64."""
    shape = (1, 11, 11)
    found = ssim(np.full(shape, 20.0), np.full(shape, 30.0), np.ones(shape, bool), 80.0)
    assert found == pytest.approx(1200.64 / 1300.64)


def test_ssim_is_one_for_equal_maps_symmetric_and_scales_with_its_range(noisy):
    p, r, mask = noisy
    value = ssim(p, r, mask, 80.0)
    assert ssim(r, r, mask, 80.0) == pytest.approx(1)
    assert ssim(r, p, mask, 80.0) == pytest.approx(value)
    assert ssim(3 * p, 3 * r, mask, 240.0) == pytest.approx(value)
    assert value < ssim(r + (p - r) / 2, r, mask, 80.0) < 1


def test_ssim_sees_nothing_outside_the_mask(noisy):
    p, r, mask = noisy
    assert ssim(np.where(mask, p, np.nan), np.where(mask, r, -1e6), mask, 80.0) == ssim(p, r, mask, 80.0)


def test_ssim_averages_voxels_of_all_slices_together(noisy):
    p, r, mask = noisy
    mask = mask.copy()
    mask[1, 3:] = False
    n = mask.sum(axis=(1, 2))
    slices = [ssim(p[[z]], r[[z]], mask[[z]], 80.0) for z in (0, 1)]
    assert ssim(p, r, mask, 80.0) == pytest.approx((n[0] * slices[0] + n[1] * slices[1]) / n.sum())


@pytest.mark.parametrize("shape", [(1, 10, 30), (1, 30, 10)])
def test_slice_smaller_than_the_window_is_refused_in_one_clear_line(make_case, shape):
    maps = {"cbf": np.ones(shape)}
    with pytest.raises(DataError, match=rf"ssim: got slices of {shape[1]} x {shape[2]} px; allowed: 11 x 11 or more"):
        Ssim().score(make_case(maps, maps))
    assert Ssim(window="uniform").score(make_case(maps, maps)).item() == 1
    small = {"cbf": np.ones((1, 6, 30))}
    with pytest.raises(DataError, match="got slices of 6 x 30 px; allowed: 7 x 7 or more"):
        Ssim(protocol="paper").score(make_case(small, small))


def test_psnr_by_hand():
    """An error of 8 everywhere, of a range of 80: a ratio of 10, 20 dB."""
    assert psnr(np.full(5, 38.0), np.full(5, 30.0), 80.0) == pytest.approx(20)
    assert psnr(np.ones(5), np.ones(5), 80.0) == math.inf


def test_psnr_is_the_range_over_the_rmse(make_case):
    rng = np.random.default_rng(7)
    maps, noiseless = ({m: rng.uniform(0, 20, (2, 5, 6)) for m in MAPS} for _ in range(2))
    case = make_case(maps, noiseless)
    errors, ratios = Rmse().score(case), Psnr().score(case)
    for name, data_range in RANGES.items():
        assert ratios.sel(map=name).item() == pytest.approx(20 * math.log10(data_range / errors.sel(map=name).item()))


@pytest.mark.parametrize("metric", [Ssim, Psnr])
@pytest.mark.parametrize("name", MAPS)
def test_each_map_has_a_range_of_its_own(metric, name, make_case):
    rng = np.random.default_rng(8)
    maps, noiseless = ({m: rng.uniform(0, 9, (1, 12, 12)) for m in MAPS} for _ in range(2))
    case = make_case(maps, noiseless)
    parameter = next(field for field in metric.model_fields if field.startswith(f"data_range_{name}"))
    other = metric(**{parameter: 2 * RANGES[name]}).score(case)
    changed = other["map"].values[metric().score(case).values != other.values]
    assert changed.tolist() == [name]


def test_range_must_be_positive():
    with pytest.raises(ValidationError, match="data_range_cbf"):
        Ssim(data_range_cbf=0)
