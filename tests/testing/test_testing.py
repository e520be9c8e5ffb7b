"""The conformance kit: sound components pass every check, and each check is failed by one component alone."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from ctpbench import DataError
from ctpbench.testing import (
    ExampleTraining,
    another_process,
    checks_for,
    example_case,
    example_concentration,
    example_observation,
    example_scored_case,
    parametrize_with_checks,
    run_checks,
)
from tests.testing.faulty_datasets import (
    CASE_FAULTS,
    LIST_FAULTS,
    PATIENT_FAULTS,
    REPLICATE_FAULTS,
    Heads,
    outside,
    with_truth,
)
from tests.testing.faulty_denoisers import (
    COUNT_FAULTS,
    FRAME_FAULTS,
    BaselineOff,
    Fixed,
    Halve,
    Nameless,
    Ones,
    Reworded,
    Thawed,
    TwoKinds,
    Undocumented,
    halved,
)
from tests.testing.faulty_learners import CURVE_FAULTS, LEARNER_FAULTS, CleanMean, FixedMean, Mean
from tests.testing.faulty_metrics import METRIC_FAULTS, Error, FrameError

SERIAL = itertools.count()

SOUND = [
    *(Halve(), BaselineOff(), Ones(), Fixed(), Mean(), CleanMean(), FixedMean()),
    *(Heads(), Error(), FrameError()),
]


# -- sound components pass, each fault is found ---


@parametrize_with_checks(SOUND, noise=(None, 3.0))
def test_sound_components_conform(component, check):
    check(component)


FITTED_FAULTS = ["is_of_one_kind", *COUNT_FAULTS, *(fault for fault in FRAME_FAULTS if fault != "instances_agree")]
FAULTY = [
    (Undocumented(), "has_a_docstring"),
    (Nameless(), "declares_its_contract"),
    (Thawed(), "is_frozen"),
    (Reworded(), "parameters_survive_yaml"),
    (TwoKinds(), "is_of_one_kind"),
    (Ones(lags_per_frame=1), "output_keeps_contract"),
    *((Halve(fault=fault), fault) for fault in FRAME_FAULTS),
    *((Halve(fault=fault), fault) for fault in COUNT_FAULTS),
    *((Mean(fault=fault), fault) for fault in (*LEARNER_FAULTS, *CURVE_FAULTS)),
    *((Mean(fault=f"fitted_{fault}"), f"fitted_{fault}") for fault in FITTED_FAULTS),
    *((Heads(fault=fault), fault) for fault in (*LIST_FAULTS, *CASE_FAULTS, "loads_cases")),
    *((Heads(fault=fault), fault) for fault in (*PATIENT_FAULTS, *REPLICATE_FAULTS)),
    *((Heads(fault=fault), fault) for fault in ("fingerprint_is_stable", "fingerprint_is_stable/number")),
    (Heads(fault="another_process_same_bytes/fingerprint"), "another_process_same_bytes/fingerprint"),
    *((Heads(fault=fault), fault) for fault in ("unknown_case_is_refused", "unknown_case_is_refused/loaded")),
    *((Error(fault=fault), fault) for fault in ("needs_are_known", *METRIC_FAULTS)),
]


@pytest.fixture
def in_this_process(monkeypatch):
    """Let what another process would reply be replied by this one, which is quicker."""

    def run(command, *, input, **options):
        another_process.reply(json.loads(input))
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(another_process, "subprocess", SimpleNamespace(run=run))


@pytest.mark.parametrize(("component", "fault"), FAULTY, ids=lambda value: getattr(value, "name", value))
def test_a_fault_fails_its_check_alone(component, fault, request):
    if not fault.startswith("another_process"):
        request.getfixturevalue("in_this_process")
    failed = [result for result in run_checks(component, noise=(3.0,)) if not result.passed]
    assert [result.name for result in failed] == [fault.partition("/")[0]]
    assert failed[0].component == component.name
    assert "\n" not in failed[0].message


def test_every_check_can_fail():
    proven = {fault.partition("/")[0] for _, fault in FAULTY}
    proven.add("data_are_here")  # which is skipped where others fail: see below
    assert {check.name for component in SOUND for check in checks_for(component)} == proven


# -- what the checks say and how they are run ---


def test_a_failure_says_what_was_got_and_what_is_allowed(in_this_process):
    def message(component):
        return next(result.message for result in run_checks(component) if not result.passed)

    assert message(Halve(fault="output_keeps_contract")) == "denoise: got dtype float64; allowed: float32"
    assert message(Halve(fault="output_keeps_contract/writes")) == (
        "got a write to the input; allowed: reading it, and frames.copy(data=...)"
    )
    assert message(Ones(lags_per_frame=1)) == "deconvolve: got 24 along lag; allowed: 48, twice the frames"
    assert message(Mean(fault="saves_and_loads/taken")) == (
        "save: got a file training.json; allowed: any name but outcome.json, training.json"
    )
    assert message(Mean(fault="learning_curve_is_well_formed/lengths")) == (
        "learning_curve: got lengths {'step': 2, 'loss': 1}; allowed: equally long lists"
    )
    assert message(Reworded()) == "after YAML: got factor=2e-05 from 1e-05; allowed: the same parameters"
    assert message(Heads(fault="unknown_case_is_refused")) == (
        "load('no such case'): got KeyError: \"no case 'no such case'\"; allowed: DataError"
    )
    assert message(Error(fault="perfect_answer_is_best")).endswith("the perfect one no worse (better: lower)")
    assert message(Heads(fault="truth_rois_keep_contract/outside")) == (
        "load('example-0', noise=None): truth.rois: got 21 of the 49 voxels of core outside the brain; "
        "allowed: up to 25%"
    )
    assert message(Halve(fault="needs_frames_is_a_count/few")) == (
        "needs_frames: got 2; allowed: None, or a whole number, 3 or more"
    )
    assert message(Error(fault="score_keeps_contract")) == (
        "metric 'error': got dims ('z', 'map'); allowed: any of map, time, frequency, roi"
    )
    raised = message(Halve(fault="takes_one_slice").model_copy(update={"fault": "takes_odd_sizes"}))
    assert raised.startswith("RuntimeError: too much for me (")
    assert "faulty_denoisers.py:" in raised


def test_regions_without_coordinates_are_named(monkeypatch, in_this_process):
    monkeypatch.setitem(CASE_FAULTS, "array", with_truth("rois", lambda rois: rois.values))
    failed = next(result for result in run_checks(Heads(fault="array")) if not result.passed)
    assert failed.name == "truth_rois_keep_contract"
    assert failed.message == (
        "load('example-0', noise=None): truth.rois: got ndarray; allowed: a DataArray of bool, as by ctpbench.regions"
    )


def test_a_region_may_leave_the_brain_by_a_quarter(monkeypatch, in_this_process):
    inside = int(Heads().load("example-0", None).truth.rois.sel(roi="core").sum())
    for voxels, fails in ((inside // 3, []), (inside // 3 + 1, ["truth_rois_keep_contract"])):
        monkeypatch.setitem(CASE_FAULTS, "edge", with_truth("rois", lambda rois, n=voxels: rois | outside(rois, n)))
        assert [result.name for result in run_checks(Heads(fault="edge")) if not result.passed] == fails
    monkeypatch.setitem(CASE_FAULTS, "nothing", with_truth("rois", xr.zeros_like))
    assert [result.name for result in run_checks(Heads(fault="nothing")) if not result.passed] == []


def test_checks_that_build_on_a_failed_one_are_left_out():
    names = [check.name for check in checks_for(Halve())]
    ran = [result.name for result in run_checks(Halve(fault="output_keeps_contract"))]
    assert ran == names[: names.index("output_keeps_contract") + 1]


def test_threads_may_change_the_rounding():
    class Rounding(Halve):
        """Sums in another order with two threads."""

        def denoise(self, frames, context):
            output = halved(frames, context)
            return np.nextafter(output, np.float32(np.inf)) if context.threads == 2 else output

    checks = {check.name: check for check in checks_for(Rounding())}
    checks["threads_do_not_matter"](Rounding())


@pytest.mark.parametrize(
    ("better", "best", "other"), [("lower", 1.0, 2.0), ("higher", 2.0, 1.0), ("zero", 1.0, -2.0), ("zero", -1.0, 2.0)]
)
def test_what_is_better_decides_what_is_best(better, best, other):
    class Scored(Error):
        """One score for a perfect answer and another for any other."""

        def score(self, case):
            perfect = case.maps.equals(case.noiseless)
            return xr.DataArray(np.float64(best if perfect == (self.fault == "") else other))

    Scored.better = better
    checks = {check.name: check for check in checks_for(Scored())}
    checks["perfect_answer_is_best"](Scored())
    with pytest.raises(AssertionError, match=f"better: {better}"):
        checks["perfect_answer_is_best"](Scored(fault="swapped"))


def test_what_ranks_nothing_has_no_best_answer_and_a_decision_is_checked(in_this_process):
    class Decides(Error):
        """Whether the answer is perfect, and so whether to do a thing."""

        name, better, units = "decides", "none", "1"
        agrees_with, quantity = "decides_rightly", "decision"
        yes: float = 1.0

        def score(self, case):
            return xr.DataArray(np.float64(0.0 if case.maps.equals(case.noiseless) else self.yes))

    assert [result.name for result in run_checks(Decides()) if not result.passed] == []
    failed = [result for result in run_checks(Decides(yes=0.5)) if not result.passed]
    assert (failed[0].name, failed[0].message) == (
        "score_keeps_contract",
        "metric 'decides': got 0.5; allowed: 1, 0 or NaN, for it is a decision",
    )


@pytest.mark.parametrize("library", ["numba", "torch"])
def test_kernels_that_read_no_context_get_other_threads_too(monkeypatch, library):
    class Pool:
        """A library's pool of threads, as the kit finds it in sys.modules."""

        config = SimpleNamespace(NUMBA_NUM_THREADS=2)
        threads = 4

        def get_num_threads(self):
            return self.threads

        def set_num_threads(self, threads):
            self.threads = threads

    pool = Pool()

    class Racing(Halve):
        """Depends on the pool."""

        def denoise(self, frames, context):
            return halved(frames, context, pool.threads)

    monkeypatch.setitem(sys.modules, library, pool)
    checks = {check.name: check for check in checks_for(Racing())}
    with pytest.raises(AssertionError, match="2 threads: got a difference of 1 from 1 thread"):
        checks["threads_do_not_matter"](Racing())
    assert pool.threads == 4


