"""Settings of the maps: their labels, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ctpbench.settings import MapsSettings

NUMBERS = st.sampled_from([0.1, 0.3, 0.30000000000000004, 1.0, 2.5]) | st.floats(0.01, 10)
ALL = st.builds(
    MapsSettings,
    deconvolution=st.sampled_from(["tikhonov", "gcv", "lcurve", "tsvd", "osvd", "bayesian"]),
    lambda_rel=NUMBERS,
    lambda_rel_min=st.sampled_from([0.003, 0.001, 0.01]),
    lambda_rel_max=st.sampled_from([1.0, 0.5, 2.0]),
    threshold_rel=st.sampled_from([0.0, 0.1, 0.15]),
    oscillation_index=NUMBERS,
    prior_mtt_s=st.sampled_from([5.0, 4.0]),
    prior_delay_s=st.sampled_from([2.0, 4.0]),
    model_error=st.sampled_from([0.1, 0.2]),
    peak_lags=st.sampled_from(["circle", "scan"]),
    baseline_frames=st.sampled_from([1, 2]),
    kappa=st.sampled_from([0.73, 1.0]),
    rho=st.sampled_from([1.0, 1.05]),
    scaling=st.sampled_from(["truth", "white_matter", "none"]),
)


def effect(maps):
    """All that decides maps and their scale."""
    lags = None if maps.deconvolution == "bayesian" else maps.peak_lags
    return maps.regularisation, lags, maps.baseline_frames, maps.kappa, maps.rho, maps.scaling


@settings(max_examples=300, deadline=None)
@given(ALL, ALL)
def test_labels_are_the_same_where_the_maps_are_and_nowhere_else(one, other):
    assert (one.label == other.label) == (effect(one) == effect(other))


@pytest.mark.parametrize(
    ("values", "label"),
    [
        ({}, "tikhonov 0.3"),
        ({"lambda_rel": 1}, "tikhonov 1"),
        ({"peak_lags": "scan"}, "tikhonov 0.3, scan lags"),
        ({"deconvolution": "tsvd"}, "tsvd 0.15"),
        ({"deconvolution": "osvd", "lambda_rel": 0.1}, "osvd 0.095"),
        ({"deconvolution": "gcv"}, "gcv"),
        ({"deconvolution": "lcurve", "lambda_rel_max": 0.5}, "lcurve, to 0.5"),
        ({"deconvolution": "bayesian", "peak_lags": "scan"}, "bayesian"),
        ({"deconvolution": "bayesian", "prior_mtt_s": 4, "model_error": 0.2}, "bayesian, MTT 4 s, model error 0.2"),
        (
            {"kappa": 0.73, "rho": 1.05, "scaling": "white_matter", "baseline_frames": 3},
            "tikhonov 0.3, T0 3, kappa 0.73, rho 1.05, scaling white_matter",
        ),
    ],
)
def test_a_label_says_what_is_not_as_usual(values, label):
    assert MapsSettings(**values).label == label


def test_bounds_out_of_order_are_refused():
    with pytest.raises(ValidationError, match=r"lambda_rel_min: got 1; allowed: below lambda_rel_max, 1"):
        MapsSettings(lambda_rel_min=1)
