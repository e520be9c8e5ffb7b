import numpy as np
import pytest
from scipy import ndimage

from ctpbench.perfusion import brain_mask, vessel_mask
from ctpbench_phantom.aif import grid, phantom_aif
from ctpbench_phantom.components import Components, temporal_components
from ctpbench_phantom.patient import draw_patient, patient_slice
from ctpbench_phantom.series import Head, simulate

PIXEL_MM, BLUR_MM = 3.2, 0.7
NOISE_HU = 7.0  # of a pixel of 0.9 or 1 mm at N0 = 2e5
PIXELS = {"phantom": 229_000, "real_like": 3_700_000}  # of the test slices, and of 72 patients, at full size


def scan_of(series):
    """Frames as the scanner blurs them, and the brain without vessels as the harness finds it."""
    frames = ndimage.gaussian_filter(series[:, None], (0, 0, BLUR_MM / PIXEL_MM, BLUR_MM / PIXEL_MM))
    return frames, brain_mask(frames, (5.0, PIXEL_MM, PIXEL_MM)) & ~vessel_mask(frames)


def test_known_components_are_found_and_counted():
    rng = np.random.default_rng(0)
    shapes = np.linalg.qr(np.column_stack([np.ones(30), rng.standard_normal((30, 3))]))[0][:, 1:]  # about their mean
    weights = np.linalg.qr(rng.standard_normal((4000, 3)))[0].T * np.sqrt(4000) * np.sqrt([[36.0], [1.0], [0.09]])
    frames = (40 + shapes @ weights).reshape(30, 1, 40, 100)
    found = temporal_components([(frames, np.ones((1, 40, 100), bool))], 2.0)
    np.testing.assert_allclose(found.ratios[:4], [9.0, 0.25, 0.0225, 0.0], atol=1e-6)
    assert found.pixels == 4000
    assert found.above_noise() == 2  # sqrt(30 / 4000) is 0.087
    assert found.above_noise(100_000) == 3
    assert found.above_noise(10) == 1
    half = np.zeros((1, 40, 100), bool)
    half[:, :20] = True
    parts = temporal_components([(frames, half), (frames, ~half)], 2.0)
    np.testing.assert_allclose(parts.ratios, found.ratios, atol=1e-9)


def test_below_the_limit_noise_hides_a_component():
    """Source of the rule: the leading eigenvector of noisy curves turns away from the true one below it."""
    rng = np.random.default_rng(1)
    time, pixels = 40, 4000
    shape = np.linalg.qr(rng.standard_normal((time, 1)))[0][:, 0]

    def likeness(ratio):
        curves = np.outer(shape, np.sqrt(ratio) * rng.standard_normal(pixels)) + rng.standard_normal((time, pixels))
        return abs(np.linalg.eigh(curves @ curves.T)[1][:, -1] @ shape)

    limit = np.sqrt(time / pixels)
    assert Components(np.full(time, 1.1 * limit), pixels).above_noise() == time
    assert Components(np.full(time, 0.9 * limit), pixels).above_noise() == 0
    assert likeness(4 * limit) > 0.9
    assert likeness(limit / 4) < 0.5


@pytest.fixture(scope="module")
def phantom():
    times_s = np.arange(50.0)
    slices = (
        simulate(Head(64, PIXEL_MM, 0, "plateau", False), z, times_s, phantom_aif(grid(49))) for z in (-8.0, -2.0)
    )
    return temporal_components((scan_of(each.series) for each in slices), NOISE_HU)


@pytest.fixture(scope="module")
def patients():
    """Eight patients with the default parameters, a slice of each."""
    times_s = np.arange(44.0)
    drawn = (draw_patient(0, number, None, 5.0) for number in range(1, 9))
    slices = (patient_slice(p, p.heights_mm.size // 2, 64, PIXEL_MM, times_s, True) for p in drawn)
    return temporal_components((scan_of(each.series) for each in slices), NOISE_HU)


def test_the_patients_reach_five_components_above_noise_and_the_phantom_two(phantom, patients):
    assert phantom.above_noise(PIXELS["phantom"]) == 2
    assert patients.above_noise(PIXELS["real_like"]) >= 5
    for pixels in PIXELS.values():
        assert patients.above_noise(pixels) >= phantom.above_noise(pixels) + 2
    # Those of the phantom at full size, as they were measured elsewhere: 9.4, 0.29, 0.0085.
    np.testing.assert_allclose(phantom.ratios[:2], [9.4, 0.29], rtol=0.35)
