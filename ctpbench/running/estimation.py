"""From a method's answer to perfusion maps: the part that is the same for every method."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from ctpbench.arrays import Float32
from ctpbench.contract.answers import check_diagnostics, check_frame_count, check_output
from ctpbench.contract.case import MAP_DIMS, MAPS, Truth, regions
from ctpbench.contract.components import ConcentrationDenoiser, Context, Deconvolver, Denoiser, FrameDenoiser
from ctpbench.contract.observation import FRAME_DIMS, Observation
from ctpbench.device import Stopwatch
from ctpbench.perfusion import (
    Bayesian,
    Deconvolution,
    Gcv,
    LCurve,
    Tikhonov,
    circulant_length,
    flat_white_matter,
    maps_from_residues,
    perfusion_maps,
    regularisation_weight,
    resample,
    roi_factor,
    subtract_baseline,
)
from ctpbench.perfusion.concentration import is_on_grid, uniform_grid
from ctpbench.running.faults import InvalidOutput
from ctpbench.settings import MapsSettings

WHITE_MATTER = {"cbf": 22.0, "cbv": 2.0}
"""Perfusion of normal white matter, mL/100 g/min and mL/100 g."""


P = ParamSpec("P")
T = TypeVar("T")


Kind = Literal["frames", "concentration", "residues"]
_METHODS: dict[Kind, str] = {"frames": "denoise", "concentration": "concentration", "residues": "deconvolve"}


@dataclass(frozen=True)
class Answer:
    """What a method returned for one case.

    Attributes
    ----------
    kind : {"frames", "concentration", "residues"}
        What its output is.
    output : DataArray, (time, z, y, x) or (lag, z, y, x), float32
    denoise_s : float
        Seconds that it took, by the clock of its own process.
    diagnostics : mapping
        Numbers that the method reports of itself (``attrs["diagnostics"]`` of its output).
    """

    kind: Kind
    output: xr.DataArray
    denoise_s: float
    diagnostics: Mapping[str, float]


@dataclass(frozen=True)
class Estimate:
    """What comes of one case's answer.

    Attributes
    ----------
    maps : DataArray, (map, z, y, x), float32
        Not yet scaled; zero outside the brain.
    concentration : DataArray, (time, z, y, x), float32, HU above baseline, or None
        None for a method that emits residues.
    maps_s : float
        Seconds spent by baseline, deconvolution and maps.
    """

    maps: xr.DataArray
    concentration: xr.DataArray | None
    maps_s: float


def answer_of(denoiser: Denoiser, observation: Observation, settings: MapsSettings, context: Context) -> Answer:
    """Let a method denoise one observation.

    Raises
    ------
    InvalidOutput
        Where the method's output has a wrong shape, dtype, coordinate, value or diagnostic.
    DataError
        Where the method takes another number of frames.
    """
    given = observation.frames
    method: Callable[[xr.DataArray, Context], xr.DataArray]
    kind: Kind
    if isinstance(denoiser, FrameDenoiser):
        kind, method = "frames", denoiser.denoise
    elif isinstance(denoiser, ConcentrationDenoiser):
        kind, method = "concentration", denoiser.concentration
    elif isinstance(denoiser, Deconvolver):
        kind, method = "residues", denoiser.deconvolve
        given, _ = _uniform(baseline_subtracted(given, settings))
    else:
        raise InvalidOutput(
            f"denoiser: got {type(denoiser).__name__}; allowed: a FrameDenoiser, ConcentrationDenoiser or Deconvolver"
        )
    check_frame_count(denoiser, given)
    clock = Stopwatch(context.device)
    output = method(given, context)
    denoise_s = clock.seconds()
    _check(kind, output, given)
    return Answer(kind, output, denoise_s, _sound(check_diagnostics, output, method.__name__))


def estimate(answer: Answer, observation: Observation, settings: MapsSettings) -> Estimate:
    """Compute the maps of what a method returned, which must be sound: `answer_of` and `answer_from` see to that."""
    started = time.perf_counter()
    if answer.kind == "residues":
        concentration, dt_s = _uniform(baseline_subtracted(observation.frames, settings))
        values = maps_from_residues(
            answer.output.values,
            concentration["aif"].values,
            dt_s,
            frames=concentration.sizes["time"],
            mask=observation.frames["brain"].values,
            kappa=settings.kappa,
            rho=settings.rho,
            peak_lags=settings.peak_lags,
        )
        return Estimate(_as_maps(values, observation), None, time.perf_counter() - started)
    concentration = baseline_subtracted(answer.output, settings) if answer.kind == "frames" else answer.output
    maps = concentration_maps(concentration, observation, settings)
    return Estimate(maps, concentration, time.perf_counter() - started)


def answer_shape(kind: Kind, observation: Observation) -> tuple[int, int, int, int]:
    """Return the shape that the output of a method has."""
    times, *axes = observation.frames.shape
    if kind == "residues":
        times = circulant_length(len(uniform_grid(observation.times_s)[0]))
    return times, axes[0], axes[1], axes[2]


def answer_from(
    kind: Kind,
    values: Float32,
    observation: Observation,
    settings: MapsSettings,
    *,
    denoise_s: float,
    diagnostics: Mapping[str, float],
) -> Answer:
    """Return as an answer the values that another process says a method returned, of `answer_shape`.

    Raises
    ------
    InvalidOutput
        Where a value is not finite.
    """
    frames = observation.frames
    if kind == "residues":
        given, _ = _uniform(baseline_subtracted(frames, settings))
        axes = {dim: frames[dim] for dim in MAP_DIMS[1:]}
        output = xr.DataArray(values, dims=("lag", *FRAME_DIMS[1:]), coords=axes)
    else:
        given, output = frames, frames.copy(deep=False, data=values)
    _check(kind, output, given)
    return Answer(kind, output, denoise_s, diagnostics)


def _check(kind: Kind, output: object, given: xr.DataArray) -> None:
    """Refuse an output that breaks the contract of its kind."""
    name = _METHODS[kind]
    if kind != "residues":
        _sound(check_output, output, FRAME_DIMS, given, name)
        return
    residues = _sound(check_output, output, ("lag", *FRAME_DIMS[1:]), given, name)
    length = circulant_length(given.sizes["time"])
    if residues.sizes["lag"] != length:
        raise InvalidOutput(f"{name}: got {residues.sizes['lag']} along lag; allowed: {length}")


def baseline_subtracted(frames: xr.DataArray, settings: MapsSettings) -> xr.DataArray:
    """Return the concentration of frames: eq. 1 of the paper, as a DataArray."""
    return frames.copy(deep=False, data=subtract_baseline(frames.values, settings.baseline_frames))


def concentration_maps(concentration: xr.DataArray, observation: Observation, settings: MapsSettings) -> xr.DataArray:
    """Return the maps (map, z, y, x) of a concentration, zero outside the brain."""
    return _maps_by(settings.regularisation, concentration, observation, settings)


def _maps_by(
    deconvolution: Deconvolution | Bayesian,
    concentration: xr.DataArray,
    observation: Observation,
    settings: MapsSettings,
) -> xr.DataArray:
    curves, dt_s = resample(concentration.values, observation.times_s)
    aif, _ = resample(observation.aif, observation.times_s)
    values = perfusion_maps(
        curves,
        aif,
        dt_s,
        deconvolution,
        mask=observation.frames["brain"].values,
        kappa=settings.kappa,
        rho=settings.rho,
        peak_lags=settings.peak_lags,
    )
    return _as_maps(values, observation)


def rois_of(observation: Observation, truth: Truth | None) -> xr.DataArray | None:
    """Return a case's regions of interest, (roi, z, y, x), bool: the known ones, and white matter found where unknown.

    White matter is found in the unfiltered frames, so it is the same for every method. None where there is nothing.
    """
    known = None if truth is None else truth.rois
    if known is not None and "white_matter" in known["roi"]:
        return known
    core = known.sel(roi="core").values if known is not None and "core" in known["roi"] else None
    spacing_mm = observation.frames.attrs["spacing_mm"]
    found = flat_white_matter(observation.frames.values, observation.tissue, spacing_mm, exclude=core)
    if not found.any():
        return known
    white_matter = regions(white_matter=found)
    return white_matter if known is None else xr.concat([known, white_matter], "roi")


def region_perfusion(observation: Observation, region: npt.ArrayLike, settings: MapsSettings) -> dict[str, float]:
    """Return CBF and CBV of a region's mean curve in the unfiltered frames, which hardly feel its noise.

    Where the noise decides the weight of the deconvolution, it is that of all voxels, not the mean curve's.
    """
    frames, inside = observation.frames.values, np.asarray(region)
    mean = np.stack([frame[inside].mean(dtype=np.float64) for frame in frames])
    one_voxel = observation.frames[:, :1, :1, :1].copy(data=mean[:, None, None, None].astype(np.float32))
    one_voxel = one_voxel.assign_coords(brain=(FRAME_DIMS[1:], np.ones((1, 1, 1), bool)))
    concentration, alone = baseline_subtracted(one_voxel, settings), Observation(one_voxel)
    maps = _maps_by(_weighted(observation, settings), concentration, alone, settings)
    return {name: float(maps.sel(map=name).item()) for name in ("cbf", "cbv")}


def _weighted(observation: Observation, settings: MapsSettings) -> Deconvolution | Bayesian:
    """Return the deconvolution with the weight that the unfiltered frames decide, where a criterion does."""
    criterion = settings.regularisation
    if not isinstance(criterion, Gcv | LCurve):
        return criterion
    curves, dt_s = resample(baseline_subtracted(observation.frames, settings).values, observation.times_s)
    aif, _ = resample(observation.aif, observation.times_s)
    return Tikhonov(regularisation_weight(curves, aif, dt_s, criterion, mask=observation.frames["brain"].values))


def white_matter_scale(perfusion: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the factors that bring the mean over cases to a CBF of 22 mL/100 g/min and a CBV of 2 mL/100 g.

    Raises
    ------
    DataError
        Where no case has white matter with flow.

    Source: Wu, Ren, Li, appendix VIII-A, below eq. 23.
    """
    everywhere = np.ones(len(perfusion), bool)
    return {
        name: roi_factor(np.array([case[name] for case in perfusion]), everywhere, target)
        for name, target in WHITE_MATTER.items()
    }


