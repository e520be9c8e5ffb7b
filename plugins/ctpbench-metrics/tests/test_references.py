"""What maps are held against, and where times are defined."""

import numpy as np
import pytest

from ctpbench_metrics.maps import Rmse
from ctpbench_metrics.references import reference_maps

from .conftest import map_array

SHAPE = (1, 1, 3)


def test_truth_is_what_the_scanner_resolves_and_exact_is_not(make_case):
    zero, one, two, three = ({"cbf": np.full(SHAPE, float(value))} for value in range(4))
    case = make_case({"cbf": np.full(SHAPE, 10.0)}, one, two, resolved=map_array(three))
    errors = {a: Rmse(against=a).score(case).item() for a in ("noiseless", "truth", "exact")}
    assert errors == pytest.approx({"noiseless": 9, "truth": 7, "exact": 8})
    without = make_case({"cbf": np.full(SHAPE, 10.0)}, one, two)
    assert Rmse(against="truth").score(without).item() == pytest.approx(8)
    assert np.isnan(Rmse(region="tissue", against="noiseless").score(make_case(zero, {"mtt": zero["cbf"]})).item())


def test_times_are_compared_where_there_is_flow_and_flows_everywhere(make_case):
    """The second voxel has no flow in the reference, the third no MTT."""
    reference = {
        "cbf": np.array([[[10.0, 0, 10]]]),
        "mtt": np.array([[[4.0, 4, np.nan]]]),
        "ttp": np.array([[[4.0, 4, 4]]]),
        "tmax": np.array([[[4.0, 4, 4]]]),
    }
    method = {name: np.array([[[5.0, 9, 7]]]) for name in reference}
    case = make_case(method, reference)
    found = reference_maps(case, "noiseless")
    assert found["map"].values.tolist() == list(reference)
    assert np.isfinite(found.values[:, 0, 0]).tolist() == [
        [True, True, True],
        [True, False, False],
        [True, False, True],
        [True, False, True],
    ]
    assert Rmse().score(case).values.tolist() == pytest.approx([np.sqrt((25 + 81 + 9) / 3), 1, 5**0.5, 5**0.5])


def test_the_flow_is_the_references_whatever_maps_the_method_has(make_case):
    times = {"tmax": np.array([[[1.0, 2, 3]]])}
    flow = {"cbf": np.array([[[0.0, 1, 1]]])}
    case = make_case(times, {**times, **flow})
    assert np.isfinite(reference_maps(case, "noiseless").values.ravel()).tolist() == [False, True, True]
    for unknown in ({}, {"cbf": np.full(SHAPE, np.nan)}):
        case = make_case(times, {**times, **unknown})
        assert np.isfinite(reference_maps(case, "noiseless").values).all()
