"""From a method's answer to perfusion maps: the part that is the same for every method."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

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
from ctpbench.settings import MapsSettings

WHITE_MATTER = {"cbf": 22.0, "cbv": 2.0}
"""Perfusion of normal white matter, mL/100 g/min and mL/100 g."""


P = ParamSpec("P")
T = TypeVar("T")


class InvalidOutput(Exception):
    """A method returned something that breaks its contract."""


@dataclass(frozen=True)
class Estimate:
    """One case's answer.

    Attributes
    ----------
    maps : DataArray, (map, z, y, x), float32
        Not yet scaled; zero outside the brain.
    concentration : DataArray, (time, z, y, x), float32, HU above baseline, or None
        None for a method that emits residues.
    denoise_s, maps_s : float
        Seconds spent by the method and, after it, by baseline, deconvolution and maps.
    diagnostics : mapping
        Numbers that the method reports of itself (``attrs["diagnostics"]`` of its output).
    frames : DataArray, (time, z, y, x), float32, HU, or None
        What a `FrameDenoiser` returned.
    """

    maps: xr.DataArray
    concentration: xr.DataArray | None
    denoise_s: float
    maps_s: float
    diagnostics: Mapping[str, float]
    frames: xr.DataArray | None = None


def estimate(denoiser: Denoiser, observation: Observation, settings: MapsSettings, context: Context) -> Estimate:
    """Denoise one observation and compute its maps.

    Raises
    ------
    InvalidOutput
        Where the method's output has a wrong shape, dtype, coordinate, value or diagnostic.
    DataError
        Where the method takes another number of frames.
    """
    frames = observation.frames
    denoised = None
    if isinstance(denoiser, FrameDenoiser):
        check_frame_count(denoiser, frames)
        output, denoise_s = _timed(lambda: denoiser.denoise(frames, context), context.device)
        denoised = output = _sound(check_output, output, FRAME_DIMS, frames, "denoise")
        started = time.perf_counter()
        concentration = baseline_subtracted(output, settings)
    elif isinstance(denoiser, ConcentrationDenoiser):
        check_frame_count(denoiser, frames)
        output, denoise_s = _timed(lambda: denoiser.concentration(frames, context), context.device)
        concentration = output = _sound(check_output, output, FRAME_DIMS, frames, "concentration")
        started = time.perf_counter()
    elif isinstance(denoiser, Deconvolver):
        return _deconvolved(denoiser, observation, settings, context)
    else:
        raise InvalidOutput(
            f"denoiser: got {type(denoiser).__name__}; allowed: a FrameDenoiser, ConcentrationDenoiser or Deconvolver"
        )
    maps = concentration_maps(concentration, observation, settings)
    maps_s = time.perf_counter() - started
    diagnostics = _sound(check_diagnostics, output, "denoise" if denoised is not None else "concentration")
    return Estimate(maps, concentration, denoise_s, maps_s, diagnostics, denoised)


def baseline_subtracted(frames: xr.DataArray, settings: MapsSettings) -> xr.DataArray:
    """Return the concentration of frames: eq. 1 of the paper, as a DataArray."""
    return frames.copy(data=subtract_baseline(frames.values, settings.baseline_frames))


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
    factors = xr.DataArray([factor.get(name, 1.0) for name in names], dims="map").astype(np.float32)
    return (maps * factors).transpose(*maps.dims)


def _deconvolved(denoiser: Deconvolver, observation: Observation, settings: MapsSettings, context: Context) -> Estimate:
    started = time.perf_counter()
    concentration, dt_s = _uniform(baseline_subtracted(observation.frames, settings))
    baseline_s = time.perf_counter() - started
    check_frame_count(denoiser, concentration)
    residues, denoise_s = _timed(lambda: denoiser.deconvolve(concentration, context), context.device)
    residues = _sound(check_output, residues, ("lag", *FRAME_DIMS[1:]), concentration, "deconvolve")
    n_frames = concentration.sizes["time"]
    if residues.sizes["lag"] != circulant_length(n_frames):
        raise InvalidOutput(f"deconvolve: got {residues.sizes['lag']} along lag; allowed: {circulant_length(n_frames)}")
    started = time.perf_counter()
    values = maps_from_residues(
        residues.values,
        concentration["aif"].values,
        dt_s,
        frames=n_frames,
        mask=observation.frames["brain"].values,
        kappa=settings.kappa,
        rho=settings.rho,
        peak_lags=settings.peak_lags,
    )
    maps_s = baseline_s + time.perf_counter() - started
    return Estimate(
        _as_maps(values, observation), None, denoise_s, maps_s, _sound(check_diagnostics, residues, "deconvolve")
    )


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
    axes = {dim: observation.frames[dim] for dim in MAP_DIMS[1:]}
    stack = np.stack([values[name] for name in MAPS]).astype(np.float32, copy=False)
    return xr.DataArray(stack, dims=MAP_DIMS, coords={"map": list(MAPS), **axes}, name="maps")


def _timed(work: Callable[[], xr.DataArray], on: str) -> tuple[xr.DataArray, float]:
    clock = Stopwatch(on)
    output = work()
    return output, clock.seconds()


def _sound(check: Callable[P, T], *parts: P.args, **named: P.kwargs) -> T:
    """Return what a check of the contract returns; what it refuses is the method's fault."""
    try:
        return check(*parts, **named)
    except ValueError as error:
        raise InvalidOutput(str(error)) from None
