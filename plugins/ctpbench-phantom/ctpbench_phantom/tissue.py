"""Physiology of the tissue classes: from labels and a texture to CBF, CBV, MTT, delay and baseline HU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctpbench.arrays import AIR_HU, Float64
from ctpbench_phantom.anatomy import Tissue


@dataclass(frozen=True)
class Physiology:
    """One class's perfusion: flows in mL/100 g/min, transit times and delay in s, unenhanced HU."""

    cbf: float
    cbf_spread: float
    mtt_s: float
    mtt_spread_s: float
    hu: float
    delay_s: float


# Aichert, Manhart et al. (2013); the delays apply only where a dataset's `delay` is true.
TABLE = {
    Tissue.GRAY: Physiology(53.0, 14.0, 3.74, 0.7, 35.0, 1.0),
    Tissue.GRAY_REDUCED: Physiology(16.0, 4.25, 11.25, 0.75, 35.0, 4.0),
    Tissue.GRAY_SEVERE: Physiology(5.3, 1.4, 8.04, 1.0, 35.0, 9.0),
    Tissue.WHITE: Physiology(25.0, 14.0, 4.56, 0.7, 29.0, 1.0),
    Tissue.WHITE_REDUCED: Physiology(7.5, 4.25, 13.6, 0.75, 29.0, 8.0),
    Tissue.WHITE_SEVERE: Physiology(2.5, 1.4, 10.08, 1.0, 29.0, 12.0),
}
_TEXTURE_HU = 3.0
_FIXED_HU = {Tissue.AIR: AIR_HU, Tissue.CSF: 12.0, Tissue.ARTERY: 40.0, Tissue.VEIN: 40.0, Tissue.OLD_INFARCT: 14.0}
_WITHOUT_FLOW = (Tissue.CSF, Tissue.OLD_INFARCT)
_COVER_HU = {Tissue.SCALP: (45.0, 15.0), Tissue.SKULL: (1000.0, 200.0)}  # mean and spread


@dataclass(frozen=True)
class TissueMaps:
    """The truth of one slice, (y, x), float64; NaN where a quantity is undefined.

    Attributes
    ----------
    cbf, cbv : ndarray
        mL/100 g/min and mL/100 g: 0 in CSF and old infarcts, NaN outside these and tissue.
    mtt_s, tmax_s : ndarray
        s: NaN outside tissue. Without dispersion Tmax is the delay.
    baseline_hu : ndarray
        Unenhanced HU, defined everywhere.
    """

    cbf: Float64
    cbv: Float64
    mtt_s: Float64
    tmax_s: Float64
    baseline_hu: Float64


def tissue_maps(labels: npt.NDArray[np.integer], texture: Float64, delay: bool) -> TissueMaps:
    """Return the physiology of a slice: ``CBF = base - v dCBF, MTT = base + v dMTT, CBV = CBF MTT / 60``.

    Parameters
    ----------
    labels : ndarray, (y, x)
        Values of `Tissue`.
    texture : ndarray, (y, x), float64, no unit
        ``v`` in [-1, 1], of zero mean in each class.
    delay : bool
        Whether contrast reaches the classes at different times.

    Returns
    -------
    TissueMaps
    """
    cbf, mtt, late = (np.full(labels.shape, np.nan) for _ in range(3))
    baseline = np.empty(labels.shape)
    for label, base in TABLE.items():
        inside = labels == label
        v = texture[inside]
        cbf[inside] = base.cbf - v * base.cbf_spread
        mtt[inside] = base.mtt_s + v * base.mtt_spread_s
        late[inside] = base.delay_s if delay else 0.0
        baseline[inside] = base.hu - _TEXTURE_HU * v
    cbv = cbf * mtt / 60.0
    still = np.isin(labels, _WITHOUT_FLOW)
    cbf[still] = cbv[still] = 0.0
    for label, hu in _FIXED_HU.items():
        baseline[labels == label] = hu
    for label, (mean_hu, spread_hu) in _COVER_HU.items():
        inside = labels == label
        baseline[inside] = mean_hu + spread_hu * texture[inside]
    return TissueMaps(cbf, cbv, mtt, late, baseline)
