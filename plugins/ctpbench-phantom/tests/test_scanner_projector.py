import numpy as np
import pytest

from ctpbench_phantom.scanner.geometry import FanBeam
from ctpbench_phantom.scanner.projector import back_transpose, project

from . import naive_scanner as naive

# (views, detectors, size, pixel mm): odd sizes, an odd number of views in a quarter turn, views at exactly
# 45 degrees, rays that miss the image, an image larger than the fan, and sizes beyond one block of rows.
SHAPES = [
    (12, 7, 5, 20.0),
    (8, 16, 9, 10.0),
    (20, 5, 12, 30.0),
    (16, 40, 11, 1.0),
    (4, 9, 1, 60.0),
]


def small_fan(views, detectors):
    return FanBeam(views=views, detectors=detectors, pitch_mm=12.0, source_iso_mm=300.0, source_detector_mm=550.0)


@pytest.mark.parametrize(("views", "detectors", "size", "pixel_mm"), SHAPES)
def test_equals_the_overlap_of_strips_and_pixels(views, detectors, size, pixel_mm):
    fan = small_fan(views, detectors)
    images = np.random.default_rng(0).random((5, size, size))
    expected = np.stack([naive.project(image, fan, pixel_mm) for image in images])
    sinograms = project(images, fan, pixel_mm)
    assert sinograms.dtype == np.float32
    np.testing.assert_allclose(sinograms, expected, rtol=2e-5, atol=2e-5 * expected.max())


@pytest.mark.parametrize(("views", "detectors", "size", "pixel_mm"), SHAPES)
def test_transpose_passes_the_dot_test(views, detectors, size, pixel_mm):
    fan = small_fan(views, detectors)
    rng = np.random.default_rng(1)
    images = rng.standard_normal((3, size, size)).astype(np.float32)
    sinograms = rng.standard_normal((3, views, detectors)).astype(np.float32)
    projected = project(images, fan, pixel_mm).astype(np.float64)
    spread = back_transpose(sinograms, fan, pixel_mm, (size, size))
    assert spread.shape == images.shape
    scale = np.linalg.norm(projected) * np.linalg.norm(sinograms)
    assert abs((projected * sinograms).sum() - (images * spread.astype(np.float64)).sum()) < 1e-6 * scale


def test_full_geometry_matches_analytic_ellipses():
    # On rays that cross an ellipse well inside its rim, where its chord is as good as constant over a ray's width;
    # half-millimetre pixels, so that the raster of the rim does not decide.
    fan = FanBeam()
    ellipses = [((12.0, -8.0), (70.0, 90.0)), ((-30.0, 20.0), (40.0, 25.0)), ((25.0, 30.0), (20.0, 45.0))]
    images = np.stack([naive.raster_ellipse(512, 0.5, *ellipse) for ellipse in ellipses])
    measured = project(images.astype(np.float32), fan, 0.5)
    few = FanBeam(views=36)
    for sinogram, (centre, axes) in zip(measured[:, :: fan.views // few.views], ellipses, strict=True):
        chords = naive.ellipse_line_integrals(few, centre, axes)
        inside = chords > 0.5 * chords.max(axis=1, keepdims=True)
        assert inside.sum() > 36 * 30
        error = np.abs(sinogram - chords)[inside] / chords[inside]
        assert error.max() < 0.005


def test_one_image_projects_the_same_alone_and_in_a_stack():
    fan = small_fan(8, 16)
    images = np.random.default_rng(2).random((9, 10, 10), dtype=np.float32)
    stacked = project(images, fan, 10.0)
    for image, sinogram in zip(images, stacked, strict=True):
        np.testing.assert_array_equal(project(image[None], fan, 10.0)[0], sinogram)


def test_images_without_a_stack_are_refused():
    with pytest.raises(ValueError, match=r"images: got shape \(8, 8\); allowed: \(n, y, x\)"):
        project(np.zeros((8, 8)), FanBeam(), 1.0)