def test_global_generators_are_left_as_they_were():
    random.seed(5)
    before = random.getstate()
    checks = {check.name: check for check in checks_for(Halve())}
    checks["global_random_state_is_untouched"](Halve())
    assert random.getstate() == before
    with pytest.raises(AssertionError, match="global generator of random; allowed"):
        checks["global_random_state_is_untouched"](Halve(fault="global_random_state_is_untouched/python"))
    assert random.getstate() == before


# -- the examples ---


@pytest.mark.parametrize("irregular", [False, True])
@pytest.mark.parametrize(("slices", "rows", "columns", "frames"), [(1, 8, 8, 3), (3, 11, 17, 33), (2, 24, 24, 7)])
def test_examples_have_the_asked_shape(slices, rows, columns, frames, irregular):
    shape = {"slices": slices, "rows": rows, "columns": columns, "frames": frames, "irregular": irregular}
    case = example_case(**shape)
    assert case.observation.frames.shape == case.truth.frames.shape == (frames, slices, rows, columns)
    assert set(np.unique(case.truth.labels)) == set(range(7))
    assert (np.ptp(np.diff(case.observation.times_s)) > 1e-6) == irregular
    assert example_concentration(**shape).equals(
        (o := example_observation(**shape).frames).copy(data=o.values - o.values[:2].mean(axis=0))
    )


