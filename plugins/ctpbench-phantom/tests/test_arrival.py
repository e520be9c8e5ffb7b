import numpy as np
import pytest

from ctpbench_phantom.anatomy import pixel_centres
from ctpbench_phantom.arrival import arrival
from ctpbench_phantom.shapes import Points

X, Y = (axis[40:160, 40:160] for axis in pixel_centres(200, 1.0))
POINTS = Points(X.ravel(), Y.ravel(), np.full(X.size, 8.0))
DEPTH = np.clip((X.ravel() - 10) / 40, None, 1)  # a lesion to the right of x = 10


@pytest.fixture(scope="module")
def transport():
    return arrival(POINTS, DEPTH, 5, outflow_s=6.0, late=0.0)


@pytest.mark.parametrize(("outflow_s", "late"), [(4.0, -1.0), (6.0, 0.0), (8.0, 1.0)])
def test_delay_and_dispersion_lie_within_their_bounds(outflow_s, late):
    lesion = DEPTH > 0
    for seed in range(4):
        found = arrival(POINTS, DEPTH, seed, outflow_s, late)
        for values, healthy, struck in (
            (found.delay_s, (0.0, 2.0), (4.0, 14.0)),
            (found.dispersion_s, (0.2, 1.6), (0.8, 4.0)),
        ):
            for inside, (low, high) in ((~lesion, healthy), (lesion, struck)):
                assert low <= values[inside].min()
                assert values[inside].max() <= high
                assert np.ptp(values[inside]) > 0.1 * (high - low)
        np.testing.assert_allclose(found.shares.sum(axis=0), 1)
        assert found.shares.min() >= 0


def test_all_vary_smoothly_and_no_residue_is_alone(transport):
    for values, most in (
        (transport.delay_s, 0.6),
        (transport.dispersion_s, 0.25),
        (transport.shares[0], 0.08),
        (transport.shares[1], 0.08),
    ):
        image = values.reshape(X.shape)
        for lesion in (False, True):
            columns = image[:, (X[0] > 10) == lesion]
            assert np.abs(np.diff(columns, axis=0)).max() < most  # per mm
            assert np.abs(np.diff(columns, axis=1)).max() < most
            assert np.ptp(columns) > most
    assert transport.shares.max(axis=1).min() > 0.5


def test_contrast_is_later_the_deeper_the_later_the_stroke_and_the_later_the_veins(transport):
    lesion, deep, healthy = DEPTH > 0, DEPTH > 0.8, DEPTH <= 0
    assert transport.delay_s[deep].mean() > transport.delay_s[lesion & ~deep].mean() + 1
    assert transport.dispersion_s[deep].mean() > transport.dispersion_s[lesion & ~deep].mean()
    early, late = (arrival(POINTS, DEPTH, 5, 6.0, each) for each in (-1.0, 1.0))
    assert late.delay_s[lesion].mean() > early.delay_s[lesion].mean() + 1
    np.testing.assert_array_equal(late.delay_s[healthy], early.delay_s[healthy])
    soon, slow = (arrival(POINTS, DEPTH, 5, each, 0.0) for each in (4.5, 7.5))
    assert slow.delay_s[healthy].mean() > soon.delay_s[healthy].mean() + 0.4
    np.testing.assert_array_equal(slow.delay_s[lesion], soon.delay_s[lesion])


def test_the_same_head_has_the_same_arrival(transport):
    again, other = (arrival(POINTS, DEPTH, seed, 6.0, 0.0) for seed in (5, 6))
    np.testing.assert_array_equal(again.delay_s, transport.delay_s)
    np.testing.assert_array_equal(again.shares, transport.shares)
    assert np.abs(other.delay_s - transport.delay_s).max() > 0.3
