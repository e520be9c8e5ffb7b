"""Metrics for ctpbench: errors of maps and frames, lesions, noise and contrast in regions, resolution, texture."""

from __future__ import annotations

from ctpbench import hookimpl
from ctpbench_metrics.contrast import CoreCnr, CoreContrast, CoreStd
from ctpbench_metrics.edges import EdgeFwhm
from ctpbench_metrics.frames import FrameRmse
from ctpbench_metrics.lesion import LesionDice, LesionVolumeError
from ctpbench_metrics.maps import Bias, Concordance, Mae, Rmse
from ctpbench_metrics.roi import RoiBias, RoiStd
from ctpbench_metrics.similarity import Psnr, Ssim
from ctpbench_metrics.spectrum import Nps, NpsMeanFrequency

_AGAINST_A_REFERENCE = [Rmse, Mae, Bias, Concordance, Ssim, Psnr, FrameRmse, LesionDice, LesionVolumeError]
_WITHOUT_ONE = [RoiBias, RoiStd, CoreContrast, CoreStd, CoreCnr, EdgeFwhm, Nps, NpsMeanFrequency]


@hookimpl
def ctpbench_metrics():
    """Return the metric classes of this package."""
    return [*_AGAINST_A_REFERENCE, *_WITHOUT_ONE]