def test_examples_are_the_same_at_every_call_and_read_only():
    first, second = example_scored_case(error=0.5), example_scored_case(error=0.5)
    other = example_scored_case(error=0.5, seed=1)
    arrays = [
        lambda case: case.observation.frames,
        lambda case: case.maps,
        lambda case: case.noiseless,
        lambda case: case.truth.maps,
        lambda case: case.truth.frames,
        lambda case: case.truth.labels,
        lambda case: case.concentration,
        lambda case: case.noiseless_concentration,
    ]
    for array in arrays:
        assert array(first).identical(array(second))
        for part in (array(first), *array(first).coords.values()):
            assert not part.values.flags.writeable
    assert not first.observation.frames.equals(other.observation.frames)


def test_example_curves_hold_the_true_volume_and_delay():
    """Area of a tissue curve over that of the AIF is CBV/100; its lag behind the AIF holds the delay."""
    case = example_case(frames=461, rows=8, columns=8)
    maps = case.truth.maps.values
    area = case.observation.aif.sum()
    curves = case.truth.frames.values - case.truth.frames.values[0]
    early = (maps[4] == 1.0) & np.isfinite(maps[1])  # what arrives late has not all passed at the scan's end
    np.testing.assert_allclose(curves.sum(axis=0)[early] / area, maps[1][early] / 100, rtol=2e-3)
    np.testing.assert_allclose(60 * maps[1] / maps[0], maps[2], rtol=1e-5)
    assert (maps[3][early] - 14.0 > 1.0).all()


