"""Width of edges: a planted one, its laws, and filters that are known to keep or to blur edges."""

import numpy as np
import pytest
from scipy import ndimage

from ctpbench import Context, Observation, ScoredCase
from ctpbench.perfusion import perfusion_maps, subtract_baseline
from ctpbench_filters.gaussian import Gaussian
from ctpbench_filters.tips import Tips
from ctpbench_metrics.edges import FWHM_OF_SIGMA, EdgeFwhm, signed_distance

PIXEL_MM = 1.3


def out_of_ventricle_mm(size=72, pixel_mm=PIXEL_MM, radius_mm=12.0):
    y, x = pixel_mm * (np.indices((size, size)) - (size - 1) / 2)
    return np.hypot(y, x + 0.4) - radius_mm


def step_over(out_mm, sigma_mm, pixel_mm=PIXEL_MM):
    """Return 0 inside and 1 outside, blurred by a Gaussian and averaged over each pixel, (y, x)."""
    fine = ndimage.zoom(out_mm, 8, order=1, grid_mode=True, mode="nearest") > 0
    blurred = ndimage.gaussian_filter(fine.astype(float), 8 * sigma_mm / pixel_mm)
    rows, columns = out_mm.shape
    return blurred.reshape(rows, 8, columns, 8).mean(axis=(1, 3))


def scan_of(out_mm, noise_hu=0.0, frames=3):
    clean = 12 + 20 * step_over(out_mm, 0.8)
    noise = np.random.default_rng(4).standard_normal((frames, 1, *clean.shape))
    return clean + noise_hu * noise


@pytest.fixture
def edge_case(make_case):
    """Return a function of the sigma in mm of the maps' edge: a ventricle with no flow in tissue with some."""

    def make(sigma_mm, noise_hu=0.0, map_noise=0.0):
        out_mm = out_of_ventricle_mm()
        step = step_over(out_mm, sigma_mm)[None]
        noise = map_noise * np.random.default_rng(5).standard_normal((2, *step.shape))
        maps = {"mtt": np.full(step.shape, 4), "cbf": 30 * (step + noise[0]), "cbv": 2 * (step + noise[1])}
        return make_case(maps, frames=scan_of(out_mm, noise_hu), spacing_mm=(5.0, PIXEL_MM, PIXEL_MM))

    return make


@pytest.mark.parametrize("sigma_mm", [1.0, 1.5, 2.5, 3.5])
def test_a_planted_edge_is_measured(edge_case, sigma_mm):
    score = EdgeFwhm().score(edge_case(sigma_mm))
    assert score["map"].values.tolist() == ["cbf", "cbv"]
    of_pixel_mm = PIXEL_MM / 12**0.5
    assert score.values == pytest.approx([FWHM_OF_SIGMA * np.hypot(sigma_mm, of_pixel_mm)] * 2, rel=0.08)


def test_pixels_so_large_that_none_is_near_an_edge_have_no_width(make_case):
    pixel_mm = 7.2  # a head of 32 pixels
    mean_hu = np.full((32, 32), 35.0, np.float32)
    mean_hu[14:18, 14:17] = 5.0
    distance_mm = signed_distance(mean_hu, np.ones((32, 32), bool), (pixel_mm, pixel_mm), 20.0)
    assert np.isnan(distance_mm).all()
    frames = np.broadcast_to(mean_hu, (3, 1, 32, 32))
    maps = {name: np.full((1, 32, 32), 4.0) for name in ("mtt", "cbf", "cbv")}
    score = EdgeFwhm().score(make_case(maps, frames=frames, spacing_mm=(5.0, pixel_mm, pixel_mm)))
    assert np.isnan(score.values).all()


@pytest.mark.parametrize("blur_mm", [1.0, 2.0, 3.0])
def test_blurring_adds_its_width_in_quadrature(edge_case, blur_mm):
    case = edge_case(1.2, noise_hu=10 / 3**0.5, map_noise=0.1)
    sharp = EdgeFwhm().score(case)
    blurred_maps = ndimage.gaussian_filter(case.maps.values, (0, 0, blur_mm / PIXEL_MM, blur_mm / PIXEL_MM))
    object.__setattr__(case, "maps", case.maps.copy(data=blurred_maps))
    added = np.sqrt(EdgeFwhm().score(case) ** 2 - sharp**2) / FWHM_OF_SIGMA
    assert added.values == pytest.approx([blur_mm] * 2, rel=0.12)


def test_scale_and_offset_of_a_map_do_not_count(edge_case):
    case = edge_case(1.5, map_noise=0.1)
    plain = EdgeFwhm().score(case)
    object.__setattr__(case, "maps", 3 * case.maps + 5)
    assert EdgeFwhm().score(case).values == pytest.approx(plain.values)


def test_distance_is_that_of_the_drawn_circle():
    out_mm = out_of_ventricle_mm()
    tissue = np.ones(out_mm.shape, bool)
    found = signed_distance(scan_of(out_mm)[0, 0].astype(np.float32), tissue, (PIXEL_MM, PIXEL_MM), 22.0)
    near = np.isfinite(found)
    assert near[np.abs(out_mm) < 3.5].all()
    assert not near[np.abs(out_mm) > 6].any()
    assert np.abs(found - out_mm)[near].max() < 0.6
    assert abs(np.mean((found - out_mm)[near])) < 0.25


