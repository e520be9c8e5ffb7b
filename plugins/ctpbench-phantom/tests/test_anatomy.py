import numpy as np
import pytest
from scipy import ndimage

from ctpbench_phantom.anatomy import Tissue, pixel_centres, slice_labels
from ctpbench_phantom.head import HEIGHT_MM, LOWEST_MM
from ctpbench_phantom.lesions import lesions
from ctpbench_phantom.shapes import Points, ellipsoid, smooth_min, tube

LEVELS = np.arange(LOWEST_MM, LOWEST_MM + HEIGHT_MM + 1, 5.0)
GRAY = [Tissue.GRAY, Tissue.GRAY_REDUCED, Tissue.GRAY_SEVERE]
WHITE = [Tissue.WHITE, Tissue.WHITE_REDUCED, Tissue.WHITE_SEVERE]


def labels(z_mm, seed=0):
    return slice_labels(z_mm, 104, 2.0, seed)


def area_mm2(image, classes, pixel_mm=2.0):
    return np.isin(image, classes).sum() * pixel_mm**2


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_slice_has_each_tissue_and_a_lesion_with_a_core(seed):
    for z_mm in LEVELS:
        image = labels(z_mm, seed)
        assert area_mm2(image, [Tissue.ARTERY]) > 15, z_mm
        assert area_mm2(image, [Tissue.VEIN]) > 30, z_mm
        assert area_mm2(image, [Tissue.CSF]) > 800, z_mm
        assert area_mm2(image, [Tissue.GRAY_REDUCED, Tissue.WHITE_REDUCED]) > 150, z_mm
        assert area_mm2(image, [Tissue.GRAY_SEVERE, Tissue.WHITE_SEVERE]) > 60, z_mm
        assert 0.4 < area_mm2(image, GRAY) / area_mm2(image, WHITE) < 5, z_mm


@pytest.mark.parametrize("z_mm", LEVELS[::4])
def test_the_skull_is_closed_around_the_brain(z_mm):
    image = labels(z_mm)
    regions, _ = ndimage.label(image != Tissue.SKULL)
    outside = regions == regions[0, 0]
    assert set(np.unique(image[outside])) == {Tissue.AIR, Tissue.SCALP}
    assert not np.isin(image[~outside], [Tissue.AIR, Tissue.SCALP]).any()


def test_slices_change_smoothly():
    inside = labels(5.0) != Tissue.AIR

    def changed(first, second):
        return (labels(first) != labels(second))[inside].mean()

    steps = [changed(z, z + 1.0) for z in (0.0, 20.0, 40.0)]
    leaps = [changed(z, z + 15.0) for z in (0.0, 20.0, 40.0)]
    assert max(steps) < 0.15
    assert min(leaps) > 2.5 * max(steps)
    assert changed(5.0, 5.01) < 0.003


def test_both_sides_are_alike_but_no_mirror_images():
    alike = []
    for z_mm in (0.0, 15.0, 30.0):
        image, other = labels(z_mm), labels(z_mm, seed=1)
        healthy = np.isin(image, [Tissue.GRAY, Tissue.WHITE, Tissue.CSF])
        mirror, stranger = image[:, ::-1], other[:, ::-1]
        both = healthy & np.isin(mirror, [Tissue.GRAY, Tissue.WHITE, Tissue.CSF])
        strange = healthy & np.isin(stranger, [Tissue.GRAY, Tissue.WHITE, Tissue.CSF])
        alike.append(((image == mirror)[both].mean(), (image == stranger)[strange].mean()))
    own, others = np.mean(alike, axis=0)
    assert own > others + 0.04
    assert own < 0.9


def test_same_seed_same_head_and_another_seed_another():
    first = labels(12.0, seed=5)
    np.testing.assert_array_equal(labels(12.0, seed=5), first)
    assert (labels(12.0, seed=6) != first).mean() > 0.05
    assert first.dtype == np.int8


def test_the_head_is_drawn_in_mm():
    fine, coarse = slice_labels(10.0, 208, 1.0, 0), labels(10.0)
    for classes in (GRAY, WHITE, [Tissue.CSF], [Tissue.SKULL], [Tissue.SCALP]):
        assert area_mm2(coarse, classes) == pytest.approx(area_mm2(fine, classes, 1.0), rel=0.12)


def test_some_arteries_are_several_pixels_wide():
    image = slice_labels(0.0, 208, 1.0, 0)
    pieces, count = ndimage.label(image == Tissue.ARTERY, np.ones((3, 3)))
    sizes = np.bincount(pieces.ravel())[1:]
    assert count >= 5
    assert (sizes >= 6).sum() >= 3


def test_neighbouring_slices_of_two_splits_have_other_lesions():
    places = np.array([lesion.centre_mm[:2] for lesion in lesions(0)])
    sizes = np.array([lesion.semi_mm[0] * lesion.semi_mm[1] for lesion in lesions(0)])
    apart = np.hypot(*(places[:, None] - places[None, :]).transpose(2, 0, 1))[np.triu_indices(len(places), 1)]
    assert apart.min() > 1.0
    assert apart.max() > 60.0
    assert sizes.max() > 1.5 * sizes.min()
    sides = [np.sign(lesion.centre_mm[0]) for lesion in lesions(0)]
    assert sides[0] == sides[2] != sides[3]  # test slices and validation slices of the default set


@pytest.mark.parametrize("seed", [0, 1])
def test_cores_lie_inside_their_lesions(seed):
    step = np.linspace(-1, 1, 41)
    for lesion in lesions(seed):
        u, v, w = np.meshgrid(step, step, step, indexing="ij")
        centre, size = lesion.centre_mm, max(lesion.semi_mm)
        points = Points(*(c + size * offset for c, offset in zip(centre, (u, v, w), strict=True)))
        whole, core = lesion.inside(points)
        assert core.any()
        assert not (core & ~whole).any()
        assert core.sum() < 0.6 * whole.sum()


def test_shapes_give_distances():
    points = Points(np.array([0.0, 3.0, 5.0, 0.0]), np.array([0.0, 0.0, 0.0, 9.0]), np.zeros(4))
    np.testing.assert_allclose(ellipsoid(points, (0, 0, 0), (3, 3, 3))[1:], [0, 2, 6])
    pipe = tube(points, [(0, 0, 0, 1), (0, 10, 0, 1)])
    np.testing.assert_allclose(pipe, [-1, 2, 4, -1])
    first, second = np.array([1.0, 5.0]), np.array([1.0, -3.0])
    joined = smooth_min(first, second, 2.0)
    assert joined[0] < 1.0
    assert joined[1] == -3.0


def test_pixel_centres_are_symmetric():
    x, y = pixel_centres(4, 2.0)
    np.testing.assert_array_equal(x[0], [-3, -1, 1, 3])
    np.testing.assert_array_equal(y[:, 0], [-3, -1, 1, 3])