def test_a_wrong_answer_is_wrong_everywhere():
    perfect, wrong = example_scored_case(), example_scored_case(error=0.5, unknown=["tmax"])
    assert perfect.maps.equals(perfect.noiseless)
    assert perfect.concentration.equals(perfect.noiseless_concentration)
    tissue = perfect.observation.tissue
    assert perfect.truth.maps.values[:, tissue].tobytes() == perfect.maps.values[:, tissue].tobytes()
    assert ((wrong.maps - wrong.noiseless).mean(("z", "y", "x")) > 0).all()
    assert wrong.truth.maps.isnull().all(("z", "y", "x")).values.tolist() == [False, False, False, False, True]


def test_training_is_a_sequence_that_shows_clean_only_where_asked():
    noisy, clean = ExampleTraining(clean=False, cases=2), ExampleTraining(clean=True, cases=2)
    assert [case.id for case in noisy] == [case.id for case in clean[:]] == ["example-0", "example-1"]
    assert all(case.clean is None for case in noisy)
    assert clean[1].clean.equals(example_case(seed=1).truth.frames)


# -- what is refused, and imports ---


def test_a_class_is_refused():
    with pytest.raises(TypeError, match="allowed: an instance of Dataset, Denoiser, Metric or PoolExecutor"):
        checks_for(Halve)


def test_the_kit_imports_neither_pytest_nor_numba():
    code = "import sys, ctpbench.testing; print(sorted({'pytest', 'numba', 'torch'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


class Elsewhere(Heads):
    """Heads that every user must fetch."""

    name = "elsewhere"

    def cases(self, split):
        raise DataError("elsewhere: root: got nothing; give the folder that holds it")

    def fingerprint(self):
        raise DataError("elsewhere: root: got nothing; give the folder that holds it")


def test_a_dataset_whose_data_are_not_here_is_skipped_and_fails_nothing():
    results = run_checks(Elsewhere())
    assert [(r.name, r.message) for r in results if not r.passed] == [
        ("data_are_here", "elsewhere: root: got nothing; give the folder that holds it")
    ]
    assert [r.name for r in results if r.skipped] == ["data_are_here"]
    assert not {"loads_cases", "fingerprint_is_stable"} & {r.name for r in results}
