import numpy as np
import pytest
from scipy import stats

from ctpbench_phantom.anatomy import Tissue
from ctpbench_phantom.head import hull
from ctpbench_phantom.patient import draw_patient, patient_slice
from ctpbench_phantom.shapes import Points
from ctpbench_phantom.stroke import FREQUENCIES, HEALTHY_SHARE, OLD_SHARE, Stroke, lesion_of
from ctpbench_phantom.territories import Region

HEIGHTS_MM = (2.0, 7.0, 12.0)
CORE = (Tissue.GRAY_SEVERE, Tissue.WHITE_SEVERE)
WHOLE = (*CORE, Tissue.GRAY_REDUCED, Tissue.WHITE_REDUCED)
TIMES_S = np.arange(0.0, 44.0, 8.0)


@pytest.fixture(scope="module")
def patients():
    return [draw_patient(0, number, None, 5.0) for number in range(1, 61)]


def within(count, total, share):
    """Whether a count is one that chance gives in 99.9% of such sets."""
    low, high = stats.binom.interval(0.999, total, share)
    return low <= count <= high


def test_one_patient_of_six_has_no_stroke_and_one_of_six_had_one(patients):
    assert within(sum(p.stroke is None for p in patients), 60, HEALTHY_SHARE)
    assert within(sum(p.old_infarct is not None for p in patients), 60, OLD_SHARE)
    assert {True, False} == {p.old_infarct is not None for p in patients if p.stroke is None}


def test_strokes_are_on_either_side_in_all_territories_and_of_all_sizes(patients):
    strokes = [p.stroke for p in patients if p.stroke]
    assert within(sum(s.region.side == 1 for s in strokes), len(strokes), 0.5)
    assert {s.region.side for s in strokes} == {-1, 1}
    for territory, share in FREQUENCIES.items():
        assert within(sum(s.region.territory == territory for s in strokes), len(strokes), share)
    assert sum(FREQUENCIES.values()) == pytest.approx(1)
    sizes, shares = ([getattr(s, name) for s in strokes] for name in ("size", "core_share"))
    assert 0.5 <= min(sizes) < 0.6
    assert 0.85 < max(sizes) <= 0.95
    assert min(shares) == 0
    assert 0.6 < max(shares) <= 0.7
    assert within(sum(share == 0 for share in shares), len(shares), 0.1)
    assert all(s.region.head_seed == p.head_seed for p in patients if (s := p.stroke))


def test_a_patient_is_drawn_from_seed_and_number_alone(patients):
    stroke = patients[6].stroke
    assert draw_patient(0, 7, None, 5.0).stroke == stroke
    assert draw_patient(1, 7, None, 5.0).stroke != stroke
    fixed = draw_patient(0, 7, 2, 5.0).stroke  # in another slab
    assert (fixed.size, fixed.core_share, fixed.late) == (stroke.size, stroke.core_share, stroke.late)
    assert (fixed.region.territory, fixed.region.side) == (stroke.region.territory, stroke.region.side)


def slab_points(step_mm=2.5):
    along = np.arange(-90.0, 90.1, step_mm)
    z, y, x = np.meshgrid(HEIGHTS_MM, along, along, indexing="ij")
    return Points(x, y, z)


@pytest.mark.parametrize("territory", ["mca", "mca superior", "pca"])
@pytest.mark.parametrize(("size", "core_share"), [(0.6, 0.0), (0.9, 0.35)])
def test_size_and_core_are_those_drawn(territory, size, core_share):
    stroke = Stroke(Region(territory, -1, 3), size, core_share)
    lesion, points = lesion_of(stroke, HEIGHTS_MM), slab_points()
    brain = hull(points, 3).brain > 0
    whole, core = (mask & brain for mask in lesion.inside(points))
    fed = brain & (stroke.region.depth(points) > 0)
    assert not (core & ~whole).any()
    assert whole.sum() / fed.sum() == pytest.approx(size, abs=0.12)  # its ragged edge may cross the territory's
    assert core.sum() / whole.sum() == pytest.approx(core_share, abs=0.03)
    assert (points.x[whole] < 5).all()
    depth = lesion.depth(points)
    np.testing.assert_array_equal(depth > 0, lesion.inside(points)[0])
    assert 0.9 < depth[whole].max() < 1.2


def test_collaterals_spare_the_rim_and_the_basal_ganglia_are_hit_first():
    points = slab_points()
    region = Region("mca", 1, 4)
    small, large = (lesion_of(Stroke(region, size, 0.2), HEIGHTS_MM).inside(points)[0] for size in (0.5, 0.9))
    assert not (small & ~large).any()
    deep = Points(*(np.array([value]) for value in (25.0, -3.0, 7.0)))
    hit = [lesion_of(Stroke(Region("mca", 1, seed), 0.6, 0.2), HEIGHTS_MM).inside(deep)[0].item() for seed in range(8)]
    assert sum(hit) >= 7


def test_a_region_that_the_slab_does_not_hold_makes_no_lesion():
    region = Region("mca branch", 1, 3, (0.0, 20.0), (60.0, 10.0))
    assert lesion_of(Stroke(region, 0.8, 0.3), HEIGHTS_MM) is None


def test_slices_hold_the_lesions_that_were_drawn(patients):
    struck_twice = [n for n, p in enumerate(patients[:20], 1) if p.stroke and p.old_infarct][:2]
    struck_before = [n for n, p in enumerate(patients[:20], 1) if p.stroke is None and p.old_infarct][:1]
    for number in (1, 2, 3, 4, *struck_twice, *struck_before):
        p = draw_patient(0, number, 1, 5.0)
        labels = patient_slice(p, 0, 64, 3.2, TIMES_S, True).labels
        whole, core = (np.isin(labels, classes) for classes in (WHOLE, CORE))
        assert (labels == Tissue.OLD_INFARCT).any() == (p.old_infarct is not None)
        assert whole.any() == (p.stroke is not None)
        if p.stroke:
            assert whole.sum() * 3.2**2 > 200  # mm2
            columns = np.broadcast_to(p.stroke.region.side * (np.arange(64) - 31.5), labels.shape)
            assert (columns[whole] > -2).all()
            assert core.any() == (p.stroke.core_share > 0)
            if p.old_infarct is None:
                assert core.sum() / whole.sum() == pytest.approx(p.stroke.core_share, abs=0.12)
