"""How contrast reaches a patient's tissue and leaves it: smooth maps of delay, dispersion and the residues' shares."""

from __future__ import annotations

import numpy as np
from scipy import special

from ctpbench.arrays import Float64
from ctpbench_phantom.shapes import Points
from ctpbench_phantom.texture import field
from ctpbench_phantom.transport import MIXTURE, Transport

HEALTHY_DELAY_S = (0.0, 2.0)
LESION_DELAY_S = (4.0, 14.0)
HEALTHY_DISPERSION_S = (0.2, 1.6)
LESION_DISPERSION_S = (0.8, 4.0)
_OUTFLOW_S = 6.0  # median; see `ctpbench_phantom.patient`
_LATE_MM = 45.0  # over what length delay and dispersion vary
_MIXED_MM = 40.0  # and the shares of the residues
_CONTRAST = 1.6  # how far one residue may prevail


def arrival(points: Points, depth: Float64, seed: int, outflow_s: float, late: float) -> Transport:
    """Return the transport of contrast to tissue.

    Parameters
    ----------
    points : Points
        Of the voxels, (voxel).
    depth : ndarray, (voxel), float64, no unit
        0 at the edge of a lesion, 1 at its deepest, negative outside; see `ctpbench_phantom.stroke`.
    seed : int
        Of the head.
    outflow_s : float
        From the AIF's peak to the VOF's, s: where veins are early, healthy tissue is.
    late : float
        How late contrast arrives in the lesion compared with other strokes, about -1 to 1.

    Returns
    -------
    Transport
        Delay 0 to 2 s in healthy tissue, 4 to 14 s in a lesion; dispersion 0.2 to 1.6 s and 0.8 to 4 s. Both vary
        smoothly and rise towards the depth of a lesion, where only collaterals supply.

    Sources: Calamante, Gadian, Connelly, Magn Reson Med 44:466, 2000, and Calamante et al., Stroke 41:1169, 2010 (delay
    and dispersion go together; collaterals are behind both).
    """

    def varying(name: str, length_mm: float) -> Float64:
        return field(seed, name, length_mm)(points.x, points.y, points.z)

    behind = depth > 0
    delay, spread = varying("delay", _LATE_MM), varying("dispersion", _LATE_MM)
    healthy = 0.65 * (outflow_s - _OUTFLOW_S)
    level = 1.8 * depth - 0.8 + 0.5 * late
    delay_s = np.where(
        behind,
        _between(LESION_DELAY_S, level + 0.5 * delay),
        _between(HEALTHY_DELAY_S, healthy + 0.75 * delay),
    )
    dispersion_s = np.where(
        behind,
        _geometric(LESION_DISPERSION_S, level + 0.7 * spread),
        _geometric(HEALTHY_DISPERSION_S, healthy + 0.75 * spread),
    )
    shares = special.softmax([_CONTRAST * varying(f"residue {kind}", _MIXED_MM) for kind in MIXTURE], axis=0)
    return Transport(delay_s, dispersion_s, shares)


def _between(bounds: tuple[float, float], normal: Float64) -> Float64:
    """Values between bounds, evenly spread where `normal` has the standard normal distribution."""
    return bounds[0] + (bounds[1] - bounds[0]) * special.ndtr(normal)


def _geometric(bounds: tuple[float, float], normal: Float64) -> Float64:
    """The same, evenly spread in their logarithms."""
    return bounds[0] * (bounds[1] / bounds[0]) ** special.ndtr(normal)
