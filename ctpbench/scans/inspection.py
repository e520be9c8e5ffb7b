"""What a recorded scan is like: masks, input functions, noise, motion; one pass over it, a few slices at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctpbench.contract.case import Observation
from ctpbench.contract.series import Series, slabs
from ctpbench.errors import DataError
from ctpbench.perfusion.aif import InputFunctions, Method, Vessel, find_input_functions
from ctpbench.perfusion.bolus import fwhm_s, truncation
from ctpbench.perfusion.concentration import is_on_grid, on_grid, subtract_baseline, uniform_times
from ctpbench.perfusion.masks import brain_mask, vessel_mask
from ctpbench.perfusion.motion import motion_mm
from ctpbench.perfusion.noise import NoiseStatistics, combine, noise_statistics

Float32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Progress = Callable[[float, str], None]

INDEPENDENT = 0.1
"""Noise of neighbouring frames that correlates by more was filtered in time: Noise2Noise must not learn from it."""

_THICK_MM, _COARSE_MM = 4.0, 0.6  # arteries are looked for in slices of at least this, in pixels of at least that
_MOVED_MM = 2.0
_TRUNCATED = 0.3  # a tail of so much of the peak
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
        Voxels are those of `overview`. None where no artery was found.
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
    """

    series: Series
    times_s: npt.NDArray[np.float64]
    brain: Mask
    vessels: Mask
    inputs: InputFunctions | None
    overview: Float32
    grouping: tuple[int, int, int]
    mean_curve: Float32
    displacement_mm: npt.NDArray[np.float64]
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
                f"{self.series.path}: slices {slices.start + 1} to {slices.stop} hold no brain; leave them out"
            )
        return Observation.of(
            self.frames(slices),
            times_s=self.times_s,
            spacing_mm=self.series.spacing_mm,
            brain=self.brain[slices],
            vessels=self.vessels[slices],
            aif=self.inputs.scaled_aif,
            vof=None if self.inputs.vof is None else self.inputs.vof.curve,
        )


def inspect_series(
    series: Series, *, aif_method: Method = "components", partial_volume: bool = True, progress: Progress | None = None
) -> Inspection:
    """Read a scan once, from slab to slab, and find out what is needed to use it and to trust it.

    Parameters
    ----------
    series : Series
    aif_method : "components" or "kmeans"
        See `ctpbench.perfusion.find_input_functions`.
    partial_volume : bool
        Whether the AIF is scaled to the VOF's area.
    progress : callable(fraction, text) or None

    Raises
    ------
    DataError
        Where the scan cannot be read, is too short, or holds no brain; names it.
    """
    tell = progress or (lambda fraction, text: None)
    times_s = _time_grid(series)
    shape = series.shape[1:]
    brain, vessels = np.zeros(shape, bool), np.zeros(shape, bool)
    overview = _Overview(series, times_s.size)
    noise: list[tuple[NoiseStatistics, int]] = []
    for slices in slabs(series, multiple=overview.grouping[0]):
        tell(0.8 * slices.start / shape[0], f"slice {slices.start + 1} of {shape[0]}")
        acquired = series.read(slices)
        frames = on_grid(acquired, series.frame_times_s[:, slices], times_s)
        brain[slices] = _brain(frames, series.spacing_mm)
        vessels[slices] = _vessels(frames, overview.grouping[0])
        overview.add(slices.start, frames, brain[slices])
        tissue = brain[slices] & ~vessels[slices]
        try:
            noise.append((noise_statistics(acquired, tissue), int(tissue.sum())))
        except DataError:  # too little tissue in this slab to measure noise in
            continue
    if not brain.any():
        raise DataError(f"{series.path}: no slice holds brain inside bone; allowed: a scan of the head, in HU")
    tell(0.85, "arteries and veins")
    inputs, why = overview.input_functions(float(times_s[1] - times_s[0]), aif_method, partial_volume)
    tell(0.95, "motion")
    displacement = motion_mm(overview.slice_with_most_brain(), overview.spacing_mm[1:])
    statistics = combine(noise) if noise else None
    found = _Findings(series, times_s, inputs, statistics, displacement)
    tell(1.0, "")
    return Inspection(
        series=series,
        times_s=times_s,
        brain=brain,
        vessels=vessels,
        inputs=inputs,
        overview=overview.peak(),
        grouping=overview.grouping,
        mean_curve=overview.mean_curve(),
        displacement_mm=displacement,
        facts={**found.facts(), "brain_ml": float(brain.sum() * np.prod(series.spacing_mm) / 1000)},
        warnings=(*((why,) if why else ()), *found.warnings()),
        no_artery=why,
    )


def _time_grid(series: Series) -> npt.NDArray[np.float64]:
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
    """Return the major vessels, told from means over so many slices: the noise of thin ones passes any threshold."""
    starts = range(0, frames.shape[1], thick)
    masks = [vessel_mask(frames[:, start : start + thick].mean(axis=1, keepdims=True)) for start in starts]
    return np.repeat(np.concatenate(masks), thick, axis=0)[: frames.shape[1]]


