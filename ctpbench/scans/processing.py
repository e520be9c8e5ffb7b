"""One scan of a user's own, denoised and mapped a few slices at a time, without a suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ctpbench.arrays import Float32, Mask
from ctpbench.contract.case import MAP_UNITS, MAPS
from ctpbench.contract.components import Context, Deconvolver, Denoiser
from ctpbench.contract.observation import Observation
from ctpbench.contract.series import Format, Volume, slabs
from ctpbench.errors import DataError, PluginError
from ctpbench.running.estimation import (
    Answer,
    InvalidOutput,
    answer_of,
    baseline_subtracted,
    concentration_maps,
    estimate,
    region_perfusion,
    rois_of,
    scaled,
    white_matter_scale,
)
from ctpbench.scans.inspection import Inspection
from ctpbench.settings import MapsSettings

Progress = Callable[[float, str], None]


RECORDED: Mapping[str, Any] = {"scaling": "none", "kappa": 0.73, "rho": 1.05}
"""How maps of a recorded scan are computed, beside the defaults, for absolute units.

Haematocrits of 0.45 in large vessels and 0.25 in small ones (Rempp et al. 1994); density of brain in g/mL.
"""


@dataclass(frozen=True)
class Processed:
    """What `process` made.

    Attributes
    ----------
    files : list of Path
        The series and maps that were written.
    noisy, maps : DataArray, (map, y, x), float32
        Of the slice with the most brain: maps of the frames as they are, and the method's.
    tissue : ndarray, (y, x), bool
    slice : int
    slabs : int
        How many pieces the scan was taken in.
    """

    files: list[Path]
    noisy: xr.DataArray
    maps: xr.DataArray
    tissue: Mask
    slice: int
    slabs: int


def process(
    inspection: Inspection,
    denoiser: Denoiser,
    settings: MapsSettings,
    context: Context,
    out: Path,
    *,
    format: Format | None = None,
    series: bool = True,
) -> Processed:
    """Denoise a scan and compute its maps slab by slab, and write both in the scan's own geometry.

    A method that looks across slices sees no further than its slab.

    Parameters
    ----------
    inspection : Inspection
    denoiser : Denoiser
        Ready to use: a method that learns, as fitted.
    settings : MapsSettings
        `scaling` is none or white_matter.
    context : Context
    out : Path
        An existing folder.
    format : "nifti", "dicom" or None
        The scan's own where it is None.
    series : bool
        Whether the denoised series is written too; a method that emits no frames has none.

    Raises
    ------
    DataError
        Where no artery was found, the scan cannot be read, or it is not written in that format.
    PluginError
        Where the method's output breaks its contract.
    """
    scan = inspection.series
    chosen = scan.writable_format(format)
    pieces = list(slabs(scan))
    scale = _scale(inspection, pieces, settings)
    emits_frames = not isinstance(denoiser, Deconvolver)
    central = int(inspection.brain.sum(axis=(1, 2)).argmax())
    volumes: dict[str, Volume] = {}

    def write(name: str, first: int, values: Float32) -> None:
        if name not in volumes:
            times_s, units = (inspection.times_s, "HU") if name == "denoised" else (None, MAP_UNITS[name])
            volumes[name] = scan.create(out, name, chosen, times_s=times_s, units=units)
        volumes[name].put(first, values)

    try:
        for number, slices in enumerate(pieces):
            context.progress(number / len(pieces), f"slices {slices.start + 1} to {slices.stop} of {scan.shape[1]}")
            if not inspection.brain[slices].any():
                nothing = np.zeros((slices.stop - slices.start, *scan.shape[2:]), np.float32)
                answers = dict.fromkeys(MAPS, nothing) | {"denoised": inspection.frames(slices)}
            else:
                observation = inspection.observation(slices)
                within = replace(context, progress=_part(context.progress, number, len(pieces)))
                returned = answer_of(denoiser, observation, settings, within)
                maps = scaled(estimate(returned, observation, settings).maps, scale)
                answers = {name: maps.sel(map=name).values for name in MAPS} | _denoised(
                    returned, observation, settings
                )
                if slices.start <= central < slices.stop:
                    shown = maps.isel(z=central - slices.start)
            for name, values in answers.items():
                if name in MAPS or (series and emits_frames):
                    write(name, slices.start, values)
        files = [volume.finish() for volume in volumes.values()]
    except BaseException as error:
        for volume in volumes.values():
            volume.discard()
        if isinstance(error, InvalidOutput):
            raise PluginError(f"{denoiser.name}: {error}") from None
        raise
    context.progress(1.0, "")
    one = inspection.observation(slice(central, central + 1))
    noisy = scaled(concentration_maps(baseline_subtracted(one.frames, settings), one, settings), scale)
    return Processed(files, noisy.isel(z=0), shown, one.tissue[0], central, len(pieces))


def _denoised(returned: Answer, observation: Observation, settings: MapsSettings) -> dict[str, Float32]:
    """Return the denoised frames in HU; where a method gives concentrations, those above the scan's own baseline."""
    if returned.kind == "residues":
        return {}
    early = 0 if returned.kind == "frames" else observation.frames.values[: settings.baseline_frames].mean(axis=0)
    return {"denoised": returned.output.values + early}


def _scale(inspection: Inspection, pieces: Sequence[slice], settings: MapsSettings) -> Mapping[str, float]:
    """Return the factors of CBF and CBV, which the white matter of the whole scan decides."""
    if settings.scaling != "white_matter":
        return {"cbf": 1.0, "cbv": 1.0}
    found = []
    for slices in pieces:
        if inspection.brain[slices].any():
            observation = inspection.observation(slices)
            rois = rois_of(observation, None)
            if rois is not None:
                found.append(region_perfusion(observation, rois.sel(roi="white_matter").values, settings))
    if not found:
        raise DataError(
            f"{inspection.series.path}: no flat normal white matter was found to scale by; use --scaling none"
        )
    return white_matter_scale(found)


def _part(progress: Progress, number: int, count: int) -> Progress:
    """Return a progress of one piece as that of all."""
    return lambda fraction, text: progress((number + fraction) / count, text)
