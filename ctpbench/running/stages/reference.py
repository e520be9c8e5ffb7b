"""Compute what rows share of a case set: noiseless maps, regions of interest, scaling factors, numbers of each case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ctpbench.perfusion import scale_factor
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


def run(task: ReferenceTask, job: Job) -> ReferenceInfo:
    """Write a file with maps and regions of each case that has either; return the factors and each case's numbers."""
    settings = task.maps
    white_matter = settings.scaling == "white_matter"
    known: list[tuple[Any, Any, Any]] = []  # noiseless maps, true maps, tissue
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
            if true_maps is not None:
                known.append((maps, true_maps, observation.tissue))
        if task.rois or white_matter:
            rois = rois_of(observation, truth)
        if white_matter and rois is not None and "white_matter" in rois["roi"]:
            mask = rois.sel(roi="white_matter").values
            in_white_matter.append(region_perfusion(observation, mask, settings))
        if maps is not None or rois is not None:
            save_arrays(job.out / file_name(case), maps=maps, rois=rois)
    scale = Scale(cbf=1.0, cbv=1.0)
    if settings.scaling == "truth":
        scale = {name: _factor(name, known) for name in ("cbf", "cbv")}
    elif white_matter:
        scale = white_matter_scale(in_white_matter)
    return ReferenceInfo(scale=scale, quality=gathered(quality))


def _factor(name: str, known: list[tuple[Any, Any, Any]]) -> float:
    """Return the factor that brings the noiseless maps of all cases closest to the true ones; 1 where none is known.

    To what the scanner resolves of the true ones, where that is known: where it mixes vessels into the tissue, the
    noiseless maps are too high for any factor of the tissue.
    """
    if not known:
        return 1.0
    got = [maps.sel(map=name).values for maps, _, _ in known]
    true = [maps.sel(map=name).values for _, maps, _ in known]
    inside = [tissue & np.isfinite(values) for (_, _, tissue), values in zip(known, true, strict=True)]
    return scale_factor(got, true, inside)
