"""Whole methods as the harness times them, maps included: one 256x256 slice of 44 frames.

They have no peer in the same run. Beside them stand the goals of the project and the times of the paper's table III,
which were taken on another machine (Xeon Silver 4110, 32 cores; TIPS on a GTX 1080 Ti).
"""

from __future__ import annotations

import pytest

from ctpbench.running.estimation import Estimate, answer_of, estimate
from ctpbench.settings import MapsSettings
from ctpbench_filters import Gaussian, Identity, Tips, Ttv

METHODS = {  # denoiser, goal in ms on two cores, time in the paper's table III in ms
    "none": (Identity(), 30, 159),
    "gaussian": (Gaussian(sigma_px=2), 50, 233),
    "tips": (Tips(sigma_t_hu=7.5, sigma_s_px=2), 150, 1098),
    # as strong as it must be for the best CBF of a scan at N0 = 2e5: a weaker one takes fewer iterations
    "ttv": (Ttv(beta_space_hu2s=20000, beta_time_hu2s=600), 10_000, 53_140),
}


@pytest.mark.parametrize("method", METHODS)
def test_method(contest, scan, context, request, method):
    denoiser, goal_ms, paper_ms = METHODS[method]
    size = 256 if request.config.getoption("benchmark_enable") else 32  # untimed, fewer pixels show as much
    observation, settings = scan(size), MapsSettings()

    def whole() -> Estimate:
        return estimate(answer_of(denoiser, observation, settings, context), observation, settings)

    contest(
        "ours",
        task=f"method {method}",
        size=f"{size}x{size}x44",
        ours=whole,
        peers={},
        goal_ms=goal_ms,
        paper_ms=paper_ms,
    )
