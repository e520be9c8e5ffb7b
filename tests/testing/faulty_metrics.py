"""Sound metrics for the tests of the kit, and the faults that one of them can be given."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import xarray as xr

from ctpbench import MAPS, Metric
from tests.testing.faulty_denoisers import refuse

SERIAL = itertools.count()


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
    "score_keeps_contract/twice": lambda score, case: xr.concat([score, score], "map"),
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
