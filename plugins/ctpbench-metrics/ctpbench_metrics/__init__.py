"""Metrics for ctpbench: errors of maps, lesions, decisions, what an observer finds, noise, resolution, texture."""

from __future__ import annotations

from ctpbench import hookimpl
from ctpbench_metrics.contrast import CoreCnr, CoreContrast, CoreStd
from ctpbench_metrics.edges import EdgeFwhm
from ctpbench_metrics.frames import FrameRmse
from ctpbench_metrics.lesion import ClassDice, LesionDice, LesionVolumeError
from ctpbench_metrics.maps import Bias, Concordance, Mae, Rmse
from ctpbench_metrics.observer import Detectability
from ctpbench_metrics.roi import RoiBias, RoiStd
from ctpbench_metrics.similarity import Psnr, Ssim
from ctpbench_metrics.spectrum import Nps, NpsMeanFrequency
from ctpbench_metrics.treatment import Treat, TreatReference
from ctpbench_metrics.volumes import ReferenceVolume, Volume, VolumeWithoutLesion

_AGAINST_A_REFERENCE = [Rmse, Mae, Bias, Concordance, Ssim, Psnr, FrameRmse]
_OF_LESIONS = [LesionDice, LesionVolumeError, ClassDice, Volume, ReferenceVolume, VolumeWithoutLesion]
_OF_DECISIONS = [Treat, TreatReference]
_WITHOUT_ONE = [RoiBias, RoiStd, CoreContrast, CoreStd, CoreCnr, EdgeFwhm, Nps, NpsMeanFrequency]
_OF_AN_OBSERVER = [Detectability]


@hookimpl
def ctpbench_metrics():
    """Return the metric classes of this package."""
    return [*_AGAINST_A_REFERENCE, *_OF_LESIONS, *_OF_DECISIONS, *_OF_AN_OBSERVER, *_WITHOUT_ONE]
