"""Conformance kit: does a dataset, a denoiser, a metric or an executor keep to its contract?

In a plugin's own tests::

    from ctpbench.testing import parametrize_with_checks

    @parametrize_with_checks([Gaussian(sigma_px=2), Median(width=5)])
    def test_conforms(component, check):
        check(component)

or, for all that an installed package offers, ``ctpbench check PACKAGE``. The examples are small cases for
further tests.
"""

from __future__ import annotations

from ctpbench.testing.check import Check, CheckResult
from ctpbench.testing.examples import (
    ExampleTraining,
    example_case,
    example_concentration,
    example_observation,
    example_scored_case,
)
from ctpbench.testing.kit import checks_for, parametrize_with_checks, run_checks
from ctpbench.testing.packages import check_package

__all__ = [
    "Check",
    "CheckResult",
    "ExampleTraining",
    "check_package",
    "checks_for",
    "example_case",
    "example_concentration",
    "example_observation",
    "example_scored_case",
    "parametrize_with_checks",
    "run_checks",
]
