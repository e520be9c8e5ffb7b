"""From a method's answer to perfusion maps: the part that is the same for every method."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from ctpbench.case import FRAME_DIMS, MAP_DIMS, MAPS, Observation, check_output
from ctpbench.components import ConcentrationDenoiser, Context, Deconvolver, Denoiser, FrameDenoiser
from ctpbench.device import Stopwatch
from ctpbench.perfusion import (
    circulant_length,
    maps_from_residues,
    perfusion_maps,
    resample,
    subtract_baseline,
)
from ctpbench.suite.settings import MapsSettings


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
    """

    maps: xr.DataArray
    concentration: xr.DataArray | None
    denoise_s: float
    maps_s: float
    diagnostics: Mapping[str, float]


def estimate(denoiser: Denoiser, observation: Observation, settings: MapsSettings, context: Context) -> Estimate:
    """Denoise one observation and compute its maps.

    Raises
    ------
    InvalidOutput
        Where the method's output has a wrong shape, dtype, coordinate or value.
    """
    frames = observation.frames
    if isinstance(denoiser, FrameDenoiser):
        output, denoise_s = _timed(lambda: denoiser.denoise(frames, context), context.device)
        output = _checked(output, FRAME_DIMS, frames, "denoise")
        started = time.perf_counter()
        concentration = baseline_subtracted(output, settings)
    elif isinstance(denoiser, ConcentrationDenoiser):
        output, denoise_s = _timed(lambda: denoiser.concentration(frames, context), context.device)
        concentration = output = _checked(output, FRAME_DIMS, frames, "concentration")
        started = time.perf_counter()
    elif isinstance(denoiser, Deconvolver):
        return _deconvolved(denoiser, observation, settings, context)
    else:
        raise InvalidOutput(f"{type(denoiser).__name__} is none of FrameDenoiser, ConcentrationDenoiser, Deconvolver")
    maps = concentration_maps(concentration, observation, settings)
    maps_s = time.perf_counter() - started
    return Estimate(maps, concentration, denoise_s, maps_s, _diagnostics(output))


def baseline_subtracted(frames: xr.DataArray, settings: MapsSettings) -> xr.DataArray:
    """Return the concentration of frames: eq. 1 of the paper, as a DataArray."""
    return frames.copy(data=subtract_baseline(frames.values, settings.baseline_frames))


def concentration_maps(concentration: xr.DataArray, observation: Observation, settings: MapsSettings) -> xr.DataArray:
    """Return the maps (map, z, y, x) of a concentration, zero outside the brain."""
    curves, dt_s = resample(concentration.values, observation.times_s)
    aif, _ = resample(observation.aif, observation.times_s)
    values = perfusion_maps(
        curves,
        aif,
        dt_s,
        mask=observation.frames["brain"].values,
        method=settings.deconvolution,
        lambda_rel=settings.lambda_rel,
        threshold_rel=settings.threshold_rel,
        oscillation_index=settings.oscillation_index,
        kappa=settings.kappa,
        rho=settings.rho,
    )
    return _as_maps(values, observation)


def _deconvolved(denoiser: Deconvolver, observation: Observation, settings: MapsSettings, context: Context) -> Estimate:
    started = time.perf_counter()
    concentration = _uniform(baseline_subtracted(observation.frames, settings))
    baseline_s = time.perf_counter() - started
    residues, denoise_s = _timed(lambda: denoiser.deconvolve(concentration, context), context.device)
    residues = _checked(residues, ("lag", *FRAME_DIMS[1:]), concentration, "deconvolve")
    n_frames = concentration.sizes["time"]
    if residues.sizes["lag"] != circulant_length(n_frames):
        raise InvalidOutput(f"deconvolve: got {residues.sizes['lag']} along lag; allowed: {circulant_length(n_frames)}")
    started = time.perf_counter()
    values = maps_from_residues(
        residues.values,
        concentration["aif"].values,
        float(np.median(np.diff(concentration["time"].values))),
        frames=n_frames,
        mask=observation.frames["brain"].values,
        kappa=settings.kappa,
        rho=settings.rho,
    )
    maps_s = baseline_s + time.perf_counter() - started
    return Estimate(_as_maps(values, observation), None, denoise_s, maps_s, _diagnostics(residues))


def _uniform(concentration: xr.DataArray) -> xr.DataArray:
    """Resample once where frames are irregular: A is circulant on a uniform grid only."""
    times_s = concentration["time"].values
    curves, dt_s = resample(concentration.values, times_s)
    if curves.shape[0] == times_s.size and np.allclose(np.diff(times_s), dt_s, rtol=0, atol=1e-6):
        return concentration
    resampled = {
        name: ("time", resample(concentration[name].values, times_s)[0])
        for name in ("aif", "vof")
        if name in concentration.coords
    }
    kept = {name: coord for name, coord in concentration.coords.items() if "time" not in coord.dims}
    grid = times_s[0] + dt_s * np.arange(curves.shape[0])
    return xr.DataArray(curves, dims=FRAME_DIMS, coords={"time": grid, **kept, **resampled}, attrs=concentration.attrs)


def _as_maps(values: Mapping[str, Any], observation: Observation) -> xr.DataArray:
    axes = {dim: observation.frames[dim] for dim in MAP_DIMS[1:]}
    stack = np.stack([values[name] for name in MAPS]).astype(np.float32, copy=False)
    return xr.DataArray(stack, dims=MAP_DIMS, coords={"map": list(MAPS), **axes}, name="maps")


def _timed(work: Callable[[], xr.DataArray], on: str) -> tuple[xr.DataArray, float]:
    clock = Stopwatch(on)
    output = work()
    return output, clock.seconds()


def _checked(output: object, dims: tuple[str, ...], like: xr.DataArray, name: str) -> xr.DataArray:
    try:
        return check_output(output, dims, like, name)
    except ValueError as error:
        raise InvalidOutput(str(error)) from None


def _diagnostics(output: xr.DataArray) -> dict[str, float]:
    return {str(name): float(value) for name, value in dict(output.attrs.get("diagnostics", {})).items()}
