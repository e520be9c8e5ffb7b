import numpy as np
import pytest

from ctpbench_phantom.anatomy import pixel_centres, slice_labels
from ctpbench_phantom.shapes import Points
from ctpbench_phantom.territories import TERRITORIES, Region

HEIGHTS_MM = (-8.0, 6.0, 20.0, 35.0, 50.0)
SIDES = (-1, 1)


def slice_points(z_mm, size_px=64, pixel_mm=3.2):
    x, y = pixel_centres(size_px, pixel_mm)
    return Points(x, y, np.full_like(x, z_mm))


def inside(territory, side, points, seed=1, **wedge):
    return Region(territory, side, seed, **wedge).depth(points) > 0


@pytest.mark.parametrize("z_mm", HEIGHTS_MM)
def test_the_three_arteries_share_the_brain_and_the_divisions_share_the_middle_ones(z_mm):
    points = slice_points(z_mm)
    brain = np.isin(slice_labels(z_mm, 64, 3.2, 1, healthy=True), (4, 7))
    times = sum(inside(name, side, points).astype(int) for name in ("mca", "aca", "pca") for side in SIDES)
    assert times.max() == 1
    assert times[brain].mean() > 0.9  # what is left is a seam between them
    for side in SIDES:
        middle = inside("mca", side, points)
        parts = [inside(name, side, points) for name in ("mca superior", "mca inferior")]
        assert not (parts[0] & parts[1]).any()
        assert not ((parts[0] | parts[1]) & ~middle).any()
        assert not (inside("mca branch", side, points) & ~middle).any()


@pytest.mark.parametrize("territory", TERRITORIES)
def test_a_territory_lies_on_its_side(territory):
    points = slice_points(8.0)
    for side in SIDES:
        here = inside(territory, side, points, wedge_deg=(0.0, 25.0), wedge_z_mm=(8.0, 15.0))
        assert here.sum() * 3.2**2 > 150
        assert (side * points.x[here] > -4).all()  # the midline bends by a millimetre or two


FED_MM = {
    (27.0, -4.0, 4.0): "mca",  # lentiform nucleus
    (55.0, -15.0, 12.0): "mca superior",  # inferior frontal gyrus
    (58.0, 22.0, 0.0): "mca inferior",  # temporal lobe
    (45.0, 40.0, 38.0): "mca inferior",  # parietal lobe
    (8.0, -72.0, 8.0): "aca",  # medial frontal gyrus
    (8.0, -10.0, 50.0): "aca",  # paracentral lobule
    (10.0, 70.0, 4.0): "pca",  # calcarine cortex
    (9.0, 10.0, 4.0): "pca",  # thalamus
}


def test_arteries_feed_what_they_are_known_to_feed():
    places = Points(*np.array(list(FED_MM)).T)
    seeds = range(8)
    for territory in ("mca", "mca superior", "mca inferior", "aca", "pca"):
        share = np.mean([inside(territory, 1, places, seed) for seed in seeds], axis=0)
        for fed, name in zip(share, FED_MM.values(), strict=True):
            if name == territory:
                assert fed > 0.8
            elif not name.startswith(territory):
                assert fed < 0.2  # the divisions feed no lentiform nucleus


def test_borders_differ_from_head_to_head_by_some_millimetres():
    areas = [inside("aca", 1, slice_points(30.0), seed).sum() * 3.2**2 for seed in range(12)]
    assert 0.05 < np.std(areas) / np.mean(areas) < 0.6
    points = slice_points(10.0)
    differ = (inside("mca", 1, points, 1) != inside("mca", 1, points, 2)).sum() / inside("mca", 1, points, 1).sum()
    assert 0.03 < differ < 0.5


def test_a_wedge_points_where_it_is_told_and_ends_at_its_heights():
    points = slice_points(10.0)
    places = []
    for towards in (-50.0, 0.0, 50.0):
        wedge = inside("mca branch", 1, points, wedge_deg=(towards, 22.0), wedge_z_mm=(10.0, 15.0))
        places.append(points.y[wedge].mean())
    assert places[0] < places[1] - 15 < places[2] - 30
    assert not inside("mca branch", 1, slice_points(45.0), wedge_deg=(0.0, 22.0), wedge_z_mm=(10.0, 15.0)).any()