class _Overview:
    """The scan in thicker slices and larger pixels, which noise, time and memory gain from."""

    def __init__(self, series: Series, frames: int) -> None:
        depth, rows, columns = series.shape[1:]
        thick = 1 if series.spacing_mm[0] >= _THICK_MM / 2 else round(_THICK_MM / series.spacing_mm[0])
        coarse = 2 if series.spacing_mm[1] < _COARSE_MM and rows >= 256 and columns >= 256 else 1
        self.grouping = (min(thick, depth), coarse, coarse)
        sizes = (-(-depth // self.grouping[0]), rows // coarse, columns // coarse)
        self.spacing_mm = tuple(step * n for step, n in zip(series.spacing_mm, self.grouping, strict=True))
        self.frames = np.zeros((frames, *sizes), np.float32)
        self.brain = np.zeros(sizes, bool)

    def add(self, first: int, frames: Float32, brain: Mask) -> None:
        thick, coarse, _ = self.grouping
        rows, columns = (coarse * n for n in self.brain.shape[1:])
        for start in range(0, frames.shape[1], thick):
            group = slice(start, start + thick)
            z = (first + start) // thick
            self.frames[:, z] = _coarser(frames[:, group, :rows, :columns].mean(axis=1), coarse)
            self.brain[z] = _coarser(brain[group, :rows, :columns].mean(axis=0), coarse) > 0.5

    def input_functions(self, dt_s: float, method: Method, partial_volume: bool) -> tuple[InputFunctions | None, str]:
        """Return the input functions; where there is no artery, None and why."""
        try:
            concentration = subtract_baseline(self.frames)
            return (
                find_input_functions(
                    concentration, self.brain, self.spacing_mm, dt_s, method=method, partial_volume=partial_volume
                ),
                "",
            )
        except DataError as error:
            return None, str(error)

    def slice_with_most_brain(self) -> Float32:
        return self.frames[:, int(self.brain.sum(axis=(1, 2)).argmax())]

    def peak(self) -> Float32:
        highest: Float32 = self.frames.max(axis=0) - self.frames[:2].mean(axis=0)
        return highest

    def mean_curve(self) -> Float32:
        inside = self.brain if self.brain.any() else np.ones_like(self.brain)
        mean: Float32 = np.stack([frame[inside].mean(dtype=np.float64) for frame in self.frames]).astype(np.float32)
        return subtract_baseline(mean)


def _coarser(images: npt.NDArray[np.floating], factor: int) -> npt.NDArray[np.floating]:
    """Average squares of pixels along the last two axes, whose sizes the factor divides."""
    if factor == 1:
        return images
    *rest, rows, columns = images.shape
    squares = images.reshape(*rest, rows // factor, factor, columns // factor, factor)
    return np.asarray(squares.mean(axis=(-3, -1)))


@dataclass(frozen=True)
class _Findings:
    """What was measured, as facts and warnings."""

    series: Series
    times_s: npt.NDArray[np.float64]
    inputs: InputFunctions | None
    noise: NoiseStatistics | None
    displacement_mm: npt.NDArray[np.float64]

    @property
    def dt_s(self) -> float:
        return float(self.times_s[1] - self.times_s[0])

    @property
    def resampled(self) -> bool:
        return not is_on_grid(self.series.frame_times_s, self.times_s)

    def facts(self) -> dict[str, bool | float | str]:
        time, depth, rows, columns = self.series.shape
        facts: dict[str, bool | float | str] = {
            "frames": time,
            "slices": depth,
            "rows": rows,
            "columns": columns,
            "slice_mm": float(self.series.spacing_mm[0]),
            "pixel_mm": float(self.series.spacing_mm[1]),
            "frame_interval_s": self.dt_s,
            "longest_interval_s": float(np.diff(self.series.frame_times_s, axis=0).max()),
            "duration_s": float(np.ptp(self.series.frame_times_s)),
            "resampled": self.resampled,
            "motion_mm": float(self.displacement_mm.max()),
        }
        if self.noise is not None:
            facts |= {
                "noise_hu": self.noise.sd_hu,
                "noise_correlation_frames": self.noise.corr_time,
                "noise_correlation_rows": self.noise.corr_rows,
                "noise_correlation_columns": self.noise.corr_columns,
                "filtered_in_time": self.noise.corr_time > INDEPENDENT,
            }
        if self.inputs is not None:
            facts |= self._curve("aif", self.inputs.aif) | {"aif_scaling_factor": float(self.inputs.factor)}
            if self.inputs.vof is not None:
                facts |= self._curve("vof", self.inputs.vof)
        return facts

    def _curve(self, name: str, vessel: Vessel) -> dict[str, bool | float | str]:
        return {
            f"{name}_voxels": len(vessel.voxels),
            f"{name}_peak_hu": float(vessel.curve.max()),
            f"{name}_time_to_peak_s": float(self.times_s[vessel.curve.argmax()] - self.times_s[0]),
            f"{name}_width_s": float(fwhm_s(vessel.curve, self.dt_s)),
            f"{name}_tail": float(truncation(vessel.curve)),
        }

    def warnings(self) -> list[str]:
        texts = [] if self.inputs is None else list(self.inputs.notes)
        if self.noise is None:
            texts.append("noise: not measured, which takes 8 frames and 300 voxels of tissue in a slab or more")
        elif self.noise.corr_time > INDEPENDENT:
            texts.append(
                f"filtered in time: the noise of neighbouring frames correlates by {self.noise.corr_time:.2f}; "
                "Noise2Noise, which needs independent noise, must not learn from it"
            )
        if self.resampled:
            longest = float(np.diff(self.series.frame_times_s, axis=0).max())
            texts.append(
                f"resampled: frames are up to {longest:.3g} s apart or slices are taken one after the other; "
                f"brought to every {self.dt_s:.3g} s by linear interpolation"
            )
        moved = float(self.displacement_mm.max())
        if moved > _MOVED_MM:
            frame = int(self.displacement_mm.argmax()) + 1
            texts.append(f"motion: frame {frame} lies {moved:.1f} mm from the first; maps will blur")
        vof = None if self.inputs is None else self.inputs.vof
        if vof is not None and truncation(vof.curve) > _TRUNCATED:
            texts.append(
                f"truncated: the VOF ends at {100 * truncation(vof.curve):.0f}% of its peak; the scan is short"
            )
        return texts
