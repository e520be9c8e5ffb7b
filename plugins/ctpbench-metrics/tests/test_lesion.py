"""Core and penumbra: the rules, the overlap and the volume."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ctpbench.perfusion import infarct_core, side_of
from ctpbench_metrics.lesion import LesionDice, LesionVolumeError, dice, volume_error

masks = hnp.arrays(np.bool_, st.tuples(st.just(2), st.integers(1, 40)))


def naive_core(cbf, domain, brain, threshold):
    columns = [x for x in range(brain.shape[2]) if brain[:, :, x].any()]
    middle = (min(columns) + max(columns)) / 2
    voxels = [tuple(i) for i in np.argwhere(domain)]
    low = np.mean([cbf[i] for i in voxels if i[2] < middle])
    high = np.mean([cbf[i] for i in voxels if i[2] > middle])
    core = np.zeros(cbf.shape, bool)
    for i in voxels:
        other = high if i[2] < middle else low if i[2] > middle else max(low, high)
        core[i] = cbf[i] < threshold * other
    return core


@pytest.fixture
def stroke():
    """A brain of 8 columns in 1 x 4 x 10: CBF 50 with a core of 4 voxels at 10, Tmax 9 around it."""
    brain = np.zeros((1, 4, 10), bool)
    brain[:, :, 1:9] = True
    cbf, tmax = np.where(brain, 50.0, 0), np.where(brain, 2.0, 0)
    cbf[:, 1:3, 2:4] = 10
    tmax[:, 0:3, 1:4] = 9
    return brain, {"cbf": cbf, "tmax": tmax}


def shifted(maps):
    """The same lesion one row further down: the core overlaps by half, the penumbra by two thirds."""
    return {name: np.roll(values, 1, axis=1) for name, values in maps.items()}


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [(1, 4, [-1, -1, -1, 1, 1, 1]), (0, 2, [-1, 0, 1, 1, 1, 1]), (3, 3, [-1, -1, -1, 0, 1, 1])],
)
def test_midline_is_the_middle_of_the_brain_not_of_the_image(first, last, expected):
    brain = np.zeros((2, 2, 6), bool)
    brain[0, 0, first] = brain[1, 1, last] = True
    assert side_of(brain).tolist() == expected


@given(st.integers(0, 2**32 - 1), st.integers(3, 9))
def test_core_equals_its_naive_twin_and_flips_with_the_head(seed, width):
    rng = np.random.default_rng(seed)
    shape = (2, 3, width)
    cbf, domain, brain = rng.gamma(2, 20, shape), rng.random(shape) < 0.7, np.ones(shape, bool)
    domain[0, 0, [0, -1]] = True
    core = infarct_core(cbf, domain, side_of(brain), 0.3)
    assert np.array_equal(core, naive_core(cbf, domain, brain, 0.3))
    flipped = infarct_core(cbf[..., ::-1], domain[..., ::-1], side_of(brain), 0.3)
    assert np.array_equal(flipped[..., ::-1], core)
    assert np.array_equal(infarct_core(8 * cbf, domain, side_of(brain), 0.3), core)


def test_each_side_is_held_against_the_other():
    """Left 10 and right 100: all of the left is core; of the right nothing, though 100 is the larger mean."""
    cbf = np.where(np.arange(4) < 2, 10.0, 100.0) * np.ones((1, 2, 4))
    core = infarct_core(cbf, np.ones(cbf.shape, bool), np.array([-1, -1, 1, 1]), 0.3)
    assert core[0, 0].tolist() == [True, True, False, False]


def test_a_voxel_on_the_midline_is_held_against_the_healthier_side():
    cbf = np.array([[[10.0, 20.0, 100.0]]])
    core = infarct_core(cbf, np.ones(cbf.shape, bool), np.array([-1, 0, 1]), 0.3)
    assert core.ravel().tolist() == [True, True, False]


def test_stroke_by_hand(stroke, make_case):
    """Core 4 voxels, 2 shared: Dice 1/2. Penumbra 9, 6 shared: 2/3. Equal volumes, though elsewhere."""
    brain, maps = stroke
    case = make_case(shifted(maps), maps, brain=brain)
    overlap = LesionDice().score(case)
    assert overlap["roi"].values.tolist() == ["core", "penumbra"]
    assert overlap.values.tolist() == pytest.approx([1 / 2, 2 / 3])
    assert LesionVolumeError().score(case).values.tolist() == [0, 0]


def test_volume_error_counts_voxels_of_the_given_spacing_in_ml(stroke, make_case):
    """Voxels of 5 x 2 x 1 mm hold 0.01 mL. The method finds one core voxel less, three of penumbra more."""
    brain, maps = stroke
    method = {name: values.copy() for name, values in maps.items()}
    method["cbf"][0, 1, 2] = 50
    method["tmax"][0, 3, 1:4] = 7
    case = make_case(method, maps, brain=brain, spacing_mm=(5, 2, 1))
    assert LesionVolumeError().score(case).values.tolist() == pytest.approx([0.01, 0.03])
    back = make_case(maps, method, brain=brain, spacing_mm=(5, 2, 1))
    assert LesionVolumeError().score(back).equals(LesionVolumeError().score(case))


def test_perfect_maps(stroke, make_case):
    brain, maps = stroke
    for side in (maps, {name: values[..., ::-1] for name, values in maps.items()}):
        case = make_case(side, side, brain=brain)
        assert LesionDice().score(case).values.tolist() == [1, 1]
        assert LesionVolumeError().score(case).values.tolist() == [0, 0]


def test_thresholds_are_strict_and_are_parameters(make_case):
    """Every mean is near 50: CBF 10 is core at 30% and not at 15%; Tmax of just 6 is no penumbra."""
    cbf, tmax = np.full((1, 10, 10), 50.0), np.full((1, 10, 10), 6.0)
    cbf[0, 0, 0], tmax[0, 0, 0] = 10, 6.5
    case = make_case({"cbf": cbf, "tmax": tmax}, {"cbf": cbf, "tmax": tmax})
    assert LesionDice().score(case).values.tolist() == [1, 1]
    stricter = LesionDice(rcbf_threshold=0.15, tmax_threshold_s=7).score(case)
    assert np.isnan(stricter).all()
    healthy = make_case({"cbf": cbf, "tmax": tmax}, {"cbf": cbf + 40, "tmax": tmax - 1})
    assert LesionDice().score(healthy).values.tolist() == [0, 0]
    assert LesionVolumeError(tmax_threshold_s=5.5).score(healthy).values.tolist() == pytest.approx([0.005, 0.5])


def test_fluid_is_no_core_and_in_no_mean(make_case):
    """A ventricle of no flow at 12 HU: without `csf_hu` it is core, and pulls the mean down."""
    cbf = np.full((1, 6, 8), 50.0)
    cbf[:, 1:5, 3:5] = 0
    frames = np.where(cbf == 0, 12.0, 30.0) + np.array([-7.0, 0, 7]).reshape(3, 1, 1, 1)
    case = make_case({"cbf": cbf}, {"cbf": cbf}, frames=frames)
    assert math.isnan(LesionDice().score(case)[0])
    assert LesionDice(csf_hu=None).score(case)[0] == 1
    cbf[0, 0, 0] = 14  # core by a mean of 50, not by one of 50 * 20 / 24
    case = make_case({"cbf": cbf}, {"cbf": np.full_like(cbf, 50)}, frames=frames)
    assert LesionVolumeError().score(case)[0] == pytest.approx(0.005)


def test_voxels_without_a_reference_are_left_out_on_both_sides(stroke, make_case):
    """Without row 1: core 2 voxels, the method's 4, 2 shared; penumbra 6, the method's 6, 3 shared."""
    brain, maps = stroke
    unknown = {name: np.where(np.arange(4)[:, None] == 1, np.nan, values) for name, values in maps.items()}
    case = make_case(shifted(maps), true_maps=unknown, brain=brain)
    assert LesionDice(against="truth").score(case).values.tolist() == pytest.approx([2 / 3, 1 / 2])


def test_no_other_side_and_missing_maps_are_nan(stroke, make_case):
    brain, maps = stroke
    vessels = np.zeros_like(brain)
    vessels[..., 5:] = True
    for metric in (LesionDice, LesionVolumeError):
        one_side = metric().score(make_case(maps, maps, brain=brain, vessels=vessels))
        assert np.isnan(one_side.values).tolist() == [True, False]
        no_tmax = metric().score(make_case(maps, {"cbf": maps["cbf"]}, brain=brain))
        assert np.isnan(no_tmax.values).tolist() == [False, True]


@given(masks)
def test_dice_is_symmetric_bounded_and_nan_only_where_both_are_empty(pair):
    p, r = pair
    value = dice(p, r)
    if not (p | r).any():
        assert math.isnan(value)
        return
    assert 0 <= value <= 1
    assert value == dice(r, p)
    assert (value == 1) == np.array_equal(p, r)
    assert (value == 0) == (not (p & r).any())


@given(masks, st.floats(0.001, 1))
def test_volume_error_is_the_difference_of_counts(pair, voxel_ml):
    p, r = pair
    count = abs(sum(p.tolist()) - sum(r.tolist()))
    assert volume_error(p, r, voxel_ml) == volume_error(r, p, voxel_ml) == pytest.approx(count * voxel_ml)