@pytest.mark.parametrize("blur_mm", [0.0, 1.25])
def test_other_flow_beyond_the_tissue_beside_the_edge_does_not_count(edge_case, blur_mm):
    """A cortex of three times the flow, 7 mm off, as in the phantom: the ventricle's edge is what it was."""
    case = edge_case(1.0, noise_hu=10 / 3**0.5, map_noise=0.05)
    cortex = 3 - 2 * step_over(7 - out_of_ventricle_mm(), 1.0)
    widths = []
    for factor in (1.0, cortex):
        maps = case.maps.values * factor
        maps = ndimage.gaussian_filter(maps, (0, 0, blur_mm / PIXEL_MM, blur_mm / PIXEL_MM)) if blur_mm else maps
        changed = ScoredCase("case", case.observation, case.maps.copy(data=maps))
        widths.append(EdgeFwhm().score(changed).values)
    assert widths[1] == pytest.approx(widths[0], rel=0.15)


def test_a_rise_without_an_edge_has_no_width(edge_case):
    """A ventricle within an infarct: flow grows slowly from nothing, over more than the profile's length."""
    case = edge_case(1.0)
    rise = np.clip(out_of_ventricle_mm(), 0, 20) + 0.05 * np.random.default_rng(9).standard_normal((72, 72))
    object.__setattr__(case, "maps", case.maps.copy(data=np.broadcast_to(rise, case.maps.shape)))
    assert np.isnan(EdgeFwhm().score(case).values).all()


def test_the_noisier_a_map_the_fewer_have_a_width_and_what_is_left_is_near(edge_case):
    """Noise of a tenth, a half and four times the step: all maps, most and next to none have a width."""
    case, sharp = edge_case(1.5), EdgeFwhm().score(edge_case(1.5)).values[0]
    known = []
    rng = np.random.default_rng(10)
    for noise in (0.1, 0.5, 4.0):
        noisy = case.maps.values[1] + 30 * noise * rng.standard_normal((20, *case.maps.shape[1:]))
        widths = [
            EdgeFwhm().score(ScoredCase("case", case.observation, case.maps[1:2].copy(data=values[None]))).item()
            for values in noisy
        ]
        known.append(np.isfinite(widths).mean())
        if noise < 1:
            assert np.nanmedian(widths) == pytest.approx(sharp, rel=0.25)
    assert known[0] == 1
    assert known[0] >= known[1] > 0.6 > 0.2 > known[2]


def test_a_furrow_has_no_edge_and_hides_none_of_its_surroundings(make_case):
    """Fluid 3 mm wide is no ventricle: tissue nearer to it than to one is left out."""
    image = np.full((60, 60), 32, np.float32)
    image[:, 10:13] = 12
    assert np.isnan(signed_distance(image, np.ones(image.shape, bool), (1.0, 1.0), 22.0)).all()
    image[20:40, 24:44] = 12
    found = signed_distance(image, np.ones(image.shape, bool), (1.0, 1.0), 22.0)
    assert np.isfinite(found[30, 20:24]).all()
    assert np.isnan(found[30, 8:17]).all()


def test_no_ventricle_pure_noise_an_inverted_edge_and_nan_are_nan(edge_case, make_case):
    plain = {"cbf": np.random.default_rng(6).normal(20, 4, (1, 40, 40))}
    assert np.isnan(EdgeFwhm().score(make_case(plain)).values).all()
    case = edge_case(1.5)
    noise = np.random.default_rng(7).standard_normal(case.maps.shape)
    broken = case.maps.values.copy()
    broken[1, 0, 0, 0] = np.nan
    for values in (noise, -case.maps.values):
        object.__setattr__(case, "maps", case.maps.copy(data=values))
        assert np.isnan(EdgeFwhm().score(case).values).all()
    object.__setattr__(case, "maps", case.maps.copy(data=broken))
    assert np.isnan(EdgeFwhm().score(case).values).tolist() == [True, False]


def test_a_gaussian_smears_more_than_tips_at_no_more_noise(tmp_path):
    """A ventricle in enhancing tissue, noise of 8 HU: the Gaussian is as strong as brings it to TIPS's noise."""
    out_mm = out_of_ventricle_mm(64, 1.0, 10.0)
    times_s = np.arange(30.0)
    aif = 300 * np.exp(-0.5 * ((times_s - 10) / 3) ** 2)
    curve = 12 * np.exp(-0.5 * ((times_s - 12) / 4) ** 2)
    clean = np.where(out_mm < 0, 12.0, 32.0 + curve[:, None, None])[:, None]
    noise = ndimage.gaussian_filter(np.random.default_rng(8).standard_normal(clean.shape), (0, 0, 0.7, 0.7))
    observation = Observation.of(
        (clean + 8 * noise / noise.std()).astype(np.float32),
        times_s=times_s,
        spacing_mm=(5.0, 1.0, 1.0),
        brain=np.ones(clean.shape[1:], bool),
        vessels=np.zeros(clean.shape[1:], bool),
        aif=aif,
    )
    context = Context("cpu", 1, np.random.default_rng(0), tmp_path, tmp_path)
    widths, noises = [], []
    for method in (Gaussian(sigma_px=2.0), Tips(sigma_t_hu=8.0, sigma_s_px=3.0)):
        frames = method.denoise(observation.frames, context)
        maps = perfusion_maps(subtract_baseline(frames.values), aif, 1.0)
        stacked = frames[0].expand_dims(map=["cbf"]).copy(data=maps["cbf"][None])
        widths.append(EdgeFwhm().score(ScoredCase("case", observation, stacked)).item())
        noises.append((frames.values - clean)[:, :, out_mm > 8].std())
    assert noises[1] < 1.1 * noises[0]
    assert widths[0] > 1.5 * widths[1]
