"""A scan in memory: denoised, or its perfusion maps."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import xarray as xr

from ctpbench.arrays import Float32
from ctpbench.calls.frames import Frames, Given, Places, given
from ctpbench.calls.methods import Method, denoiser_of, label_of
from ctpbench.calls.processed import inspected_scan, processed
from ctpbench.calls.words import in_python
from ctpbench.contract.case import MAP_UNITS, MAPS
from ctpbench.contract.components import Deconvolver, Denoiser
from ctpbench.contract.control import is_noiseless
from ctpbench.errors import InputError
from ctpbench.outcome.scores import title_of
from ctpbench.plugins import load_catalogue
from ctpbench.report.watching import Watch, watched
from ctpbench.scans.inspection import Inspection
from ctpbench.scans.processing import RECORDED
from ctpbench.scans.training import check_learns_from_noise, loaded
from ctpbench.settings import MapsSettings
from ctpbench.written.document import plain
from ctpbench.written.faults import Faults

Folder = str | os.PathLike[str]


def denoise(
    frames: Frames,
    method: Method | None = None,
    *,
    model: Folder | None = None,
    spacing_mm: Sequence[float] | None = None,
    frame_interval_s: float | None = None,
    times_s: npt.ArrayLike | None = None,
    brain: npt.ArrayLike | None = None,
    vessels: npt.ArrayLike | None = None,
    aif: npt.ArrayLike | None = None,
    vof: npt.ArrayLike | None = None,
    aif_at: Places = None,
    seed: int = 0,
    device: str = "auto",
    progress: Watch = None,
    **parameters: Any,
) -> xr.DataArray:
    """Denoise a scan.

    Parameters
    ----------
    frames : array or DataArray, (time, z, y, x) or (time, y, x), HU
        Axes are those of `ctpbench.Observation`. A DataArray says by its coordinates and ``attrs["spacing_mm"]`` what
        is not given below; a plain array needs `spacing_mm`, and `frame_interval_s` or `times_s`.
    method : str, component or function
        The name of an installed denoiser, a component, or a plain function of frames, (time, z, y, x), float32, HU,
        that returns as many; it is also given what it names of `ctpbench.calls.functions.OFFERED`. One that learns
        from noise is trained on this very scan, unless there is a model; with that it may be left out.
    model : path or None
        A trained model: ``cache/model/KEY`` of a run, or the folder ``model`` that `ctpbench denoise` wrote.
    spacing_mm : sequence of 3 floats
        Voxel size along (z, y, x) in mm; 2 of a single slice.
    frame_interval_s : float
        Time between frames in s.
    times_s : array, (time), s
        When each frame was taken. Frames that are not evenly spaced are brought to an even grid.
    brain, vessels : array, (z, y, x), bool
        Found where not given: the brain inside its skull.
    aif, vof : array, (time), HU above baseline
        Found where not given.
    aif_at : index (z, y, x), or several
        Voxels of arteries, counted from 0 along the frames' axes: the mean within 1.5 mm in their slices is the AIF.
    seed : int
        Of training and of methods that draw random numbers.
    device : {"auto", "cpu", "cuda", "mps"}
    progress : bool, callable(fraction, text) or None
        None: shown in a notebook and on a terminal.
    **parameters
        Of the method.

    Returns
    -------
    DataArray, as the frames, float32, HU
        With the coordinates time, brain, vessels, aif and vof, so that `perfusion_maps` goes on with the same.
        Attributes say what was done.

    Raises
    ------
    InputError, DataError, PluginError
        Where the call, the frames or the method is wrong: one line.

    Examples
    --------
    >>> from ctpbench.testing import example_observation
    >>> frames = example_observation().frames
    >>> import ctpbench
    >>> smooth = ctpbench.denoise(frames, lambda frames: 0.5 * frames, progress=False)
    >>> smooth.dims == frames.dims, smooth.attrs["method"]
    (True, 'lambda')
    """
    with in_python():
        scan = given(
            frames,
            spacing_mm=spacing_mm,
            frame_interval_s=frame_interval_s,
            times_s=times_s,
            parts={"brain": brain, "vessels": vessels, "aif": aif, "vof": vof},
            aif_at=aif_at,
        )
        denoiser, fitted = _method(method, parameters, model)
        if isinstance(fitted or denoiser, Deconvolver):
            raise InputError(
                f"{denoiser.name}: deconvolves and has no denoised frames; use perfusion_maps(frames, method=...)"
            )
        with watched(progress, label_of(denoiser)) as tell:
            inspection = inspected_scan(scan, tell)
            about = processed(inspection, denoiser, fitted, MapsSettings(**RECORDED), seed, device, tell)
        return _series(scan, inspection, about)


def perfusion_maps(
    frames: Frames,
    *,
    method: Method | None = None,
    parameters: Mapping[str, Any] | None = None,
    model: Folder | None = None,
    spacing_mm: Sequence[float] | None = None,
    frame_interval_s: float | None = None,
    times_s: npt.ArrayLike | None = None,
    brain: npt.ArrayLike | None = None,
    vessels: npt.ArrayLike | None = None,
    aif: npt.ArrayLike | None = None,
    vof: npt.ArrayLike | None = None,
    aif_at: Places = None,
    seed: int = 0,
    device: str = "auto",
    progress: Watch = None,
    **maps: Any,
) -> xr.Dataset:
    """Return the perfusion maps of a scan, as it is or denoised.

    Parameters
    ----------
    frames, spacing_mm, frame_interval_s, times_s, brain, vessels, aif, vof, aif_at, seed, device, progress
        As of `denoise`.
    method : str, component, function or None
        What the frames are denoised with first; None leaves them as they are.
    parameters : mapping or None
        The method's parameters.
    model : path or None
        A trained model, as of `denoise`.
    **maps
        How maps are computed: the keys of a suite's ``maps``, such as ``lambda_rel=0.3``, ``deconvolution="osvd"`` or
        ``kappa=0.73``. `scaling` is ``"none"`` unless it is ``"white_matter"``.

    Returns
    -------
    Dataset, (z, y, x) or (y, x), float32
        ``cbf`` in mL/100 g/min, ``cbv`` in mL/100 g, ``mtt``, ``ttp`` and ``tmax`` in s; zero outside the brain.

    Raises
    ------
    InputError, DataError, PluginError
        Where the call, the frames or the method is wrong: one line.

    Examples
    --------
    >>> from ctpbench.testing import example_observation
    >>> import ctpbench
    >>> maps = ctpbench.perfusion_maps(example_observation().frames, lambda_rel=0.1, progress=False)
    >>> list(maps), maps["mtt"].attrs["units"]
    (['cbf', 'cbv', 'mtt', 'ttp', 'tmax'], 's')
    """
    with in_python():
        scan = given(
            frames,
            spacing_mm=spacing_mm,
            frame_interval_s=frame_interval_s,
            times_s=times_s,
            parts={"brain": brain, "vessels": vessels, "aif": aif, "vof": vof},
            aif_at=aif_at,
        )
        settings = _settings(maps)
        as_it_is = method is None and model is None
        denoiser, fitted = _method(_as_it_is if as_it_is else method, parameters or {}, model)
        with watched(progress, "maps" if as_it_is else label_of(denoiser)) as tell:
            inspection = inspected_scan(scan, tell)
            about = processed(inspection, denoiser, fitted, settings, seed, device, tell)
        found = {
            name: scan.array(scan.series.made[name], (), {}).assign_attrs(
                units=MAP_UNITS[name], long_name=title_of(name)
            )
            for name in MAPS
        }
        done = {"seed": about["seed"], "remarks": about["remarks"]} if as_it_is else about
        return xr.Dataset(found, attrs={**done, "maps": settings.label})


def _as_it_is(frames: Float32) -> Float32:
    return frames


def _method(
    method: Method | None, parameters: Mapping[str, Any], model: Folder | None
) -> tuple[Denoiser, Denoiser | None]:
    """Return the method and, of a model, what it has learnt."""
    catalogue = load_catalogue()
    if model is not None:
        if parameters or not (method is None or isinstance(method, str)):
            raise InputError("model: has the parameters of its training; give the method's name beside it, or nothing")
        return loaded(catalogue, Path(model), method)
    if method is None:
        raise InputError("method: missing; give the name of a denoiser, a component, a function, or a model")
    denoiser = denoiser_of(method, parameters, catalogue)
    if is_noiseless(denoiser):
        raise InputError("noiseless: is a control of simulations, and no scan has noiseless frames; choose another")
    check_learns_from_noise(denoiser)
    return denoiser, None


def _settings(maps: Mapping[str, Any]) -> MapsSettings:
    """Return how maps are computed, checked as a suite's ``maps`` are."""
    faults = Faults(plain({"maps": {**RECORDED, **maps}}, "perfusion_maps"))
    settings = faults.section("maps", MapsSettings, MapsSettings())
    faults.raise_if_any()
    if settings.scaling == "truth":
        faults.add(("maps", "scaling"), "got 'truth'; allowed: 'none' or 'white_matter', for a scan has no truth")
    faults.raise_if_any()
    return settings


def _series(scan: Given, inspection: Inspection, about: Mapping[str, Any]) -> xr.DataArray:
    """Return denoised frames with all that goes with them."""
    assert inspection.inputs is not None
    curves = {"aif": inspection.inputs.scaled_aif}
    if inspection.inputs.vof is not None:
        curves["vof"] = inspection.inputs.vof.curve
    masks = {"brain": inspection.brain, "vessels": inspection.vessels}
    coords: dict[str, Any] = {
        "time": ("time", inspection.times_s + scan.start_s, {"units": "s"}),
        **{name: (("z", "y", "x"), mask) for name, mask in masks.items()},
        **{name: ("time", curve, {"units": "HU"}) for name, curve in curves.items()},
    }
    made = scan.array(scan.series.made["denoised"], ("time",), coords)
    return made.rename("frames").assign_attrs(units="HU", spacing_mm=list(scan.series.spacing_mm), **about)
