"""Compute what rows share of a case set: noiseless maps, regions of interest, scaling factors, numbers of each case."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from ctpbench.contract.observation import Observation
from ctpbench.perfusion import pooled_factor, scale_sums
from ctpbench.running.estimation import (
    baseline_subtracted,
    concentration_maps,
    region_perfusion,
    rois_of,
    white_matter_scale,
)
from ctpbench.running.files import file_name, save_arrays
from ctpbench.running.job import Job
from ctpbench.running.quality import gathered, quality_of
from ctpbench.running.work import ReferenceInfo, ReferenceTask, Scale

_SCALED = ("cbf", "cbv")


def run(task: ReferenceTask, job: Job) -> ReferenceInfo:
    """Write a file with maps and regions of each case that has either; return the factors and each case's numbers."""
    settings = task.maps
    white_matter = settings.scaling == "white_matter"
    sums: dict[str, list[tuple[float, float]]] = {name: [] for name in _SCALED}
    in_white_matter: list[Mapping[str, float]] = []
    quality: list[dict[str, float | None]] = []
    for case in task.cases:
        observation, truth = job.observation(case), job.truth(case)
        if task.quality:
            quality.append(quality_of(observation, truth))
        maps = rois = None
        if truth is not None and truth.frames is not None:
            maps = concentration_maps(baseline_subtracted(truth.frames, settings), observation, settings)
            true_maps = truth.maps if truth.resolved is None else truth.resolved
            if true_maps is not None and settings.scaling == "truth":
                for name in _SCALED:
                    sums[name].append(_sums(maps.sel(map=name), true_maps.sel(map=name), observation))
        if task.rois or white_matter:
            rois = rois_of(observation, truth)
        if white_matter and rois is not None and "white_matter" in rois["roi"]:
            mask = rois.sel(roi="white_matter").values
            in_white_matter.append(region_perfusion(observation, mask, settings))
        if maps is not None or rois is not None:
            save_arrays(job.out / file_name(case), maps=maps, rois=rois)
    scale = Scale(cbf=1.0, cbv=1.0)
    if settings.scaling == "truth":
        scale = {name: pooled_factor(of_cases) if of_cases else 1.0 for name, of_cases in sums.items()}
    elif white_matter:
        scale = white_matter_scale(in_white_matter)
    return ReferenceInfo(scale=scale, quality=gathered(quality))


def _sums(noiseless: xr.DataArray, true: xr.DataArray, observation: Observation) -> tuple[float, float]:
    """Return what a case adds to the factor that brings the noiseless maps of all cases closest to the true ones.

    To what the scanner resolves of the true ones, where that is known: where it mixes vessels into the tissue, the
    noiseless maps are too high for any factor of the tissue.
    """
    return scale_sums(noiseless.values, true.values, observation.tissue & np.isfinite(true.values))
