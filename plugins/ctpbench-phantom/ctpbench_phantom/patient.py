"""Simulated patients: a head, a slab of it and a bolus, drawn from a seed and the patient's number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ctpbench.arrays import Float64
from ctpbench_phantom.aif import GRID_S, bolus, grid, venous
from ctpbench_phantom.anatomy import pixel_centres
from ctpbench_phantom.head import HEIGHT_MM, LOWEST_MM
from ctpbench_phantom.series import Head, SliceSeries, simulate
from ctpbench_phantom.texture import field

SLICES = (2, 4, 8)
LATEST_PEAK_S = 36.0  # no vein peaks later
_WHOLE_S = 120.0  # a bolus is drawn to its end, whenever the scan stops
_LOWER_HALF = 0.5  # slabs begin in the lower half of where they fit: where there are trunks of arteries, as a rule
_ARTERY_SHARE = 1 / 3.6  # median; of ISLES 2018, the ratio of VOF and AIF areas
_SHARE_SPREAD = 0.2  # its variation along the vessels (sd of its logarithm)
_SHARE_MM = 25.0  # and over what length


@dataclass(frozen=True)
class Patient:
    """One simulated patient.

    Attributes
    ----------
    head_seed : int
    heights_mm : ndarray, (z), float64
        Where the slices lie, in the coordinates of `ctpbench_phantom.head`.
    aif_hu, vof_hu : ndarray, (fine time), float64, HU above baseline
        Of blood, without partial volume, over 120 s.
    artery_share : float
        Median share of the AIF that shows in pixels of arteries.
    """

    head_seed: int
    heights_mm: Float64
    aif_hu: Float64
    vof_hu: Float64
    artery_share: float


def draw_patient(seed: int, number: int, slices: int | None, slice_mm: float) -> Patient:
    """Return the patient of a number, whatever other patients there are.

    Curves have the statistics of 93 scans of ISLES 2018: the AIF's width 11 s (8 to 14), the VOF's peak 148 HU (90 to
    298) and 6 s (4 to 8) after the AIF's. Contrast arrives after 5 to 12 s.

    Parameters
    ----------
    seed : int
        Of the dataset.
    number : int
    slices : int or None
        None draws 2, 4 or 8.
    slice_mm : float
        Their distance, mm.
    """
    rng = np.random.default_rng([seed, *b"patient", number])
    head_seed = int(rng.integers(2**31))
    drawn = int(rng.choice(SLICES))
    level = rng.uniform(0, _LOWER_HALF)
    count = drawn if slices is None else slices
    heights = LOWEST_MM + level * (HEIGHT_MM - (count - 1) * slice_mm) + np.arange(count) * slice_mm

    width_s = float(np.clip(rng.normal(10.8, 1.4), 8.0, 14.0))
    aif = bolus(grid(_WHOLE_S), rng.uniform(5, 12), width_s, rng.uniform(2.5, 4.5), rng.uniform(0.1, 0.3))
    lag_s = float(np.clip(rng.normal(6.0, 1.0), 4.0, 8.0))
    vof = _outflow(aif, lag_s, rng.uniform(1.5, 3.0), rng.uniform(1.0, 1.15))
    vof_peak_hu = 148.0 * np.exp(np.clip(rng.normal(0.0, 0.35), -0.5, 0.7))
    scale = vof_peak_hu / vof.max()
    share = float(np.clip(_ARTERY_SHARE * np.exp(rng.normal(0.0, 0.3)), 0.2, 0.5))
    return Patient(head_seed, heights, scale * aif, scale * vof, share)


def patient_slice(
    patient: Patient, index: int, size_px: int, pixel_mm: float, times_s: Float64, delay: bool
) -> SliceSeries:
    """Return one of the patient's slices before it is scanned; see `simulate`."""
    z_mm = patient.heights_mm[index]
    x, y = pixel_centres(size_px, pixel_mm)
    varying = field(patient.head_seed, "artery share", _SHARE_MM)(x, y, np.full_like(x, z_mm))
    share = np.minimum(patient.artery_share * np.exp(_SHARE_SPREAD * varying), 1.0)
    head = Head(size_px, pixel_mm, patient.head_seed, "plateau", delay)
    seen = grid(times_s[-1]).size
    return simulate(head, z_mm, times_s, patient.aif_hu[:seen], patient.vof_hu[:seen], share)


def _outflow(aif: Float64, lag_s: float, spread_s: float, gain: float) -> Float64:
    """The VOF whose peak comes `lag_s` after the AIF's."""
    spread_curve = venous(aif, 0.0, spread_s)
    late_s = (spread_curve.argmax() - aif.argmax()) * GRID_S
    return venous(aif, lag_s - late_s, spread_s, gain)
