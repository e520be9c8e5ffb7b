"""How much of an artery's voxels is blood, from the areas of its curve and of a vein's."""

from __future__ import annotations

from ctpbench.arrays import Float32
from ctpbench.perfusion.bolus import NO_FALL, half_maxima, truncation
from ctpbench.perfusion.vessels import Scan

_CUT_OFF = 0.3  # a tail, as a share of the peak, from which on the factor is less sure
_LARGE_FACTOR = 10.0


def area_factor(scan: Scan, aif: Float32, vof: Float32 | None) -> tuple[float, str]:
    """Return the factor that brings the AIF to the area of the VOF, and what there is to say about it."""
    if vof is None:
        return 1.0, "not scaled: no vein was found"
    tail = truncation(vof)
    if tail > NO_FALL:
        return 1.0, f"not scaled: the VOF is cut off (tail {tail:.0%} of its peak)"
    lag = half_maxima(scan.smoothing @ vof)[0] - half_maxima(scan.smoothing @ aif)[0]
    seen = len(aif) - round(lag)
    areas = float(vof.sum()) * scan.dt_s, float(aif[:seen].sum()) * scan.dt_s
    if not 0 < areas[1] <= areas[0]:
        return 1.0, f"not scaled: the VOF's area of {areas[0]:.0f} HU s is no more than the AIF's, {areas[1]:.0f} HU s"
    factor = areas[0] / areas[1]
    if tail > _CUT_OFF:
        return factor, f"scaled by {factor:.1f}, less surely: the VOF is cut off (tail {tail:.0%} of its peak)"
    if factor > _LARGE_FACTOR:
        return factor, f"scaled by {factor:.0f}: little of the AIF's voxels is artery"
    return factor, ""