def scaled(maps: xr.DataArray, scale: Mapping[str, float]) -> xr.DataArray:
    """Return maps (map, z, y, x) with CBF and CBV times their factors, and MTT = 60 CBV / CBF of those."""
    factor = {**scale, "mtt": scale["cbv"] / scale["cbf"]}
    names = [str(name) for name in maps["map"].values]
    factors = np.array([factor.get(name, 1.0) for name in names], np.float32)
    return maps.copy(deep=False, data=maps.values * factors.reshape([-1 if dim == "map" else 1 for dim in maps.dims]))


def _uniform(concentration: xr.DataArray) -> tuple[xr.DataArray, float]:
    """Resample once where frames are irregular: A is circulant on a uniform grid only. Return its interval too."""
    times_s = concentration["time"].values
    grid_s, dt_s = uniform_grid(times_s)
    if is_on_grid(times_s, grid_s):
        return concentration, dt_s

    def resampled(array: xr.DataArray) -> Float32:
        return resample(array.values, times_s)[0]

    curves = {name: ("time", resampled(concentration[name])) for name in ("aif", "vof") if name in concentration.coords}
    kept = {str(name): coord for name, coord in concentration.coords.items() if "time" not in coord.dims}
    coords: dict[str, Any] = {"time": grid_s, **kept, **curves}
    return xr.DataArray(resampled(concentration), dims=FRAME_DIMS, coords=coords, attrs=concentration.attrs), dt_s


