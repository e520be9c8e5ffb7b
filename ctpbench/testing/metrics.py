"""What a metric must keep to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from ctpbench.contract.answers import check_score
from ctpbench.contract.better import cost
from ctpbench.contract.case import ScoredCase, Truth
from ctpbench.contract.components import Metric
from ctpbench.testing.check import Check, require, require_same
from ctpbench.testing.components import component_checks, fresh
from ctpbench.testing.examples import Shape, example_scored_case

OPTIONAL_PARTS = frozenset({"noiseless", "truth", "concentration", "noiseless_concentration", "rois"})
REFERENCES = frozenset({"noiseless", "truth", "noiseless_concentration"})
_ERROR = 0.5

_INPUTS: dict[str, Shape] = {
    "takes_one_slice": {"slices": 1},
    "takes_odd_sizes": {"slices": 3, "rows": 11, "columns": 17},
    "takes_other_frame_counts": {"frames": 7},
}


def metric_checks() -> list[Check]:
    """Return the checks of a metric."""
    needs, first, steady = "needs_are_known", "score_keeps_contract", "same_case_same_score"
    return [
        *component_checks(),
        Check(needs, _needs_are_known, "declares_its_contract"),
        Check(first, partial(_score_keeps_contract, shape={}), needs),
        Check("input_is_unchanged", _input_is_unchanged, first),
        Check(steady, _same_case_same_score, first),
        Check("reads_only_its_needs", _reads_only_its_needs, steady),
        Check("perfect_answer_has_a_score", _perfect_answer_has_a_score, first),
        Check("perfect_answer_is_best", _perfect_answer_is_best, first),
        Check("takes_unknown_map", _takes_unknown_map, steady),
        *(Check(name, partial(_score_keeps_contract, shape=shape), first) for name, shape in _INPUTS.items()),
    ]


def score(metric: Metric, case: ScoredCase) -> xr.DataArray:
    """Score a case and check what comes back.

    Raises
    ------
    AssertionError
        Where the score breaks the contract, or the metric writes to what it is given.
    """
    try:
        got = metric.score(case)
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        raise AssertionError("score: got a write to the case; allowed: reading it") from error
    try:
        return check_score(got, case, metric.name, metric.quantity, metric.better, metric.best)
    except ValueError as error:
        raise AssertionError(str(error)) from None


def _needs_are_known(metric: Metric) -> None:
    unknown = set(metric.needs) - OPTIONAL_PARTS
    allowed = ", ".join(sorted(OPTIONAL_PARTS))
    require(not unknown, f"needs: got {', '.join(sorted(map(str, unknown)))}; allowed: any of {allowed}")


def _score_keeps_contract(metric: Metric, *, shape: Shape) -> None:
    score(metric, example_scored_case(error=_ERROR, **shape))


def _input_is_unchanged(metric: Metric) -> None:
    case = example_scored_case(error=_ERROR)
    score(metric, case)
    before = dict(_arrays(example_scored_case(error=_ERROR)))
    for name, array in _arrays(case):
        require_same(f"{name} afterwards", array, before[name], "the case as it was")


def _same_case_same_score(metric: Metric) -> None:
    first = score(metric, example_scored_case(error=_ERROR))
    for who, again in (("second call", metric), ("another instance", fresh(metric))):
        got = score(again, example_scored_case(error=_ERROR))
        require_same(who, got, first, "the same score, to the bit")


def _reads_only_its_needs(metric: Metric) -> None:
    """What is not declared in `needs` may be missing, and makes no difference."""
    case = example_scored_case(error=_ERROR)
    missing = OPTIONAL_PARTS - metric.needs
    without = f"without {', '.join(sorted(missing))}"
    allowed = "the same score as with it, or naming it in needs"
    absent: dict[str, Any] = dict.fromkeys(missing)
    try:
        got = score(metric, replace(case, **absent))
    except Exception as error:
        raise AssertionError(f"{without}: got {type(error).__name__}: {error}; allowed: {allowed}") from error
    require_same(without, got, score(metric, case), allowed)


def _perfect_answer_has_a_score(metric: Metric) -> None:
    count = int(np.isnan(score(metric, example_scored_case()).values).sum())
    explained = "NaN" in (type(metric).__doc__ or "")
    text = f"perfect answer: got {count} NaN; allowed: none, unless the docstring explains NaN"
    require(count == 0 or explained, text)


def _perfect_answer_is_best(metric: Metric) -> None:
    """Asked only of a metric that ranks and reads a reference: no other can know a perfect answer."""
    if metric.better == "none" or not metric.needs & REFERENCES:
        return
    scores = (score(metric, example_scored_case(error=error)) for error in (0.0, _ERROR))
    perfect, noisy = xr.broadcast(*scores)
    worse = cost(perfect, metric.better) > cost(noisy, metric.better)
    if worse.any():
        at = tuple(np.argwhere(worse.values)[0])
        pair = f"{perfect.values[at]:.4g} for a perfect answer and {noisy.values[at]:.4g} for a wrong one"
        raise AssertionError(f"score: got {pair}; allowed: the perfect one no worse (better: {metric.better})")


def _takes_unknown_map(metric: Metric) -> None:
    """Where the truth knows no Tmax (all NaN), the other maps' scores are what they were."""
    whole = score(metric, example_scored_case(error=_ERROR))
    got = score(metric, example_scored_case(error=_ERROR, unknown=("tmax",)))
    if "map" in whole.dims and "map" in got.dims:
        others = [name for name in whole["map"].values if name != "tmax"]
        missing = [name for name in others if name not in got["map"].values]
        require(not missing, f"truth without Tmax: got no score of {', '.join(missing)}; allowed: all maps")
        require_same(
            "truth without Tmax",
            got.sel(map=others),
            whole.sel(map=others),
            "the other maps' scores unchanged",
        )


def _arrays(case: ScoredCase) -> Iterator[tuple[str, xr.DataArray]]:
    truth = case.truth or Truth()
    yield "observation", case.observation.frames
    for name, array in (
        ("maps", case.maps),
        ("noiseless", case.noiseless),
        ("truth.maps", truth.maps),
        ("truth.frames", truth.frames),
        ("truth.labels", truth.labels),
        ("concentration", case.concentration),
        ("noiseless_concentration", case.noiseless_concentration),
        ("rois", case.rois),
    ):
        if array is not None:
            yield name, array
