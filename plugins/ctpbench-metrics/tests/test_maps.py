"""RMSE, MAE, bias and concordance: numbers by hand, loops, and laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ctpbench_metrics.maps import Bias, Concordance, Mae, Rmse, bias, concordance, mae, rmse

values = st.floats(-100, 100)
pairs = hnp.arrays(np.float64, st.tuples(st.just(2), st.integers(2, 30)), elements=values)


def test_by_hand():
    p, r = np.array([1.0, 2.0, 5.0]), np.array([1.0, 4.0, 4.0])
    assert rmse(p, r) == pytest.approx(math.sqrt(5 / 3))
    assert mae(p, r) == pytest.approx(1)
    assert bias(p, r) == pytest.approx(-1 / 3)


def test_concordance_by_hand():
    """r = (1..5), p = 2 r: covariance 4, variances 8 and 2, means 6 and 3, so 8 / (8 + 2 + 9)."""
    r = np.arange(1.0, 6.0)
    assert concordance(2 * r, r) == pytest.approx(8 / 19)


def naive(p, r):
    n = len(p)
    mp, mr = sum(p) / n, sum(r) / n
    vp = sum((a - mp) ** 2 for a in p) / n
    vr = sum((b - mr) ** 2 for b in r) / n
    cov = sum((a - mp) * (b - mr) for a, b in zip(p, r, strict=True)) / n
    return {
        "rmse": math.sqrt(sum((a - b) ** 2 for a, b in zip(p, r, strict=True)) / n),
        "mae": sum(abs(a - b) for a, b in zip(p, r, strict=True)) / n,
        "bias": mp - mr,
        "ccc": 2 * cov / (vp + vr + (mp - mr) ** 2),
    }


def test_metrics_equal_their_naive_twins_voxel_by_voxel(make_case):
    rng = np.random.default_rng(5)
    shape = (2, 4, 5)
    p, r = rng.normal(30, 10, (2, *shape)).astype(np.float32)
    r[0, 1, 2] = np.nan
    brain, vessels = rng.random(shape) < 0.8, rng.random(shape) < 0.2
    case = make_case({"cbf": p}, true_maps={"cbf": r}, brain=brain, vessels=vessels)
    inside = [i for i in np.ndindex(shape) if brain[i] and not vessels[i] and not np.isnan(r[i])]
    expected = naive([float(p[i]) for i in inside], [float(r[i]) for i in inside])
    for metric in (Rmse, Mae, Bias, Concordance):
        assert metric(against="truth").score(case).item() == pytest.approx(expected[metric.name], rel=1e-6)


def test_perfect_maps(make_case):
    maps = {"cbf": np.arange(24.0).reshape(1, 4, 6), "mtt": np.linspace(0, 20, 24).reshape(1, 4, 6)}
    case = make_case(maps, maps)
    for metric, best in ((Rmse, 0), (Mae, 0), (Bias, 0), (Concordance, 1)):
        assert metric().score(case).values.tolist() == pytest.approx([best, best])


def test_no_voxel_to_compare_is_nan(make_case):
    known = np.zeros((1, 2, 2))
    case = make_case({"cbf": known}, {"cbf": np.full_like(known, np.nan)})
    assert np.isnan(Rmse().score(case)).all()


def test_concordance_of_one_constant_is_nan_and_of_two_is_zero():
    assert math.isnan(concordance(np.ones(4), np.ones(4)))
    assert concordance(np.ones(4), np.zeros(4)) == 0


@given(pairs)
def test_mse_is_variance_plus_squared_bias_and_bounds_the_others(pair):
    p, r = pair
    assert rmse(p, r) ** 2 == pytest.approx(np.var(p - r) + bias(p, r) ** 2, rel=1e-9, abs=1e-12)
    assert abs(bias(p, r)) <= mae(p, r) + 1e-12
    assert mae(p, r) <= rmse(p, r) + 1e-12


@given(pairs, st.floats(0.1, 10))
def test_symmetry_and_scaling(pair, factor):
    p, r = pair
    for f in (rmse, mae):
        assert f(p, r) == f(r, p)
        assert f(factor * p, factor * r) == pytest.approx(factor * f(p, r), rel=1e-9, abs=1e-12)
    assert bias(p, r) == -bias(r, p)


@given(pairs.filter(lambda pair: np.ptp(pair) > 1e-3), st.floats(0.1, 10), values)
def test_concordance_is_symmetric_bounded_and_blind_to_a_common_scale_and_shift(pair, factor, shift):
    p, r = pair
    value = concordance(p, r)
    assert -1 - 1e-9 <= value <= 1 + 1e-9
    assert concordance(r, p) == value
    assert concordance(factor * p + shift, factor * r + shift) == pytest.approx(value, abs=1e-6)


@given(hnp.arrays(np.float64, 8, elements=values).filter(lambda r: np.ptp(r) > 1), st.floats(1, 50))
def test_concordance_falls_with_an_offset_where_pearson_does_not(r, offset):
    spread = 2 * np.var(r)
    assert concordance(r + offset, r) == pytest.approx(spread / (spread + offset**2))
