"""What components answer: scores, diagnostics, and numbers of frames that they do not take."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctpbench import DataError
from ctpbench.contract.answers import check_diagnostics, check_frame_count, check_score
from ctpbench.testing import example_observation, example_scored_case
from tests.testing.faulty_denoisers import Fixed, Halve
from tests.testing.faulty_learners import FixedMean

CASE = example_scored_case(frames=24)
TIMES_S = CASE.observation.times_s


def scores(dtype=np.float64, **coords) -> xr.DataArray:
    return xr.DataArray(np.ones([len(c) for c in coords.values()], dtype), dims=tuple(coords), coords=coords)


SOUND = {
    "a number": xr.DataArray(0.5),
    "NaN": xr.DataArray(np.float32(np.nan)),
    "maps": scores(map=["tmax", "cbf"]),
    "times": scores(np.float32, time=TIMES_S[3:5]),
    "frequencies": scores(frequency=[0.1, 0.2]),
    "regions": scores(roi=["core", "penumbra"]),
    "all": scores(map=["cbf"], time=TIMES_S, roi=["core"], frequency=[0.5]),
    "more coordinates": scores(map=["cbf", "cbv"]).assign_coords(unit=("map", ["a", "b"]), z=3.0),
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_score_is_returned_as_it_is(name):
    assert check_score(SOUND[name], CASE, "error") is SOUND[name]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_decision_is_one_zero_or_nan(dtype):
    sound = xr.DataArray(np.array([1, 0, np.nan], dtype), dims="roi", coords={"roi": list("abc")})
    assert check_score(sound, CASE, "treat", "decision") is sound
    for value in (0.5, -1.0, np.inf):
        with pytest.raises(ValueError, match=rf"^metric 'treat': got {value}; allowed: 1, 0 or NaN, for it is a dec"):
            check_score(sound.fillna(value), CASE, "treat", "decision")
        assert check_score(sound.fillna(value), CASE, "volume") is not None


FAULTY = {
    "got float; allowed: DataArray": 0.5,
    "got ndarray; allowed: DataArray": np.ones(5),
    "got Dataset; allowed: DataArray": xr.Dataset(),
    "got dims ('z', 'y'); allowed: any of map, time, frequency, roi": scores(z=[1, 2], y=[1, 2]),
    "got dims ('map', 'case'); allowed: any of map, time, frequency, roi": scores(map=["cbf"], case=["a"]),
    "got dtype int64; allowed: float32 or float64": scores(np.int64, map=["cbf"]),
    "got dtype bool; allowed: float32 or float64": xr.DataArray(True),
    "got dtype object; allowed: float32 or float64": xr.DataArray(np.array([1.0, None]), dims="roi"),
    "got no coordinate for map; allowed: one for each dim": xr.DataArray(np.ones(5), dims="map"),
    "got no coordinate for roi; allowed: one for each dim": scores(map=["cbf"]).expand_dims("roi"),
    "got map rcbf; allowed: cbf, cbv, mtt, ttp, tmax, once each": scores(map=["cbf", "rcbf"]),
    "got map cbf more than once; allowed: once each": scores(map=["cbf", "cbv", "cbf"]),
    "got time 0.5, 99.0; allowed: the observation's times, once each": scores(time=[0.0, 0.5, 99.0]),
    "got time 0.1, 0.2, 0.3...; allowed: the observation's times, once each": scores(time=[0.1, 0.2, 0.3, 0.4]),
    "got time nan; allowed: the observation's times, once each": scores(time=[np.nan]),
    "got roi core more than once; allowed: once each": scores(roi=["core", "core"]),
    "got frequency 0.5 more than once; allowed: once each": scores(frequency=[0.5, 0.5]),
}


@pytest.mark.parametrize("said", FAULTY)
def test_a_faulty_score_is_refused_in_one_line_that_names_its_metric(said):
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole text is compared
        check_score(FAULTY[said], CASE, "error, scale=2")
    assert str(raised.value) == f"metric 'error, scale=2': {said}"


@pytest.mark.parametrize("denoiser", [Fixed(frames=10), FixedMean(frames=10)])
def test_a_number_of_frames_is_refused_where_another_is_needed(denoiser):
    check_frame_count(denoiser, example_observation(frames=10).frames)
    for frames in (9, 11):
        with pytest.raises(DataError) as raised:
            check_frame_count(denoiser, example_observation(frames=frames).frames)
        assert str(raised.value) == (
            f"denoiser '{denoiser.name}': got {frames} frames; allowed: 10; "
            "choose a dataset with as many, or other parameters"
        )


@pytest.mark.parametrize("frames", [3, 24])
def test_any_number_of_frames_is_taken_where_none_is_needed(frames):
    check_frame_count(Halve(), example_observation(frames=frames).frames)


def test_a_fitted_denoiser_needs_no_name():
    class Nameless(Fixed):
        """What a method has learnt is found by no name."""

    del Fixed.name
    try:
        with pytest.raises(DataError, match="denoiser 'Nameless': got 9 frames; allowed: 10"):
            check_frame_count(Nameless(), example_observation(frames=9).frames)
    finally:
        Fixed.name = "fixed"


def output(diagnostics) -> xr.DataArray:
    return xr.DataArray(0.0, attrs={"units": "HU", "diagnostics": diagnostics})


def test_diagnostics_become_plain_numbers():
    given = {"gap": np.float32(0.5), "iterations": 12, "converged": True, "norm": np.array(2.0)}
    found = check_diagnostics(output(given), "denoise")
    assert found == {"gap": 0.5, "iterations": 12.0, "converged": 1.0, "norm": 2.0}
    assert {type(value) for value in found.values()} == {float}
    assert check_diagnostics(xr.DataArray(0.0), "denoise") == {}


@pytest.mark.parametrize(
    ("diagnostics", "said"),
    [
        ([1.0], "got list; allowed: a mapping of text to numbers"),
        (None, "got NoneType; allowed: a mapping of text to numbers"),
        ({"gap": float("nan")}, "got 'gap': nan; allowed: text with a finite number each"),
        ({"gap": -np.inf, "ok": 1}, "got 'gap': -inf; allowed: text with a finite number each"),
        ({"gap": "small"}, "got 'gap': 'small'; allowed: text with a finite number each"),
        ({"gap": None}, "got 'gap': None; allowed: text with a finite number each"),
        ({"gap": 1j}, "got 'gap': 1j; allowed: text with a finite number each"),
        ({"gap": [1.0, 2.0]}, "got 'gap': [1.0, 2.0]; allowed: text with a finite number each"),
        ({3: 1.0}, "got 3: 1.0; allowed: text with a finite number each"),
        ({"a/../b": 1.0}, "got 'a/../b'; allowed: letters, digits, _, -, ., 64 at most, a letter first"),
        ({"\udcff": 1.0, "": 2.0}, "got '\\udcff', ''; allowed: letters, digits, _, -, ., 64 at most, a letter first"),
        ({f"n{i}": 1.0 for i in range(101)}, "got 101; allowed: 100 or fewer"),
    ],
)
def test_other_diagnostics_are_refused(diagnostics, said):
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole text is compared
        check_diagnostics(output(diagnostics), "denoise")
    assert str(raised.value) == f"denoise: diagnostics: {said}"


def test_a_score_is_no_better_than_its_metrics_best_but_for_rounding():
    for better, best, sound, beyond in (("lower", 0.0, 0.0, -1e-9), ("higher", 1.0, 1 + 1e-7, 1.01)):
        scores = xr.DataArray([sound, np.nan], dims="map", coords={"map": ["cbf", "cbv"]})
        assert check_score(scores, CASE, "error", "number", better, best) is scores
        with pytest.raises(ValueError, match=f"got {beyond}; allowed: none better than its best, {best:g}"):
            check_score(scores.fillna(beyond), CASE, "error", "number", better, best)
        assert check_score(scores.fillna(beyond), CASE, "error", "number", better) is not None
