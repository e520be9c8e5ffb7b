"""How sure it is that what was found is an artery: by its order, width, area, peak and place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ctpbench.arrays import Float32, Index
from ctpbench.perfusion.bolus import half_maxima, over_noise, truncation
from ctpbench.perfusion.vessels import Scan

DOUBTFUL = 0.5
"""A score below is doubtful."""

_POOR = 0.3  # a part that alone makes an artery doubtful
_WITHOUT_VEIN = 0.5  # of order and area, where there is no vein to compare with
# Where each part is 0 and where it is 1. In simulated scans arteries lead tissue by 1.9 s and the vein by 3 s or more.
_LEAD_OF_TISSUE_S, _LEAD_OF_VEIN_S = (0.0, 1.5), (0.0, 2.5)
_WIDTH_OF_TISSUES = (1.3, 0.95)
_VEINS_AREA = (0.2, 1.0)  # over the artery's; a thin vein has less, too
_STILL_HIGH = 0.75  # a vein's tail, as a share of its peak, that leaves its area unknown
_PEAK_OVER_NOISE = (4.0, 12.0)
_BACKWARDS = (1.1, 0.7)  # from the front of the brain, 0, to its back, 1: veins lie behind 0.7, few arteries do


@dataclass(frozen=True)
class Confidence:
    """Parts from 0 to 1, and what they rest on.

    Attributes
    ----------
    order : float
        The artery rises before tissue and before the vein.
    width : float
        It is narrower than tissue's curve.
    area : float
        Its area is no larger than the vein's.
    peak : float
        It stands above its noise.
    place : float
        It does not lie at the back of the head.
    doubts : tuple of str
        What speaks against it, a clause each.
    """

    order: float
    width: float
    area: float
    peak: float
    place: float
    doubts: tuple[str, ...]

    @property
    def parts(self) -> dict[str, float]:
        """The parts by name."""
        return {name: getattr(self, name) for name in ("order", "width", "area", "peak", "place")}

    @property
    def score(self) -> float:
        """Geometric mean of the parts, 0 to 1."""
        return float(np.prod(list(self.parts.values())) ** (1 / len(self.parts)))

    @property
    def doubtful(self) -> bool:
        """Whether the score is low, or a part is that alone makes it so."""
        return self.score < DOUBTFUL or min(self.parts.values()) < _POOR


def confidence(scan: Scan, artery: Index, vein: Index) -> Confidence:
    """Return how sure it is that voxels are an artery's; `vein` is empty where none was found."""
    curve, outflow = scan.smoothed(artery), scan.smoothed(vein) if vein.size else None
    (rise, fall), (tissue_rise, tissue_fall) = half_maxima(curve), half_maxima(scan.mean)
    lead_s = (tissue_rise - rise) * scan.dt_s
    width = (fall - rise) / max(tissue_fall - tissue_rise, 1e-6)
    height = over_noise(scan.smoothing, scan.curves[:, artery].mean(axis=1))
    backwards = float(scan.backwards[artery].mean())
    order, area = _ramp(lead_s, _LEAD_OF_TISSUE_S), _WITHOUT_VEIN
    against_vein = "no later vein was found to compare with"
    if outflow is None:
        order = min(order, _WITHOUT_VEIN)
    else:
        lag = half_maxima(outflow)[0] - rise
        seen = _area(curve[: curve.size - max(round(lag), 0)])  # of the artery's, as much as the scan has of the vein's
        vein_lead_s, ratio = lag * scan.dt_s, _area(outflow) / max(seen, 1e-6)
        order = min(order, _ramp(vein_lead_s, _LEAD_OF_VEIN_S))
        area = _ramp(ratio, _VEINS_AREA) if truncation(outflow) < _STILL_HIGH else area
        against_vein = f"the vein rises {_apart(vein_lead_s)} and has {ratio:.1f} times the area"
    narrow = _ramp(width, _WIDTH_OF_TISSUES)
    parts = (
        order,
        narrow if truncation(scan.mean) < 0.5 else max(narrow, DOUBTFUL),  # tissue's width is not known to its end
        area,
        _ramp(height, _PEAK_OVER_NOISE),
        _ramp(backwards, _BACKWARDS),
    )
    told = (
        f"tissue rises {_apart(lead_s)}, {against_vein}",
        f"it is {width:.1f} times as wide as tissue's curve",
        against_vein,
        f"its peak is {height:.0f} times its noise",
        f"it lies {backwards:.0%} of the way to the back of the brain",
    )
    doubts = [text for part, text in zip(parts, told, strict=True) if part < DOUBTFUL]
    unique = [text for text in doubts if not any(text != other and text in other for other in doubts)]
    return Confidence(*parts, tuple(unique))


def _apart(lead_s: float) -> str:
    return f"{abs(lead_s):.1f} s {'later' if lead_s >= 0 else 'earlier'}"


def _ramp(value: float, ends: tuple[float, float]) -> float:
    return float(np.clip((value - ends[0]) / (ends[1] - ends[0]), 0.0, 1.0))


def _area(curve: Float32) -> float:
    return float(np.maximum(curve, 0).sum())
