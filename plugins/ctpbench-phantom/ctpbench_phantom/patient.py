"""Simulated patients: a head, a slab of it, a bolus and a stroke, drawn from a seed and the patient's number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ctpbench.arrays import Float64
from ctpbench_phantom.aif import GRID_S, bolus, grid, venous
from ctpbench_phantom.anatomy import Labels, Tissue, pixel_centres, slice_labels
from ctpbench_phantom.arrival import arrival
from ctpbench_phantom.head import HEIGHT_MM, LOWEST_MM
from ctpbench_phantom.series import SliceSeries, at_frames, enhanced, slice_texture
from ctpbench_phantom.shapes import Points
from ctpbench_phantom.stroke import HEALTHY_SHARE, OLD_SHARE, Stroke, draw_old_infarct, draw_stroke, lesion_of
from ctpbench_phantom.texture import field
from ctpbench_phantom.tissue import TABLE, tissue_maps
from ctpbench_phantom.transport import response_tmax, transported_curves

SLICES = (1, 2, 3, 4)
LATEST_PEAK_S = 36.0  # no vein peaks later
_WHOLE_S = 120.0  # a bolus is drawn to its end, whenever the scan stops
_TRUNKS_MM = 30.0  # slabs begin at most so far above the lowest slice: where there are trunks of arteries, as a rule
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
    outflow_s : float
        From the AIF's peak to the VOF's, s.
    artery_share : float
        Median share of the AIF that shows in pixels of arteries.
    stroke, old_infarct : Stroke or None
        What is short of blood now, and what died long ago; None where there is none.
    """

    head_seed: int
    heights_mm: Float64
    aif_hu: Float64
    vof_hu: Float64
    outflow_s: float
    artery_share: float
    stroke: Stroke | None
    old_infarct: Stroke | None


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
        None draws 1 to 4.
    slice_mm : float
        Their distance, mm.
    """
    rng = np.random.default_rng([seed, *b"patient", number])
    head_seed = int(rng.integers(2**31))
    drawn = int(rng.choice(SLICES))
    level = rng.uniform(0, 1)
    count = drawn if slices is None else slices
    thick_mm = (count - 1) * slice_mm
    heights = LOWEST_MM + level * min(_TRUNKS_MM, HEIGHT_MM - thick_mm) + np.arange(count) * slice_mm

    of_stroke = np.random.default_rng([seed, *b"stroke", number])
    healthy, struck_before = of_stroke.random(2) < (HEALTHY_SHARE, OLD_SHARE)
    stroke, old = draw_stroke(of_stroke, head_seed, heights), draw_old_infarct(of_stroke, head_seed, heights)
    large = not healthy and stroke.region.territory == "mca"

    width_s = float(np.clip(rng.normal(10.8, 1.4), 8.0, 14.0))
    aif = bolus(grid(_WHOLE_S), rng.uniform(5, 12), width_s, rng.uniform(2.5, 4.5), rng.uniform(0.1, 0.3))
    lag_s = float(np.clip(rng.normal(6.8 if large else 5.7, 1.0), 4.0, 8.0))  # blood that comes late leaves late
    vof = _outflow(aif, lag_s, rng.uniform(1.5, 3.0), rng.uniform(1.0, 1.15))
    vof_peak_hu = 148.0 * np.exp(np.clip(rng.normal(0.0, 0.35), -0.5, 0.7))
    scale = vof_peak_hu / vof.max()
    share = float(np.clip(_ARTERY_SHARE * np.exp(rng.normal(0.0, 0.3)), 0.2, 0.5))

    return Patient(
        head_seed=head_seed,
        heights_mm=heights,
        aif_hu=scale * aif,
        vof_hu=scale * vof,
        outflow_s=lag_s,
        artery_share=share,
        stroke=None if healthy else stroke,
        old_infarct=old if struck_before else None,
    )


def patient_slice(
    patient: Patient, index: int, size_px: int, pixel_mm: float, times_s: Float64, delay: bool
) -> SliceSeries:
    """Return one of the patient's slices before it is scanned.

    Parameters
    ----------
    patient : Patient
    index : int
        Which slice, 0 for the lowest.
    size_px : int
    pixel_mm : float
        Pixel size, mm.
    times_s : ndarray, (time)
        Frame times, s.
    delay : bool
        False takes delay and dispersion away.
    """
    seed, z_mm = patient.head_seed, patient.heights_mm[index]
    x, y = pixel_centres(size_px, pixel_mm)
    labels = slice_labels(z_mm, size_px, pixel_mm, seed, healthy=True)
    brain = np.isin(labels, [Tissue.GRAY, Tissue.WHITE])
    points = Points(x[brain], y[brain], np.full(int(brain.sum()), z_mm))
    labels[brain], depth = _struck(patient, labels[brain], points)

    truth = tissue_maps(labels, slice_texture(labels, z_mm, pixel_mm, seed), delay=False)
    tissue = np.isin(labels, list(TABLE))
    late = patient.stroke.late if patient.stroke else 0.0
    transport = arrival(points, depth, seed, patient.outflow_s, late).of(tissue[brain])
    transport = transport if delay else transport.immediate()
    seen = grid(times_s[-1]).size
    curves = transported_curves(patient.aif_hu[:seen], times_s, truth.cbf[tissue], truth.mtt_s[tissue], transport)
    truth.tmax_s[tissue] = response_tmax(truth.mtt_s[tissue], transport)

    varying = field(seed, "artery share", _SHARE_MM)(x, y, np.full_like(x, z_mm))
    share = np.minimum(patient.artery_share * np.exp(_SHARE_SPREAD * varying), 1.0)
    inflow = at_frames(patient.aif_hu[:seen], times_s), at_frames(patient.vof_hu[:seen], times_s)
    return enhanced(labels, truth, curves, times_s, inflow, share)


def _struck(patient: Patient, healthy: Labels, points: Points) -> tuple[Labels, Float64]:
    """Return the classes of gray and white matter with the patient's infarcts, and the depth in the present one."""
    labels, depth, heights = healthy.copy(), np.full(healthy.shape, -1.0), tuple(patient.heights_mm.tolist())
    lesion = patient.stroke and lesion_of(patient.stroke, heights)
    if lesion:
        whole, core = lesion.inside(points)
        labels += whole.astype(np.int8) + core  # reduced and severe follow each healthy class
        depth = lesion.depth(points)
    old = patient.old_infarct and lesion_of(patient.old_infarct, heights)
    if old:
        labels[old.inside(points)[0]] = Tissue.OLD_INFARCT
    return labels, depth


def _outflow(aif: Float64, lag_s: float, spread_s: float, gain: float) -> Float64:
    """The VOF whose peak comes `lag_s` after the AIF's."""
    spread_curve = venous(aif, 0.0, spread_s)
    late_s = (spread_curve.argmax() - aif.argmax()) * GRID_S
    return venous(aif, lag_s - late_s, spread_s, gain)
