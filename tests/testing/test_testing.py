"""The conformance kit: sound components pass every check, and each check is failed by one component alone."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, ClassVar

import numpy as np
import pytest
import xarray as xr
from pydantic import Field, PrivateAttr, field_serializer

from ctpbench import (
    MAPS,
    Case,
    ConcentrationDenoiser,
    DataError,
    Dataset,
    Deconvolver,
    FrameDenoiser,
    Metric,
    Observation,
    Trainable,
)
from ctpbench.testing import (
    ExampleTraining,
    checks_for,
    example_case,
    example_concentration,
    example_observation,
    example_scored_case,
    parametrize_with_checks,
    run_checks,
)

SERIAL, LOADS = itertools.count(), itertools.count()


# -- sound components, each with the faults it can be told to have ---


class Halve(FrameDenoiser):
    """Half the signal and a little noise: a denoiser for tests."""

    name, version = "halve", "1"
    fault: str = ""
    factor: Annotated[float, Field(gt=0)] = 1e-5
    _serial: int = PrivateAttr(default_factory=lambda: next(SERIAL))

    def denoise(self, frames, context):
        if self.fault in FRAME_FAULTS:
            return FRAME_FAULTS[self.fault](self, frames, context)
        return halved(frames, context)


class BaselineOff(ConcentrationDenoiser):
    """The baseline subtracted: a denoiser for tests."""

    name, version = "baseline_off", "1"

    def concentration(self, frames, context):
        return frames.copy(data=frames.values - frames.values[:2].mean(axis=0))


class Ones(Deconvolver):
    """Residues of 1 everywhere: a deconvolver for tests."""

    name, version = "ones", "1"
    lags_per_frame: int = 2

    def deconvolve(self, concentration, context):
        shape = (self.lags_per_frame * concentration.sizes["time"], *concentration.shape[1:])
        return xr.DataArray(np.ones(shape, np.float32), dims=("lag", "z", "y", "x"))


def halved(frames, context, add=0.0):
    noise = context.rng.standard_normal(frames.shape)
    return frames.copy(data=(frames.values / 2 + noise + add).astype(np.float32))


def refuse(condition: bool) -> None:
    if condition:
        raise RuntimeError("too much for me")


def marks_its_input(denoiser, frames, context):
    frames.attrs["seen"] = True
    return halved(frames, context)


def replaces_its_input(denoiser, frames, context):
    output = halved(frames, context)
    frames.values = output.values
    return output.copy()


def draws(draw: Callable[[], object]):
    def faulty(denoiser, frames, context):
        draw()
        return halved(frames, context)

    return faulty


def refuses(condition: Callable[[xr.DataArray], bool]):
    def faulty(denoiser, frames, context):
        refuse(condition(frames))
        return halved(frames, context)

    return faulty


def adds(amount: Callable[..., float]):
    return lambda denoiser, frames, context: halved(frames, context, amount(denoiser, context))


def uneven(frames) -> bool:
    return np.ptp(np.diff(frames["time"].values)) > 1e-6


# A fault's name starts with that of the only check that may notice it.
FRAME_FAULTS = {
    "output_keeps_contract": lambda d, f, c: halved(f, c).astype(np.float64),
    "output_keeps_contract/dims": lambda d, f, c: halved(f, c).transpose("z", "time", "y", "x"),
    "output_keeps_contract/nan": lambda d, f, c: halved(f, c, np.nan),
    "output_keeps_contract/time": lambda d, f, c: halved(f, c).assign_coords(time=f["time"] + 1.0),
    "output_keeps_contract/writes": lambda d, f, c: f.values.fill(0.0) or halved(f, c),
    "output_keeps_contract/truth": lambda d, f, c: f - f["truth"],
    "input_is_unchanged": marks_its_input,
    "input_is_unchanged/values": replaces_its_input,
    "output_has_its_own_memory": lambda d, f, c: f,
    "output_has_its_own_memory/view": lambda d, f, c: f.copy(data=f.values[:]),
    "global_random_state_is_untouched": draws(np.random.random),
    "global_random_state_is_untouched/python": draws(random.random),
    "same_seed_same_output": adds(lambda denoiser, context: np.random.default_rng().random()),
    "same_seed_same_output/calls": adds(lambda denoiser, context: next(SERIAL)),
    "threads_do_not_matter": adds(lambda denoiser, context: context.threads),
    "takes_one_slice": lambda d, f, c: halved(f, c).squeeze(),
    "takes_odd_sizes": refuses(lambda frames: frames.sizes["y"] % 2 == 1),
    "takes_other_frame_counts": refuses(lambda frames: frames.sizes["time"] != 24),
    "takes_irregular_times": refuses(uneven),
    "takes_unknown_vof": refuses(lambda frames: "vof" not in frames.coords),
    "instances_agree": adds(lambda denoiser, context: denoiser._serial),
}


class Undocumented(Halve):
    name = "undocumented"


class Nameless(Halve):
    """Has a name that no suite could spell."""

    name = "no name"


class Thawed(Halve):
    """Lets its parameters be changed."""

    name = "thawed"
    model_config: ClassVar = {"frozen": False}


class Reworded(Halve):
    """Writes another value than it has."""

    name = "reworded"

    @field_serializer("factor")
    def _doubled(self, factor: float) -> float:
        return 2 * factor


class Stuck(Halve):
    """Holds what cannot be carried to another process."""

    name = "stuck"
    _hook: Callable[[], None] = PrivateAttr(default_factory=lambda: lambda: None)


class TwoKinds(Halve, Deconvolver):
    """Cannot decide what it is."""

    name = "two_kinds"

    def deconvolve(self, concentration, context):
        return concentration


class Mean(Trainable):
    """Remembers the mean of what it has seen: a trainable denoiser for tests."""

    name, version = "mean", "1"
    learns_from = "noisy"
    fault: str = ""
    _path: list[Path] = PrivateAttr(default_factory=list)

    def fit(self, training, context):
        total = context.rng.random()
        for case in training:
            if self.fault == "training_is_unchanged":
                case.observation.frames.attrs["seen"] = True
            if self.fault == "fits":
                total += float(case.clean.values.mean())
            total += float(case.observation.frames.values.mean())
        if self.fault == "fit_leaves_global_random_state":
            random.seed(0)
        if self.fault == "same_seed_same_fit":
            total += np.random.default_rng().random()
        if self.fault == "fitted_is_of_one_kind":
            return None
        return Fitted(mean=total / len(training), fault=self.fault.removeprefix("fitted_"))

    def save(self, fitted, folder):
        values = fitted.model_dump()
        if self.fault == "saves_and_loads":
            values["mean"] = round(values["mean"])
        if self.fault == "saves_and_loads/taken":
            (folder / "training.json").write_text("{}")
        (folder / "model.json").write_text(json.dumps(values))
        self._path.append(folder)

    def load(self, folder):
        folder = self._path[0] if self.fault == "saves_and_loads/where_it_was" else folder
        return Fitted(**json.loads((folder / "model.json").read_text()))

    def learning_curve(self, fitted):
        assert fitted.mean
        return CURVE_FAULTS.get(self.fault, {"step": [0, 100], "loss": np.array([2.5, np.nan])})


# Also what `check_learning_curve` refuses, and what it says.
CURVE_FAULTS = {
    "learning_curve_is_well_formed": {"loss": [1.0, 2.0]},
    "learning_curve_is_well_formed/none": [1.0, 2.0],
    "learning_curve_is_well_formed/lengths": {"step": [0, 1], "loss": [1.0]},
    "learning_curve_is_well_formed/step": {"step": [0, np.nan], "loss": [1.0, 2.0]},
    "learning_curve_is_well_formed/numbers": {"step": [0, 1], "loss": ["a", "b"]},
    "learning_curve_is_well_formed/nothing": {"step": [0, 1], "loss": [1.0, None]},
    "learning_curve_is_well_formed/number": {"step": [0], "loss": 1.0},
    "learning_curve_is_well_formed/truth": {"step": [0], "loss": [True]},
    "learning_curve_is_well_formed/name": {"step": [0], 1: [1.0]},
}


class Fitted(Halve):
    """What Mean has learnt."""

    mean: float

    def denoise(self, frames, context):
        output = super().denoise(frames, context)
        aliased = np.may_share_memory(output.values, frames.values)
        return output if aliased else output + np.float32(self.mean)


class CleanMean(Mean):
    """Remembers the mean of the clean frames."""

    name = "clean_mean"
    learns_from = "clean"

    def fit(self, training, context):
        return Fitted(mean=float(np.mean([case.clean.values.mean() for case in training])))


class Heads(Dataset):
    """Synthetic heads, two a split: a dataset for tests."""

    name, version = "heads", "1"
    fault: str = ""
    _serial: int = PrivateAttr(default_factory=lambda: next(SERIAL))

    def cases(self, split):
        start = {"train": 0, "validation": 2, "test": 4}[split]
        ids = [f"example-{seed}" for seed in (start, start + 1)]
        return LIST_FAULTS.get(self.fault, lambda ids, split, serial: ids)(ids, split, self._serial)

    def load(self, case_id, noise):
        number = str(case_id).rpartition("-")[2]
        if not number.isdecimal() or self.fault == "loads_cases":
            if self.fault == "unknown_case_is_refused/loaded":
                return example_case()
            raise (KeyError if self.fault == "unknown_case_is_refused" else DataError)(f"no case {case_id!r}")
        case = example_case(seed=int(number), noise_hu=7.0 if noise is None else noise)
        return CASE_FAULTS.get(self.fault, lambda case: case)(case)

    def fingerprint(self):
        faulty = {"fingerprint_is_stable": str(self._serial), "fingerprint_is_stable/number": 5}
        return faulty.get(self.fault, "")


LIST_FAULTS = {
    "case_ids_are_unique_text": lambda ids, split, serial: [0, 1],
    "case_ids_are_unique_text/twice": lambda ids, split, serial: ids + ids,
    "case_ids_are_unique_text/text": lambda ids, split, serial: ids[0],
    "case_ids_are_unique_text/none": lambda ids, split, serial: [],
    "splits_are_disjoint": lambda ids, split, serial: ["example-0", *ids[1:]],
    "cases_are_stable": lambda ids, split, serial: ids[:: (-1) ** serial],
    "cases_are_stable/calls": lambda ids, split, serial: ids[:: (-1) ** next(SERIAL)],
}


def with_frames(change: Callable[[xr.DataArray, Case], xr.DataArray]):
    return lambda case: replace(case, observation=Observation(change(case.observation.frames, case)))


def with_truth(part: str, change: Callable[[xr.DataArray], xr.DataArray]):
    return lambda case: replace(case, truth=replace(case.truth, **{part: change(getattr(case.truth, part))}))


CASE_FAULTS = {
    "observation_keeps_contract": with_frames(lambda frames, case: frames.astype(np.float64)),
    "observation_keeps_contract/case": lambda case: case.observation,
    "case_has_its_id": lambda case: replace(case, id="somebody"),
    "observation_holds_no_truth": with_frames(
        lambda frames, case: frames.assign_coords(clean=case.truth.frames.rename(None).drop_vars("time"))
    ),
    "observation_holds_no_truth/attrs": with_frames(
        lambda frames, case: frames.assign_attrs(clean=case.truth.frames.values)
    ),
    "observation_holds_no_truth/nested": with_frames(lambda frames, case: frames.assign_attrs(truth={"a": 1})),
    "observation_holds_no_truth/noiseless": with_frames(
        lambda frames, case: frames.copy(data=case.truth.frames.values)
    ),
    "truth_maps_keep_contract": with_truth("maps", lambda maps: maps.astype(np.float64)),
    "truth_maps_keep_contract/names": with_truth("maps", lambda maps: maps.sel(map=list(MAPS[::-1]))),
    "truth_maps_keep_contract/size": with_truth("maps", lambda maps: maps[..., 1:]),
    "truth_maps_keep_contract/infinity": with_truth("maps", lambda maps: maps.fillna(np.inf)),
    "truth_frames_keep_contract": with_truth("frames", lambda frames: frames.assign_coords(time=frames["time"] + 1)),
    "truth_frames_keep_contract/nan": with_truth("frames", lambda frames: frames.where(frames > 0)),
    "truth_labels_keep_contract": with_truth("labels", lambda labels: labels.astype(np.int16)),
    "truth_labels_keep_contract/flags": with_truth("labels", lambda labels: labels.drop_attrs()),
    "truth_labels_keep_contract/unknown": with_truth("labels", lambda labels: labels + np.int8(1)),
    "same_case_same_bytes": with_frames(lambda frames, case: frames + np.float32(next(SERIAL))),
    "same_case_same_bytes/truth": with_truth("maps", lambda maps: maps + np.float32(next(SERIAL))),
    "same_case_same_bytes/part": lambda case: replace(case, truth=None) if next(LOADS) % 2 else case,
}


class Error(Metric):
    """Root-mean-square error of each map: a metric for tests."""

    name, version = "error", "1"
    better, units = "lower", "map"
    fault: str = ""

    @property
    def needs(self):
        more = {
            "needs_are_known": {"thruth"},
            "takes_unknown_map": {"truth"},
            "takes_unknown_map/drop": {"truth"},
        }
        return frozenset({"noiseless"} | more.get(self.fault, set()))

    def score(self, case):
        tissue = case.observation.tissue
        square = ((case.maps - case.noiseless) ** 2).values[:, tissue]
        score = xr.DataArray(np.sqrt(square.mean(axis=1)), dims="map", coords={"map": list(MAPS)})
        return METRIC_FAULTS.get(self.fault, lambda score, case: score)(score, case)


class FrameError(Metric):
    """Error of each frame, and of one region: a metric for tests, NaN where it has no concentration."""

    name, version = "frame_error", "1"
    better, units = "lower", "HU"

    @property
    def needs(self):
        return frozenset({"concentration", "noiseless_concentration"})

    def score(self, case):
        error = np.abs(case.concentration - case.noiseless_concentration)
        score = error.mean(("z", "y", "x"))
        return score.expand_dims(roi=["all"])


def marks_the_case(score, case):
    case.maps.attrs["seen"] = True
    return score


def writes_the_case(score, case):
    case.maps.values[:] = 0
    return score


def stop_on(condition: Callable):
    def faulty(score, case):
        refuse(condition(case))
        return score

    return faulty


def tmax_unknown(case) -> bool:
    return case.truth is not None and bool(case.truth.maps.sel(map="tmax").isnull().all())


METRIC_FAULTS = {
    "score_keeps_contract": lambda score, case: score.expand_dims(z=[0.0]),
    "score_keeps_contract/type": lambda score, case: float(score[0]),
    "score_keeps_contract/dtype": lambda score, case: score.astype(int),
    "score_keeps_contract/coordinate": lambda score, case: score.drop_vars("map"),
    "score_keeps_contract/maps": lambda score, case: score.assign_coords(map=list("abcde")),
    "score_keeps_contract/times": lambda score, case: score.rename(map="time").assign_coords(time=np.arange(5) / 7),
    "score_keeps_contract/writes": writes_the_case,
    "input_is_unchanged": marks_the_case,
    "same_case_same_score": lambda score, case: score + np.float32(next(SERIAL)) * 1e-6,
    "reads_only_its_needs": stop_on(lambda case: case.truth is None),
    "reads_only_its_needs/silently": lambda score, case: score / 2 if case.truth is None else score,
    "perfect_answer_has_a_score": lambda score, case: score.where(score > 0),
    "perfect_answer_is_best": lambda score, case: -score,
    "takes_unknown_map": lambda score, case: score.where(not tmax_unknown(case)),
    "takes_unknown_map/drop": lambda score, case: score[3:] if tmax_unknown(case) else score,
    "takes_one_slice": stop_on(lambda case: case.maps.sizes["z"] == 1),
    "takes_odd_sizes": stop_on(lambda case: case.maps.sizes["x"] % 2 == 1),
    "takes_other_frame_counts": stop_on(lambda case: case.observation.frames.sizes["time"] != 24),
}

SOUND = [Halve(), BaselineOff(), Ones(), Mean(), CleanMean(), Heads(), Error(), FrameError()]


# -- sound components pass, each fault is found ---


@parametrize_with_checks(SOUND, noise=(None, 3.0))
def test_sound_components_conform(component, check):
    check(component)


FITTED_FAULTS = ["is_of_one_kind", *(fault for fault in FRAME_FAULTS if fault != "instances_agree")]
FAULTY = [
    (Undocumented(), "has_a_docstring"),
    (Nameless(), "declares_its_contract"),
    (Thawed(), "is_frozen"),
    (Reworded(), "parameters_survive_yaml"),
    (Stuck(), "pickles"),
    (TwoKinds(), "is_of_one_kind"),
    (Ones(lags_per_frame=1), "output_keeps_contract"),
    *((Halve(fault=fault), fault) for fault in FRAME_FAULTS),
    *((Mean(fault=fault), fault) for fault in ("fits", "training_is_unchanged", "fit_leaves_global_random_state")),
    *(
        (Mean(fault=fault), fault)
        for fault in (
            "same_seed_same_fit",
            "saves_and_loads",
            "saves_and_loads/where_it_was",
            "saves_and_loads/taken",
            *CURVE_FAULTS,
        )
    ),
    *((Mean(fault=f"fitted_{fault}"), f"fitted_{fault}") for fault in FITTED_FAULTS),
    *((Heads(fault=fault), fault) for fault in (*LIST_FAULTS, *CASE_FAULTS, "loads_cases")),
    *((Heads(fault=fault), fault) for fault in ("fingerprint_is_stable", "fingerprint_is_stable/number")),
    *((Heads(fault=fault), fault) for fault in ("unknown_case_is_refused", "unknown_case_is_refused/loaded")),
    *((Error(fault=fault), fault) for fault in ("needs_are_known", *METRIC_FAULTS)),
]


@pytest.mark.parametrize(("component", "fault"), FAULTY, ids=lambda value: getattr(value, "name", value))
def test_a_fault_fails_its_check_alone(component, fault):
    failed = [result for result in run_checks(component, noise=(3.0,)) if not result.passed]
    assert [result.name for result in failed] == [fault.partition("/")[0]]
    assert failed[0].component == component.name
    assert "\n" not in failed[0].message


def test_every_check_can_fail():
    proven = {fault.partition("/")[0] for _, fault in FAULTY}
    proven.add("data_are_here")  # which is skipped where others fail: see below
    assert {check.name for component in SOUND for check in checks_for(component)} == proven


# -- what the checks say and how they are run ---


def test_a_failure_says_what_was_got_and_what_is_allowed():
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
    raised = message(Halve(fault="takes_one_slice").model_copy(update={"fault": "takes_odd_sizes"}))
    assert raised.startswith("RuntimeError: too much for me (")
    assert "test_testing.py:" in raised


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
    with pytest.raises(TypeError, match="allowed: an instance of Dataset, Denoiser or Metric"):
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