def _as_maps(values: Mapping[str, Any], observation: Observation) -> xr.DataArray:
    stack = np.stack([values[name] for name in MAPS]).astype(np.float32, copy=False)
    axes = {dim: observation.frames[dim].variable for dim in MAP_DIMS[1:]}
    blank = _blank_maps(*((axis.values.tobytes(), axis.dtype.str) for axis in axes.values()))
    maps = blank.copy(deep=False, data=stack)
    for dim, axis in axes.items():
        maps[dim].attrs.update(axis.attrs)
    return maps


@lru_cache(maxsize=1)
def _blank_maps(*axes: tuple[bytes, str]) -> xr.DataArray:
    """Return maps of no value with these axes: to label them takes longer than to compute those of a small case."""
    coords = {dim: np.frombuffer(*axis) for dim, axis in zip(MAP_DIMS[1:], axes, strict=True)}
    shape = tuple(map(len, coords.values()))
    blank = np.broadcast_to(np.float32(np.nan), (len(MAPS), *shape))
    return xr.DataArray(blank, dims=MAP_DIMS, coords={"map": list(MAPS), **coords}, name="maps")


def _sound(check: Callable[P, T], *parts: P.args, **named: P.kwargs) -> T:
    """Return what a check of the contract returns; what it refuses is the method's fault."""
    try:
        return check(*parts, **named)
    except ValueError as error:
        raise InvalidOutput(str(error)) from None
