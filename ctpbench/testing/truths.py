"""What the truth of a case must keep to."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ctpbench.contract.answers import check_output
from ctpbench.contract.case import MAP_DIMS, MAPS, ROI_DIMS, Case, Truth
from ctpbench.contract.observation import FRAME_DIMS
from ctpbench.testing.check import require

# A region may be known or drawn where the mask of the brain, which many datasets find in the frames, misses its edge.
_MAX_OUTSIDE = 0.25


def truth_maps_keep_contract(case_id: str, noise: float | None, case: Case) -> None:
    for part in ("maps", "resolved"):
        where = f"{at(case_id, noise)}: truth.{part}"
        maps = getattr(_truth(case_id, noise, case), part)
        if maps is None:
            continue
        _require_output(maps.fillna(0.0) if isinstance(maps, xr.DataArray) else maps, MAP_DIMS, case, where)
        names = maps["map"].values.tolist() if "map" in maps.coords else None
        require(names == list(MAPS), f"{where}: got maps {names}; allowed: {list(MAPS)}, NaN where one is not known")


def truth_frames_keep_contract(case_id: str, noise: float | None, case: Case) -> None:
    frames = _truth(case_id, noise, case).frames
    if frames is not None:
        _require_output(frames, FRAME_DIMS, case, f"{at(case_id, noise)}: truth.frames")


def truth_labels_keep_contract(case_id: str, noise: float | None, case: Case) -> None:
    labels, where = _truth(case_id, noise, case).labels, f"{at(case_id, noise)}: truth.labels"
    if labels is None:
        return
    require(labels.dtype == np.int8, f"{where}: got dtype {labels.dtype}; allowed: int8")
    _require_output(labels.astype(np.float32), FRAME_DIMS[1:], case, where)
    values = np.atleast_1d(labels.attrs.get("flag_values", ())).tolist()
    meanings = str(labels.attrs.get("flag_meanings", "")).split()
    text = f"{where}: got flag_values {values} and flag_meanings {meanings}; allowed: one meaning a value"
    require(len(values) == len(meanings) > 0, text)
    unknown = sorted(set(np.unique(labels.values).tolist()) - set(values))
    require(not unknown, f"{where}: got labels {unknown} without a meaning; allowed: {values}")


def truth_rois_keep_contract(case_id: str, noise: float | None, case: Case) -> None:
    rois, where = _truth(case_id, noise, case).rois, f"{at(case_id, noise)}: truth.rois"
    if rois is None:
        return
    kind = str(rois.dtype) if isinstance(rois, xr.DataArray) else type(rois).__name__
    require(kind == "bool", f"{where}: got {kind}; allowed: a DataArray of bool, as by ctpbench.regions")
    _require_output(rois.astype(np.float32), ROI_DIMS, case, where)
    require("roi" in rois.coords, f"{where}: got no coordinate roi; allowed: one that names each region")
    names = rois["roi"].values.tolist()
    named = all(isinstance(name, str) and name for name in names)
    require(named, f"{where}: got regions {names}; allowed: names in text that is not empty")
    twice = sorted({name for name in names if names.count(name) > 1})
    require(not twice, f"{where}: got {', '.join(twice)} more than once; allowed: unique names")
    brain = case.observation.frames["brain"].values
    for name, mask in zip(names, rois.values, strict=True):
        outside, size = int((mask & ~brain).sum()), int(mask.sum())
        text = f"got {outside} of the {size} voxels of {name} outside the brain; allowed: up to {_MAX_OUTSIDE:.0%}"
        require(outside <= _MAX_OUTSIDE * size, f"{where}: {text}")


def _truth(case_id: str, noise: float | None, case: Case) -> Truth:
    if case.truth is None:
        return Truth()
    got = type(case.truth).__name__
    require(isinstance(case.truth, Truth), f"{at(case_id, noise)}: got {got} as truth; allowed: Truth or None")
    return case.truth


def _require_output(array: xr.DataArray, dims: tuple[str, ...], case: Case, name: str) -> None:
    try:
        check_output(array, dims, case.observation.frames, name)
    except ValueError as error:
        raise AssertionError(str(error)) from None


def at(case_id: str, noise: float | None) -> str:
    """Return how messages name a case."""
    return f"load({case_id!r}, noise={noise})"
