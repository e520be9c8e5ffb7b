"""What candidates must show to be taken for an artery, and what for a vein."""

from __future__ import annotations

from ctpbench.arrays import Index
from ctpbench.errors import DataError
from ctpbench.perfusion.bolus import NO_FALL, half_maxima, rises, truncation
from ctpbench.perfusion.vessels import Scan

_OVER_TISSUE = 1.2  # an artery's peak over that of the brain's mean
_BACK = 0.75  # of the way to the back of the brain: what has no later and larger vein is one there


def check_artery(scan: Scan, artery: Index, vein: Index) -> None:
    """Raise DataError, with what was found instead, where candidates are no artery."""
    if not artery.size:
        raise DataError("no artery: no group of voxels is high and early; give a slab with arteries")
    curve = scan.smoothed(artery)
    if not rises(scan.smoothing, scan.curves[:, artery].mean(axis=1)):
        raise DataError("no artery: the best candidate's peak is not above its noise; give a scan with less noise")
    if curve.max() < _OVER_TISSUE * scan.mean.max():
        raise DataError(
            f"no artery: the best candidate peaks at {curve.max():.1f} HU, the brain's mean at {scan.mean.max():.1f}; "
            f"allowed: {_OVER_TISSUE:g} times as high or more, in a slab with arteries"
        )
    if truncation(curve) > NO_FALL:
        raise DataError(
            f"no artery: the best candidate ends at {truncation(curve):.0%} of its peak; "
            f"allowed: a fall to {NO_FALL:.0%} or less within the scan"
        )
    late = int(curve.argmax()) - int(scan.mean.argmax())
    if late > 0:
        raise DataError(
            f"no artery: the best candidate peaks {late * scan.dt_s:.3g} s after the brain's mean; "
            "allowed: no later, in a slab with arteries"
        )
    backwards = float(scan.backwards[artery].mean())
    larger_vein = vein.size and scan.curves[:, vein].mean(axis=1).sum() > scan.curves[:, artery].mean(axis=1).sum()
    if backwards > _BACK and not larger_vein:
        raise DataError(
            f"no artery: the best candidate lies {backwards:.0%} of the way to the back of the brain and nothing "
            f"later has a larger area, as if it were a vein; allowed: up to {_BACK:.0%}, or a larger vein"
        )


def is_vein(scan: Scan, vein: Index, artery: Index) -> bool:
    """Whether candidates show a bolus, later than the artery's: what is not later is another artery."""
    if not (vein.size and rises(scan.smoothing, scan.curves[:, vein].mean(axis=1))):
        return False
    return half_maxima(scan.smoothed(vein))[0] > half_maxima(scan.smoothed(artery))[0]
