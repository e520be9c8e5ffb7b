"""One pass over a recorded scan, a few slices at a time, and what is found out in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ctpbench.arrays import Float32, Float64, Mask
from ctpbench.contract.observation import Observation
from ctpbench.contract.series import Series, slabs
from ctpbench.errors import DataError, InputError
from ctpbench.perfusion.aif import InputFunctions, Method
from ctpbench.perfusion.concentration import on_grid, uniform_times
from ctpbench.perfusion.masks import brain_mask, vessel_mask
from ctpbench.perfusion.motion import motion_mm
from ctpbench.perfusion.noise import NoiseStatistics, combine, noise_statistics
from ctpbench.scans.curves import read_curve
from ctpbench.scans.findings import Findings
from ctpbench.scans.gaps import Bridged, Faults, listed
from ctpbench.scans.likeness import why_no_brain
from ctpbench.scans.overview import Overview, Place

Progress = Callable[[float, str], None]

_FROM_FILE = "AIF from a file: none was looked for, and it is not scaled"
_TISSUE_HU, _BONE_HU = -100.0, 120.0


@dataclass(frozen=True)
class Inspection:
    """What `inspect_series` found.

    Attributes
    ----------
    series : Series
    times_s : ndarray, (time), float64, s
        The uniform grid that the frames are brought to.
    brain, vessels : ndarray, (z, y, x), bool
    inputs : InputFunctions or None
        Voxels are those of `overview`; an AIF from a file has none. None where no artery was found.
    overview : ndarray, (z, y, x), float32, HU
        Highest enhancement over time, in the thicker slices and larger pixels that arteries were looked for in.
    grouping : tuple of 3 ints
        How many slices, rows and columns of the scan make one of the overview's.
    mean_curve : ndarray, (time), float32, HU above baseline
        Mean over the brain.
    displacement_mm : ndarray, (time), float64
        In-plane motion of the slice with the most brain against its first frame.
    facts : dict
        Numbers and flags with the unit in the name; plain data without anything that tells who the patient is.
    warnings : tuple of str
        What may spoil results, a sentence each.
    no_artery : str
        Why `inputs` is None; empty where an artery was found.
    """

    series: Series
    times_s: Float64
    brain: Mask
    vessels: Mask
    inputs: InputFunctions | None
    overview: Float32
    grouping: tuple[int, int, int]
    mean_curve: Float32
    displacement_mm: Float64
    facts: dict[str, bool | float | str]
    warnings: tuple[str, ...]
    no_artery: str = ""

    def frames(self, slices: slice) -> Float32:
        """Return some slices on the uniform time grid, (time, z, y, x), float32, HU."""
        return on_grid(self.series.read(slices), self.series.frame_times_s[:, slices], self.times_s)

    def observation(self, slices: slice = slice(None)) -> Observation:
        """Return some slices as methods see them, with the masks and the scaled AIF of the whole scan.

        Raises
        ------
        DataError
            Where no artery was found, or the slices hold no brain; names the scan.
        """
        if self.inputs is None:
            raise DataError(f"{self.series.path}: {self.no_artery}")
        if not self.brain[slices].any():
            raise DataError(
                f"{self.series.path}: got slices {slices.start + 1} to {slices.stop} without brain; "
                "allowed: slices with brain; leave these out"
            )
        return Observation.of(
            self.frames(slices),
            times_s=self.times_s,
            spacing_mm=self.series.spacing_mm,
            brain=self.brain[slices],
            vessels=self.vessels[slices],
            aif=self.inputs.scaled_aif,
            vof=None if self.inputs.vof is None else self.inputs.vof.curve,
            radiological=True,
        )


def inspect_series(
    series: Series,
    *,
    aif_method: Method = "components",
    partial_volume: bool = True,
    aif: Path | None = None,
    aif_at: Sequence[Place] = (),
    progress: Progress | None = None,
) -> Inspection:
    """Read a scan once, from slab to slab, and find out what is needed to use it and to trust it.

    Parameters
    ----------
    series : Series
    aif_method : "components" or "kmeans"
        See `ctpbench.perfusion.find_input_functions`.
    partial_volume : bool
        Whether the AIF is scaled to the VOF's area; one from a file is not.
    aif : Path or None
        A file with the AIF, see `ctpbench.scans.curves.read_curve`; none is looked for then.
    aif_at : sequence of (z, y, x)
        Voxels of arteries, whose neighbourhoods' mean is the AIF; none are looked for then.
    progress : callable(fraction, text) or None

    Raises
    ------
    DataError
        Where the scan cannot be read, is too short, or holds no brain; names it. Where an AIF that is given cannot be
        used.
    """
    report = progress or (lambda fraction, text: None)
    _check_given(series, aif, aif_at)
    scan, noticed = series, []
    if series.missing is not None and series.missing.any():
        scan, noticed = Bridged(series, series.missing), [f"missing: {listed(series.missing)}"]
    seen = _read_once(scan, report)
    faults = seen.faults.placed(scan.kept if isinstance(scan, Bridged) else slice(None), series.shape[0])
    if faults.lost.any():
        scan = Bridged(series, faults.lost if series.missing is None else faults.lost | series.missing)
        seen = _read_once(scan, report)
    noticed += faults.notes()
    if not seen.brain.any():
        raise DataError(f"{series.path}: {why_no_brain(seen.overview.frames)}")
    times_s, overview = seen.times_s, seen.overview
    curve = None if aif is None else read_curve(aif, times_s)
    report(0.85, "arteries and veins")
    if curve is None:
        dt_s = float(times_s[1] - times_s[0])
        inputs, no_artery = overview.input_functions(dt_s, aif_method, partial_volume, aif_at)
    else:
        inputs, no_artery = InputFunctions.given(curve, notes=(_FROM_FILE,)), ""
    report(0.95, "motion")
    displacement = motion_mm(overview.slice_with_most_brain(), overview.spacing_mm[1:])
    turned = np.rad2deg(overview.poses[:, 2])
    findings = Findings(scan, times_s, inputs, seen.noise, displacement, turned)
    report(1.0, "")
    return Inspection(
        series=scan,
        times_s=times_s,
        brain=seen.brain,
        vessels=seen.vessels,
        inputs=inputs,
        overview=overview.peak(),
        grouping=overview.grouping,
        mean_curve=overview.mean_curve(),
        displacement_mm=displacement,
        facts={**findings.facts(), "brain_ml": float(seen.brain.sum() * np.prod(series.spacing_mm) / 1000)},
        warnings=(*((no_artery,) if no_artery else ()), *noticed, *findings.warnings()),
        no_artery=no_artery,
    )


@dataclass(frozen=True)
class _Seen:
    """What one reading of a scan gave."""

    times_s: Float64
    overview: Overview
    brain: Mask
    vessels: Mask
    noise: NoiseStatistics | None
    faults: Faults


def _read_once(series: Series, report: Progress) -> _Seen:
    """Read a scan from slab to slab into its overview, its brain, its vessels, its noise and its faults."""
    times_s = _time_grid(series)
    overview = Overview(series, times_s.size)
    shape = series.shape[1:]
    brain, vessels = np.zeros(shape, bool), np.zeros(shape, bool)
    noise: list[tuple[NoiseStatistics, int]] = []
    faults: list[Faults] = []
    for slices in slabs(series, multiple=overview.grouping[0]):
        report(0.8 * slices.start / shape[0], f"slice {slices.start + 1} of {shape[0]}")
        acquired = series.read(slices)
        faults.append(Faults.of(acquired))
        frames = on_grid(acquired, series.frame_times_s[:, slices], times_s)
        brain[slices] = _brain(frames, series.spacing_mm)
        vessels[slices] = _vessels(frames, overview.grouping[0])
        overview.add(slices.start, frames, brain[slices])
        tissue = brain[slices] & ~vessels[slices]
        try:
            noise.append((noise_statistics(acquired, tissue), int(tissue.sum())))
        except DataError:  # too little tissue in this slab to measure noise in
            continue
    return _Seen(times_s, overview, brain, vessels, combine(noise) if noise else None, Faults.joined(faults))


def _check_given(series: Series, aif: Path | None, aif_at: Sequence[Place]) -> None:
    if aif is not None and aif_at:
        raise InputError("AIF: got a file and voxels; allowed: one of them, or neither; leave one out")
    for place in aif_at:
        if len(place) != 3 or not all(0 <= index < size for index, size in zip(place, series.shape[1:], strict=True)):
            sizes = dict(zip("xyz", series.shape[:0:-1], strict=True))
            got = ",".join(str(index + 1) for index in reversed(place))
            allowed = ", ".join(f"{axis} 1 to {size}" for axis, size in sizes.items())
            raise InputError(f"{series.path}: AIF at {got}: no such voxel; allowed: {allowed}")


def _time_grid(series: Series) -> Float64:
    try:
        return uniform_times(series.frame_times_s)
    except DataError as error:
        raise DataError(f"{series.path}: {error}") from None


def _brain(frames: Float32, spacing_mm: tuple[float, float, float]) -> Mask:
    """Return what lies inside bone or, of images whose skull was cut away, what is not background."""
    early = frames[:2].mean(axis=0)
    head = early != early.flat[0]
    tissue: Mask = head & (early > _TISSUE_HU)
    # What is left of a scalp above its skull has noisy air about it, and no cut image has more bone than a few flecks.
    cut_away = head.mean() < 0.9 and tissue.sum() > 0.9 * head.sum() > 90 * (early > _BONE_HU).sum()
    if cut_away:
        return tissue
    try:
        return brain_mask(frames, spacing_mm)
    except DataError:  # nothing in these slices, something in others
        return np.zeros_like(tissue)


def _vessels(frames: Float32, thick: int) -> Mask:
    """Return the major vessels, from means over so many slices: the noise of thin ones passes any threshold."""
    starts = range(0, frames.shape[1], thick)
    masks = [vessel_mask(frames[:, start : start + thick].mean(axis=1, keepdims=True)) for start in starts]
    return np.repeat(np.concatenate(masks), thick, axis=0)[: frames.shape[1]]
