from dataclasses import replace

import numpy as np
import pytest

from ctpbench_phantom.scanner.backprojector import fbp, filter_matrix
from ctpbench_phantom.scanner.geometry import MU_WATER, WINDOWS, FanBeam, Scanner
from ctpbench_phantom.scanner.projector import project

from . import naive_scanner as naive

FAN = FanBeam(views=12, detectors=15, pitch_mm=12.0, source_iso_mm=300.0, source_detector_mm=550.0)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("size", "cutoff", "views"), [(9, 1.0, 12), (8, 0.6, 12), (9, 0.8, 16)])
def test_equals_kak_and_slaney_by_loops(window, size, cutoff, views):
    # 9 pixels of 14 mm: the corners leave the fan in some views. Of 16 views the quarters are swept together.
    scanner = Scanner(fan=replace(FAN, views=views), pixel_mm=14.0, window=window, cutoff=cutoff)
    sinograms = np.random.default_rng(0).random((2, views, FAN.detectors))
    expected = np.stack([naive.fbp(sinogram, scanner, size) for sinogram in sinograms])
    images = fbp(sinograms, scanner, (size, size))
    assert images.dtype == np.float32
    np.testing.assert_allclose(images, expected, atol=2e-5 * np.abs(expected).max())


def test_ramp_kernel_is_the_closed_form():
    # Kak and Slaney, eq. 61 of chapter 3: 1/(4 step^2) at 0, 0 at even and -1/(pi n step)^2 at odd lags.
    fan = FanBeam()
    n = np.arange(fan.detectors)
    angle = n * fan.step_rad
    kernel = np.where(n % 2, -1 / (np.pi * np.maximum(angle, 1e-9)) ** 2, 0.0)
    kernel[1:] *= (angle[1:] / np.sin(angle[1:])) ** 2
    kernel[0] = 1 / (4 * fan.step_rad**2)
    weight = fan.source_iso_mm * np.cos(fan.ray_angles()[0]) * fan.step_rad * 2 * np.pi / fan.views
    expected = 0.5 * kernel * weight
    row = filter_matrix(fan, "ramp", 1.0)[0]
    np.testing.assert_allclose(row, expected, atol=1e-7 * expected[0])


def test_roi_holds_the_same_pixels_and_nothing_else():
    scanner = Scanner(fan=FAN, pixel_mm=3.0)
    sinograms = np.random.default_rng(3).random((3, FAN.views, FAN.detectors), dtype=np.float32)
    roi = np.random.default_rng(4).random((41, 41)) < 0.3
    whole = fbp(sinograms, scanner, (41, 41))
    part = fbp(sinograms, scanner, (41, 41), roi)
    # Where a block of pixels ends, a CPU may round otherwise than in its middle.
    np.testing.assert_allclose(part[:, roi], whole[:, roi], atol=1e-6 * np.abs(whole).max())
    assert not part[:, ~roi].any()
    assert not fbp(sinograms, scanner, (41, 41), np.zeros((41, 41), bool)).any()


def test_more_images_than_one_batch():
    scanner = Scanner(fan=FAN, pixel_mm=10.0)
    sinograms = np.random.default_rng(5).random((70, FAN.views, FAN.detectors), dtype=np.float32)
    images = fbp(sinograms, scanner, (10, 10))
    alone = np.concatenate([fbp(sinogram[None], scanner, (10, 10)) for sinogram in sinograms])
    np.testing.assert_allclose(images, alone, atol=1e-6 * np.abs(alone).max())


def test_roi_must_be_a_mask_of_the_image():
    with pytest.raises(ValueError, match=r"roi: got float64 of shape \(9, 9\); allowed: bool of shape \(9, 9\)"):
        fbp(np.zeros((1, 12, 15)), Scanner(fan=FAN), (9, 9), np.ones((9, 9)))


def test_water_disc_reads_zero():
    centre, radius = (10.0, -5.0), 90.0
    scanner = Scanner()
    disc = MU_WATER * naive.raster_ellipse(256, 1.0, centre, (radius, radius))
    image = fbp(project(disc[None], scanner.fan, 1.0), scanner, (256, 256))[0]
    hu = 1000 * (image / MU_WATER - 1)
    at = np.arange(256) - 127.5
    distance = np.hypot(at - centre[0], at[:, None] - centre[1])
    inside = hu[distance < radius - 8]
    assert abs(inside.mean()) < 0.02
    assert np.abs(inside).max() < 2
    air = hu[(distance > radius + 8) & (np.hypot(at, at[:, None]) < 125)]
    assert abs(air.mean() + 1000) < 0.1
