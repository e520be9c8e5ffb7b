"""Metrics for ctpbench: map errors, frame errors and lesion overlap."""

from __future__ import annotations

from ctpbench import hookimpl
from ctpbench_metrics.frames import FrameRmse
from ctpbench_metrics.lesion import LesionDice, LesionVolumeError
from ctpbench_metrics.maps import Bias, Concordance, Mae, Rmse
from ctpbench_metrics.similarity import Psnr, Ssim


@hookimpl
def ctpbench_metrics():
    """Return the metric classes of this package."""
    return [Rmse, Mae, Bias, Concordance, Ssim, Psnr, FrameRmse, LesionDice, LesionVolumeError]
