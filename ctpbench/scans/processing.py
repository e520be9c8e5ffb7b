"""One scan of a user's own, denoised and mapped a few slices at a time, without a suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ctpbench.arrays import Float32, Mask
from ctpbench.contract.case import MAPS
from ctpbench.contract.components import Context, Deconvolver, Denoiser
from ctpbench.contract.observation import Observation
from ctpbench.contract.series import Format, slabs
from ctpbench.errors import DataError, PluginError
from ctpbench.perfusion.bolus import arrival_s
from ctpbench.running.estimation import (
    Answer,
    answer_of,
    baseline_subtracted,
    concentration_maps,
    estimate,
    region_perfusion,
    rois_of,
    scaled,
    white_matter_scale,
)
from ctpbench.running.faults import InvalidOutput
from ctpbench.scans.inspection import Inspection
from ctpbench.scans.lesions import Lesions, LesionVoxels
from ctpbench.scans.output import Output
from ctpbench.settings import MapsSettings

Progress = Callable[[float, str], None]


RECORDED: Mapping[str, Any] = {"scaling": "none", "kappa": 0.73, "rho": 1.05}
"""How maps of a recorded scan are computed, beside the defaults, for absolute units.

Haematocrits of 0.45 in large vessels and 0.25 in small ones (Rempp et al. 1994); density of brain in g/mL.
"""


_LEVELS = 12
_NOTHING = np.empty((0, 0), np.float32)


@dataclass(frozen=True)
class Processed:
    """What `process` made.

    Attributes
    ----------
    files : list of Path
        The series, maps and masks that were written.
    noisy, maps : DataArray, (map, y, x), float32
        Of the slice with the most brain: maps of the frames as they are, and the method's.
    tissue : ndarray, (y, x), bool
    slice : int
    slabs : int
        How many pieces the scan was taken in.
    lesions : Lesions
        Core and penumbra on the method's maps.
    anatomy : dict of int to ndarray, (y, x), float32, HU
        The mean of all frames in a few slices through the brain.
    scale : mapping of str to float
        The factors that CBF and CBV were multiplied by.
    arrival_s : float
        When the bolus arrives in the AIF, from the scan's first frame.
    """

    files: list[Path]
    noisy: xr.DataArray
    maps: xr.DataArray
    tissue: Mask
    slice: int
    slabs: int
    lesions: Lesions
    anatomy: dict[int, Float32]
    scale: Mapping[str, float]
    arrival_s: float


def process(
    inspection: Inspection,
    denoiser: Denoiser,
    settings: MapsSettings,
    context: Context,
    out: Path,
    *,
    formats: Sequence[Format] = (),
    series: bool = True,
) -> Processed:
    """Denoise a scan and compute its maps slab by slab, and write both in the scan's own geometry.

    Beside the maps of `ctpbench.MAPS` there are the time to peak from bolus arrival, and masks of core and penumbra,
    which are drawn once all slices are known. A method that looks across slices sees no further than its slab.

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
    formats : sequence of "nifti", "dicom" and "dicom-pm"
        All that it is written in; the scan's own where none is named.
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
    pieces = list(slabs(scan))
    scale = _scale(inspection, pieces, settings)
    arrival = _arrival_s(inspection)
    emits_frames = not isinstance(denoiser, Deconvolver)
    central = int(inspection.brain.sum(axis=(1, 2)).argmax())
    voxels, anatomy = LesionVoxels(inspection.brain), dict.fromkeys(_levels(inspection.brain), _NOTHING)
    with Output(inspection, out, formats) as output:
        for number, slices in enumerate(pieces):
            context.progress(number / len(pieces), f"slices {slices.start + 1} to {slices.stop} of {scan.shape[1]}")
            if not inspection.brain[slices].any():
                nothing = np.zeros((slices.stop - slices.start, *scan.shape[2:]), np.float32)
                answers = dict.fromkeys((*MAPS, "ttp_arrival"), nothing) | {"denoised": inspection.frames(slices)}
            else:
                observation = inspection.observation(slices)
                within = replace(context, progress=_part(context.progress, number, len(pieces)))
                try:
                    returned = answer_of(denoiser, observation, settings, within)
                except InvalidOutput as error:
                    raise PluginError(f"{denoiser.name}: {error}") from None
                maps = scaled(estimate(returned, observation, settings).maps, scale)
                answers = {name: maps.sel(map=name).values for name in MAPS}
                answers["ttp_arrival"] = np.where(inspection.brain[slices], answers["ttp"] - np.float32(arrival), 0)
                voxels.add(slices, observation.solid(), answers["cbf"], answers["tmax"])
                answers |= _denoised(returned, observation, settings)
                for z in anatomy.keys() & set(range(slices.start, slices.stop)):
                    anatomy[z] = observation.frames.values[:, z - slices.start].mean(axis=0)
                if slices.start <= central < slices.stop:
                    shown = maps.isel(z=central - slices.start)
            for name, values in answers.items():
                if name != "denoised" or (series and emits_frames):
                    output.put(name, slices.start, values)
        lesions = voxels.lesions(float(np.prod(scan.spacing_mm)) / 1000)
        for name, mask in lesions.masks.items():
            for slices in pieces:
                output.put(name, slices.start, mask[slices].astype(np.float32))
        files = output.finish()
    context.progress(1.0, "")
    one = inspection.observation(slice(central, central + 1))
    noisy = scaled(concentration_maps(baseline_subtracted(one.frames, settings), one, settings), scale)
    tissue, count = one.tissue[0], len(pieces)
    return Processed(files, noisy.isel(z=0), shown, tissue, central, count, lesions, anatomy, scale, arrival)


def _levels(brain: Mask) -> list[int]:
    """Return a few slices from the lowest to the highest that hold brain."""
    held = np.flatnonzero(brain.any(axis=(1, 2)))
    return [int(z) for z in held[np.linspace(0, len(held) - 1, min(_LEVELS, len(held))).round().astype(int)]]


def _arrival_s(inspection: Inspection) -> float:
    if inspection.inputs is None:
        raise DataError(f"{inspection.series.path}: {inspection.no_artery}")
    dt_s = float(inspection.times_s[1] - inspection.times_s[0])
    return arrival_s(inspection.inputs.aif.curve, dt_s)


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
