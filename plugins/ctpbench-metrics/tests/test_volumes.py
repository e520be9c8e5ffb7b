"""Volumes of core and penumbra, their classes, and the decision that follows."""

import itertools

import numpy as np
import pytest

from ctpbench_metrics.lesion import ClassDice, LesionDice, LesionVolumeError
from ctpbench_metrics.treatment import Treat, TreatReference
from ctpbench_metrics.volumes import ReferenceVolume, Volume, VolumeWithoutLesion

from .conftest import label_array

SHAPE = (1, 20, 20)
CLASSES = "white gray_severe white_reduced"


def stroke(core, penumbra):
    """CBF 50 and Tmax 2 with `core` voxels of 5 and `penumbra` of 9 s on one side, row by row."""
    cbf, tmax, classes = np.full(SHAPE, 50.0), np.full(SHAPE, 2.0), np.zeros(SHAPE)
    left = [(0, *place) for place in np.ndindex(20, 10)]
    for place in left[:penumbra]:
        tmax[place], classes[place] = 9, 2
    for place in left[:core]:
        cbf[place], classes[place] = 5, 1
    return {"cbf": cbf, "tmax": tmax}, label_array(classes, CLASSES)


@pytest.fixture
def stroke_case(make_case):
    """Return a function of (core, penumbra) of the method, of the noiseless maps and of the truth, in mL."""

    def make(method, noiseless=(0, 0), truth=(0, 0), **options):
        return make_case(
            stroke(*method)[0],
            stroke(*noiseless)[0],
            stroke(*truth)[0],
            labels=stroke(*truth)[1],
            spacing_mm=(10.0, 10.0, 10.0),
            **options,
        )

    return make


def test_volumes_by_hand(stroke_case):
    case = stroke_case((7, 30), (10, 25), (12, 40))
    assert Volume().score(case).values.tolist() == pytest.approx([7, 30])
    expected = {"noiseless": [10, 25], "truth": [12, 40], "exact": [12, 40], "labels": [12, 40]}
    for against, volumes in expected.items():
        score = ReferenceVolume(against=against).score(case)
        assert score.values.tolist() == pytest.approx(volumes)
        assert score["roi"].values.tolist() == ["core", "penumbra"]


@pytest.mark.parametrize("against", ["noiseless", "truth", "labels"])
def test_the_error_is_the_difference_of_the_volumes(stroke_case, against):
    case = stroke_case((7, 30), (10, 25), (12, 40))
    apart = abs(Volume().score(case) - ReferenceVolume(against=against).score(case))
    assert LesionVolumeError(against=against).score(case).values == pytest.approx(apart.values)


def test_dice_with_the_true_classes_by_hand(stroke_case):
    """Rows overlap from the first voxel on: 2 x 7 of 7 + 12, and 2 x 30 of 30 + 40, the core in both."""
    case = stroke_case((7, 30), (10, 25), (12, 40))
    assert ClassDice().score(case).values.tolist() == pytest.approx([14 / 19, 60 / 70])
    assert ClassDice().score(case).equals(LesionDice(against="labels").score(case))
    assert ClassDice().needs == {"truth"}


def test_the_rules_own_errors_count_against_classes_and_not_against_maps(stroke_case):
    """White matter of low flow on the other side passes for core in the noiseless maps as in the method's."""
    case = stroke_case((6, 30), (6, 30), (6, 30))
    for maps in (case.maps, case.noiseless):
        values = maps.values.copy()
        values[0, 0, :6, 15] = 5
        object.__setattr__(case, "maps" if maps is case.maps else "noiseless", maps.copy(data=values))
    assert LesionDice().score(case).values.tolist() == [1, 1]
    assert ClassDice().score(case).values.tolist() == pytest.approx([12 / 18, 1])


def test_false_volume_is_that_of_cases_without_a_lesion(stroke_case):
    well = stroke_case((3, 5))
    assert VolumeWithoutLesion().score(well).values.tolist() == pytest.approx([3, 5])
    assert VolumeWithoutLesion().score(well).equals(Volume().score(well))
    for ill in (stroke_case((3, 5), truth=(1, 1)), stroke_case((3, 5), truth=(0, 1))):
        assert np.isnan(VolumeWithoutLesion().score(ill).values).all()


def test_what_is_not_known_is_nan(stroke_case, make_case):
    unlabelled = make_case(stroke(3, 5)[0], stroke(3, 5)[0])
    for metric in (ClassDice(), VolumeWithoutLesion(), ReferenceVolume(against="labels")):
        assert np.isnan(metric.score(unlabelled).values).all()
    assert np.isnan(TreatReference(against="labels").score(unlabelled).item())
    core = make_case({"cbf": stroke(3, 5)[0]["cbf"]}, rois={"core": np.ones(SHAPE, bool)})
    assert np.isnan(Volume().score(core).values).tolist() == [False, True]
    assert np.isnan(Treat().score(core).item())


@pytest.mark.parametrize(
    ("core", "penumbra", "treated"),
    [
        (0, 15, 1),  # no core: the ratio is without end
        (0, 14, 0),
        (30, 54, 1),  # exactly 1.8 times
        (30, 53, 0),
        (10, 24, 0),  # 2.4 times, but 14 mL
        (69, 150, 1),
        (70, 150, 0),  # too large a core
        (40, 20, 0),
    ],
)
def test_the_rule_of_defuse_3(stroke_case, core, penumbra, treated):
    case = stroke_case((core, penumbra), (0, 0), (core, penumbra))
    assert Treat().score(case).item() == treated
    assert Treat().score(case).dims == ()
    assert TreatReference().score(case).item() == 0
    for against in ("truth", "exact"):
        assert TreatReference(against=against).score(case).item() == treated
    assert TreatReference(against="labels").score(case).item() == (treated if core <= penumbra else 0)


def test_limits_are_parameters(stroke_case):
    case = stroke_case((30, 50))
    limits = {"mismatch_ratio": (1.5, 1.8), "mismatch_ml": (20, 21), "core_ml": (31, 30)}
    for (name, (passes, fails)), (other, (theirs, _)) in itertools.permutations(limits.items(), 2):
        rest = {key: values[0] for key, values in limits.items() if key not in (name, other)}
        assert Treat(**rest, **{other: theirs, name: passes}).score(case).item() == 1
        assert Treat(**rest, **{other: theirs, name: fails}).score(case).item() == 0


def test_what_is_held_against_what():
    """A reference is named by its metric, and is itself held against nothing; false volume is an error of its own."""
    pairs = {Volume: ReferenceVolume, Treat: TreatReference}
    for metric, reference in pairs.items():
        assert metric.agrees_with == reference.name
        assert reference.agrees_with == ""
        assert metric.quantity == reference.quantity
        assert metric.units == reference.units
        assert metric.better == reference.better == "none"
    assert (Volume.quantity, Treat.quantity) == ("number", "decision")
    assert (VolumeWithoutLesion.agrees_with, VolumeWithoutLesion.better) == ("", "lower")
